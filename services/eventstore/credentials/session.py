"""A session as it is stored."""

from dataclasses import dataclass
from datetime import datetime

from services.domain.values import Json


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A live session.

    Attributes:
        place: where it began in the user's own history: what ends the user's sessions at a later place ends it.
        generation: how often its tokens were refreshed; older refresh tokens are used ones.
    """

    session_id: str
    user_id: str
    place: int
    salt: bytes
    generation: int
    command_id: str | None
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    private: Json | None
