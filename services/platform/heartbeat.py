"""The sign of life of a service: a session of PostgreSQL that its event loop uses every two seconds.

`denizen doctor` sees in pg_stat_activity when a session was last used: no row is written. A process that was frozen, or
whose event loop hangs, keeps its session and does not use it; with a process that died the session is gone.
"""

import asyncio
import os
from collections.abc import Callable

from services.platform.database import LOST, Database, DatabaseUnavailable
from services.platform.settings import Settings

PREFIX = "denizen alive"
"""What application_name begins with; cell, service and process id follow, with slashes between them."""
BEAT_SECONDS = 2.0
_FORGOTTEN_SECONDS = 900
"""A session that has not been used for so long is ended: a machine that lost its power does not say goodbye."""


class Heartbeat:
    """Beats for one service of one process."""

    def __init__(self, settings: Settings, service: str) -> None:
        name = f"{PREFIX.removeprefix('denizen ')}/{settings.cell}/{service}/{os.getpid()}"
        self._database = Database(settings, name, role=service, idle_seconds=_FORGOTTEN_SECONDS)

    async def run(self, beaten: Callable[[], None]) -> None:
        """Beat until cancelled; `beaten` is called after each beat that PostgreSQL has answered."""
        try:
            while True:
                try:
                    await self._database.fetch("select 1", [])
                    beaten()
                except (DatabaseUnavailable, *LOST):
                    pass  # What the service itself does tells its log; here it is tried again.
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            await self._database.close()
