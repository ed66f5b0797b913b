"""What the relay reads of the log: the public part, for which it needs no key."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services import sql
from services.database import Database
from services.settings import Settings


@dataclass(slots=True)
class PublicEvent:
    """An event as it is published."""

    position: int
    event_id: UUID
    user_id: str
    type: str
    public: str
    """JSON, as text."""
    traceparent: str | None
    recorded_at: datetime


class Feed:
    """Reads the public part of the log."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings, "relay read")

    async def read(self, after: int, limit: int) -> list[PublicEvent]:
        """At most `limit` events behind position `after`, in order. Raises DatabaseUnavailable."""
        rows = await self._database.fetch(sql.load("services.relay", "read_public"), [after, limit])
        return [PublicEvent(*row) for row in rows]

    async def close(self) -> None:
        await self._database.close()
