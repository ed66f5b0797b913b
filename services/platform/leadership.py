"""One process at a time does what must not be done twice; others wait as spares."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from zlib import crc32

from services.platform import causes, startup
from services.platform.database import LOST, Connection, Database, DatabaseUnavailable
from services.platform.settings import Settings

log = logging.getLogger(__name__)

_SPARE_SECONDS = 0.5
_RETRY_SECONDS = 0.5
_CHECK_SECONDS = 1.0


class LeadershipLost(Exception):
    """The connection that held the lock is gone, and with it the lock."""


class Leadership:
    """A session-level advisory lock: not a transaction's, which would hold back vacuum for as long as it leads.

    It keeps a second process from working in vain. What keeps it from doing harm is each leader's own: a checkpoint
    that moves only from where it was, a stream that takes an event only behind the one before it.
    """

    def __init__(self, settings: Settings, service: str) -> None:
        # A leader that is stopped, not dead, must make room for the spare: it asks every second while it works.
        self._database = Database(settings, f"{service} leader", role=service, idle_seconds=10)
        self._key = crc32(f"{settings.cell}/{service}".encode())
        self._checked = 0.0

    async def lead(self, work: Callable[[], Awaitable[None]], failures: tuple[type[Exception], ...]) -> None:
        """Do `work` whenever this process leads, and start it again after one of its `failures` or PostgreSQL's."""
        while True:
            try:
                await self._acquire()
                await work()
            except (LeadershipLost, DatabaseUnavailable, *LOST, *failures) as error:
                log.warning("interrupted", extra={"error": type(error).__name__, "reason": causes.sentence(error)})
                startup.waiting(causes.sentence(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _acquire(self) -> None:
        """Wait until this process leads, however long another does or PostgreSQL is away."""
        while True:
            try:
                async with self._database.connection() as connection:
                    if await self._try(connection):
                        return
                    startup.waiting(None)  # A spare waits as long as another process leads.
            except (DatabaseUnavailable, *LOST) as error:
                startup.waiting(causes.sentence(error))
            await asyncio.sleep(_SPARE_SECONDS)

    async def _try(self, connection: Connection) -> bool:
        cursor = await connection.execute(
            "select pg_try_advisory_lock(1684369006, %s::int8::bit(32)::int4)", [self._key]
        )
        return await cursor.fetchone() == (True,)

    async def check(self) -> None:
        """Raises LeadershipLost where the lock's session has ended; asks PostgreSQL once a second at most."""
        if time.monotonic() - self._checked < _CHECK_SECONDS:
            return
        try:
            async with self._database.connection(reopen=False) as connection:
                await connection.execute("select 1")
        except (DatabaseUnavailable, *LOST) as error:
            raise LeadershipLost from error
        self._checked = time.monotonic()

    async def release(self) -> None:
        await self._database.close()
