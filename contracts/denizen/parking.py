"""Parked events: those that a subscription gave up on, so that it could go on with the next.

Each is a message on the stream USERS_PARKED, under `users.v1.parked.<durable>.<position>`, of which the newest counts:
`parked`; `retry`, which the subscription waits for; `done`, which NATS drops after a second. It says where the event is
on USERS_EVENTS, and so holds nothing about a user. It is written before the event is acknowledged, and dropped after
the event was handled: a crash in between repeats the step, and loses nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from denizen.event import STREAM as EVENTS
from denizen.event import Event
from denizen.starting import Beginning
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from pydantic import Field, TypeAdapter

PARKED_STREAM = "USERS_PARKED"
PREFIX = "users.v1.parked"
_DROPPED = {"Nats-TTL": "1s"}


@dataclass(frozen=True, slots=True)
class Note:
    """The body of a message of the stream.

    Attributes:
        sequence: of the event on USERS_EVENTS.
        error: the name of the exception's class, never its text, which may hold personal data.
        at: RFC 3339.
    """

    state: Literal["parked", "retry", "done"]
    position: Annotated[int, Field(ge=1)]
    sequence: Annotated[int, Field(ge=1)]
    tries: Annotated[int, Field(ge=0)]
    error: str | None
    at: str

    @classmethod
    def of(cls, data: bytes) -> Note | None:
        """None where it is none: a client that may park events can write anything."""
        try:
            note = _NOTE.validate_json(data, strict=True)
            datetime.fromisoformat(note.at)
        except ValueError:
            return None
        return note

    @classmethod
    def given_up(cls, position: int, sequence: int, tries: int, error: BaseException | None) -> Note:
        """`error` None: the process ended each time."""
        return cls("parked", position, sequence, tries, _name(error), _now())

    def failed_again(self, error: BaseException | None) -> Note:
        """After a retry; `error` None: the process ended each time."""
        return replace(self, state="parked", tries=self.tries + 1, error=_name(error), at=_now())

    def not_retried(self) -> Note:
        """The error of a retry for which there is nothing to handle."""
        return replace(self, state="parked")

    def handled(self) -> Note:
        """An event that was handled is parked no more."""
        return replace(self, state="done")


_NOTE = TypeAdapter(Note)


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that a subscription gave up on.

    Attributes:
        tries: how often it was delivered to a handler.
        error: the name of the last exception's class; None where the handler's process ended each time.
        parked_at: when it was parked; after a retry that failed, the time of that.
        retrying: a retry was asked for, and has not ended.
    """

    event: Event
    tries: int
    error: str | None
    parked_at: datetime
    retrying: bool


def subjects(durable: str) -> str:
    """Those under which a durable's events are parked."""
    return f"{PREFIX}.{durable}.*"


async def write(jetstream: JetStreamContext, durable: str, note: Note, *, replaces: int | None = None) -> None:
    """Store what becomes of an event; returns when it is stored.

    Raises nats.errors.Error; APIError where the newest message about the event is not number `replaces`.
    """
    headers = dict(_DROPPED) if note.state == "done" else {}
    if replaces is not None:
        headers["Nats-Expected-Last-Subject-Sequence"] = str(replaces)
    body = json.dumps(asdict(note), separators=(",", ":")).encode()
    await jetstream.publish(f"{PREFIX}.{durable}.{note.position}", body, stream=PARKED_STREAM, headers=headers)


async def notes(jetstream: JetStreamContext, durable: str) -> dict[int, tuple[int, Note]]:
    """The parked events of a durable by position: each with its message's number on the stream."""
    found: dict[int, tuple[int, Note]] = {}
    sequence = 0
    while True:
        try:
            message = await jetstream.get_msg(PARKED_STREAM, sequence + 1, subject=subjects(durable), next=True)
        except NotFoundError:
            return found
        assert message.seq is not None
        sequence = message.seq
        note = Note.of(message.data or b"")
        if note is not None:
            # What changes meanwhile is met a second time: the newest counts.
            found.pop(note.position, None)
            if note.state != "done":
                found[note.position] = sequence, note


async def event_of(jetstream: JetStreamContext, note: Note) -> Event | None:
    """The event itself; None where the stream has none at this position. Raises nats.js.errors.Error."""
    event = await _event_at(jetstream, note.sequence)
    if event is None or event.position != note.position:
        # The stream was lost, and is filled again from the log: the event may have another number now.
        event = await _event_at(jetstream, await Beginning.of(note.position).sequence(jetstream))
    return event if event is not None and event.position == note.position else None


async def _event_at(jetstream: JetStreamContext, sequence: int) -> Event | None:
    try:
        return Event.of(await jetstream.get_msg(EVENTS, sequence))
    except NotFoundError:
        return None


async def parked(jetstream: JetStreamContext, durable: str) -> list[ParkedEvent]:
    """All of a durable that the stream of events has, in the order of the log."""
    found = [(note, await event_of(jetstream, note)) for _, note in (await notes(jetstream, durable)).values()]
    return [
        ParkedEvent(
            event=event,
            tries=note.tries,
            error=note.error,
            parked_at=datetime.fromisoformat(note.at),
            retrying=note.state == "retry",
        )
        for note, event in sorted(found, key=lambda each: each[0].position)
        if event is not None
    ]


def _name(error: BaseException | None) -> str | None:
    """As SetParkedEvent takes it."""
    return re.sub(r"[^A-Za-z0-9_]", "_", type(error).__name__)[:128] if error is not None else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
