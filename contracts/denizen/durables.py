"""The durable consumers of a subscription: how they are configured, and how one that exists is compared.

The relay makes them (FollowEvents), because NATS has no permission for what a consumer is configured to do: a user who
may make one may have its messages delivered to any subject. Where no relay answers, or the NATS user may not ask it,
the client makes them itself, if the NATS user may.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from denizen import parking
from denizen.errors import NatsPermissionDenied, NoAnswer, VersionConflict
from denizen.following import ACK_WAIT
from denizen.jetstream import WRONG_LAST_SEQUENCE
from denizen.messages import EventType
from denizen.parking import Note
from denizen.starting import METADATA, Beginning
from denizen.transport import Transport
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError

_ALL = "users.v1.event.*.*"


def subjects(types: Sequence[EventType]) -> list[str]:
    """Those of the events of these types; none: of all."""
    return [f"users.v1.event.{name}.*" for name in sorted(set(types))] or [_ALL]


def types(subjects: Sequence[str]) -> list[str]:
    """The types whose events come on these subjects, as FollowEvents has them."""
    return [] if _ALL in subjects else [subject.split(".")[3] for subject in subjects]


def following(durable: str | None, subjects: Sequence[str], beginning: Beginning, sequence: int) -> ConsumerConfig:
    """Configure a consumer of USERS_EVENTS, from the stream's `sequence` on.

    It delivers one event at a time: the next one only when this one is acknowledged, whichever process handles it.
    """
    config = ConsumerConfig(durable_name=durable, ack_policy=AckPolicy.EXPLICIT, ack_wait=ACK_WAIT, max_ack_pending=1)
    if len(subjects) == 1:
        config.filter_subject = subjects[0]
    else:
        config.filter_subjects = list(subjects)
    if durable is not None:
        config.metadata = {METADATA: beginning.text}
    if sequence > 1:
        config.deliver_policy, config.opt_start_seq = DeliverPolicy.BY_START_SEQUENCE, sequence
    return config


def retrying(durable: str) -> ConsumerConfig:
    """Configure the consumer of USERS_PARKED by which a durable's parked events are retried."""
    return ConsumerConfig(
        durable_name=durable,
        filter_subject=parking.subjects(durable),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT,
        max_ack_pending=1,
    )


def compare(durable: str | None, known: ConsumerConfig, subjects: Sequence[str], beginning: Beginning | None) -> None:
    """Raises ValueError where the consumer that exists is not the one that is asked for. `beginning` None: any."""
    if known.deliver_subject is not None:
        raise ValueError(f"the durable {durable} is a push consumer: delete it, or take another name")
    follows = known.filter_subjects or [known.filter_subject or _ALL]
    if set(follows) != set(subjects):
        raise ValueError(f"the durable {durable} follows {', '.join(follows)}, not {', '.join(subjects)}")
    began = Beginning.stored(known.metadata)
    if durable is not None and beginning not in (None, began):
        raise ValueError(
            f"the durable {durable} began at {began.text}, not {beginning.text}: leave out `start`, and it "
            "goes on where it was, or take another name"
        )


async def set_parked(transport: Transport, durable: str, note: Note, *, replaces: int | None = None) -> None:
    """Store what becomes of an event; returns when it is stored.

    Raises VersionConflict where the newest message about the event is not number `replaces`, and else DenizenError,
    nats.errors.Error, nats.js.errors.Error.
    """

    async def directly() -> None:
        try:
            await parking.write((await transport.connection()).jetstream(), durable, note, replaces=replaces)
        except APIError as error:
            if error.err_code == WRONG_LAST_SEQUENCE:
                raise VersionConflict("the parked event has changed meanwhile") from error
            raise

    body = asdict(note) | ({} if replaces is None else {"replaces": replaces})
    await by_relay(transport, "SetParkedEvent", durable, body, directly)


async def by_relay(
    transport: Transport, operation: str, durable: str, body: Mapping[str, Any], directly: Callable[[], Awaitable[Any]]
) -> None:
    """Have the relay do it; where it does not answer, or may not be asked, do it `directly`.

    Raises DenizenError: what the relay answers, or why it does not answer where the NATS user may not do it directly;
    and what `directly` raises.
    """
    try:
        await transport.subscriber(operation, durable, body, gone=0)
        return
    except NoAnswer:
        pass
    try:
        await directly()
    except NatsPermissionDenied:
        await transport.subscriber(operation, durable, body)
