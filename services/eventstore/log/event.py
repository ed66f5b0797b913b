"""An event, before and after it is stored."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid_utils

Json = dict[str, Any]


def new_event_id() -> UUID:
    """A UUIDv7 (RFC 9562): unique, and sorted by time."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


@dataclass(slots=True)
class NewEvent:
    """An event that was decided.

    Attributes:
        type: its name, `UserBlocked`.
        schema_version: which form `public` and `private` have.
        public: the body that is published, to the letter; no personal data.
        private: personal data, stored encrypted; None where there is none.
    """

    type: str
    schema_version: int
    public: Json
    private: Json | None
    event_id: UUID = field(default_factory=new_event_id)


@dataclass(slots=True)
class Told:
    """What is told of an event to those who fold it: as in `Event`."""

    position: int
    stream: str
    version: int
    type: str
    public: Json
    private: Json | None
    recorded_at: datetime

    @property
    def user_id(self) -> str:
        return self.stream.partition("/")[0]


@dataclass(slots=True)
class Event:
    """An event of the log.

    Attributes:
        position: its place in the log, from 1, without gaps.
        stream: the user's id; for logins the user's id and `/logins`.
        version: its place in its stream, from 1, without gaps.
        private: decrypted; None where there was none, or where the user was erased.
        metadata: `commandId`, and where given `actor` and `traceparent`.
    """

    position: int
    event_id: UUID
    stream: str
    version: int
    type: str
    schema_version: int
    public: Json
    private: Json | None
    metadata: Json
    recorded_at: datetime

    @property
    def user_id(self) -> str:
        return self.stream.partition("/")[0]
