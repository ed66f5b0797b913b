"""Names of streams, and events as the log takes and returns them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.domain.values import Json


def user_of(stream: str) -> str:
    """The id of the user whose stream it is."""
    return stream.partition("/")[0]


def logins_of(user_id: str) -> str:
    """The stream of a user's logins. It is beside the user's own, so that decisions never fold thousands of logins."""
    return f"{user_id}/logins"


@dataclass(slots=True)
class NewEvent:
    """An event that was decided and is to be stored.

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
    event_id: UUID


@dataclass(slots=True)
class ReplayedEvent:
    """An event as a rebuild reads it: the fields that projections fold, as in `StoredEvent`."""

    position: int
    stream: str
    user_id: str
    version: int
    type: str
    public: Json
    private: Json | None
    recorded_at: datetime


@dataclass(slots=True)
class StoredEvent:
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
        return user_of(self.stream)


FoldedEvent = StoredEvent | ReplayedEvent
"""An event that is folded into a document."""
