"""Sessions as they begin."""

from dataclasses import dataclass
from datetime import datetime

from services.domain.values import Json


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session as it begins. Its place is that of the event that it is stored with.

    Attributes:
        salt: 16 random octets, from which its refresh tokens are derived.
        private: `ip` and `userAgent`, stored under the user's data key.
        command_id: so that a repeat gets the same tokens.
    """

    session_id: str
    salt: bytes
    private: Json
    command_id: str | None
    created_at: datetime
    expires_at: datetime
