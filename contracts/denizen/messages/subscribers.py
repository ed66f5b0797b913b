"""Requests of a service that follows the events, on subjects that end with the name of its durable."""

from __future__ import annotations

from typing import Annotated, Literal

from denizen.messages.base import Message, Otherwise, Request, Time
from denizen.messages.events import EventType
from pydantic import Field, StringConstraints

__all__ = ["FirstFollowed", "FollowEvents", "Followed", "ParkedEventSet", "ParkedState", "SetParkedEvent"]

FirstFollowed = Literal["first", "new"]
ParkedState = Literal["parked", "retry", "done"]


class FollowEvents(Request):
    """Make the durable that the subject names, where it does not exist yet.

    A durable that exists stays as it is and goes on where it was. It is refused (`validation_failed`) where it follows
    other types, or where the request names a start and the durable began elsewhere. Of `start`, `startPosition` and
    `startTime` at most one is given.
    """

    types: Annotated[list[EventType], Field(max_length=64)] = []
    """The types of events that it follows; none: all types."""
    start: FirstFollowed | None = None
    """`first` (the default): the first event that was ever published; `new`: the next one that is published."""
    start_position: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """The first event at this position of the log, or behind it; where there is none yet, the next one."""
    start_time: Time | None = None
    """The first event that was recorded at this time or later; where there is none yet, the next one."""
    sequence: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    """Where it begins on the stream, by the stream's own numbers: for a durable that NATS lost, the number behind the
    last event that was handled. The start is remembered all the same."""
    parks: bool = False
    """Also make the consumer by which parked events are retried."""


class Followed(Message):
    """The durable is there."""

    durable: str


class SetParkedEvent(Request):
    """Store what becomes of an event that the durable gave up on; the newest message about an event counts."""

    state: ParkedState
    """`retry`: the subscription is to handle it once more. `done`: it was handled, and is parked no more."""
    position: Annotated[int, Field(ge=1, lt=2**63)]
    """Of the event in the log."""
    sequence: Annotated[int, Field(ge=1, lt=2**63)]
    """Of the event on the stream."""
    tries: Annotated[int, Field(ge=0, lt=2**31)]
    """How often it was delivered to a handler."""
    error: (
        Annotated[
            str,
            StringConstraints(pattern=r"^[A-Za-z0-9_]{1,128}$"),
            Otherwise("not the name of a class: 1 to 128 letters, digits and '_'"),
        ]
        | None
    ) = None
    """The name of the exception's class, never its text, which may hold personal data."""
    at: Time
    """When it was parked."""
    replaces: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    """The number of the newest message about this event on USERS_PARKED; another one is refused with
    `version_conflict`."""


class ParkedEventSet(Message):
    """It is stored."""
