"""Reads the public part of the log, for which the relay needs no key."""

from dataclasses import dataclass
from datetime import datetime

from services.domain.sessions import ENDING_TYPES, Ended, ended_by_stored
from services.platform import sql
from services.platform.database import Database
from services.platform.settings import Settings
from services.tokens.revocations import Revocation

_REVOKED_SECONDS = 65 * 60
"""Longer than an access token may live, by the difference of clocks."""
_PAGE = 5000


@dataclass(slots=True)
class PublicEvent:
    """An event as it is published."""

    position: int
    event_id: str
    user_id: str
    type: str
    public: str
    """JSON, as text."""
    traceparent: str | None
    recorded_at: datetime
    place: int
    """Where it ends sessions: in the user's own history (services/domain/sessions.py)."""


class Feed:
    """Reads the public part of the log."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings, "relay read", role="relay")

    async def read(self, after: int, limit: int) -> list[PublicEvent]:
        """At most `limit` events behind position `after`, in order. Raises DatabaseUnavailable."""
        rows = await self._database.fetch(sql.load("services.relay", "read_public"), [after, limit], binary=True)
        return [PublicEvent(*row) for row in rows]

    async def revoked(self) -> list[Revocation]:
        """Read the revocations of the last hour, in order. Raises DatabaseUnavailable."""
        query = sql.load("services.relay", "read_revoked")
        found: list[Ended | None] = []
        position = 0
        while rows := await self._database.fetch(query, [_REVOKED_SECONDS, position, list(ENDING_TYPES), _PAGE]):
            position = rows[-1][4]
            found += [ended_by_stored(*row[:4]) for row in rows]
        return [Revocation.of(ended) for ended in found if ended is not None]

    async def close(self) -> None:
        await self._database.close()
