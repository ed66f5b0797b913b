"""The program `denizen run projector`: keeps the projections up with the log."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from nats.aio.client import Client

import projections
from services.domain.streams import StoredEvent
from services.eventstore.keys import data_keys as keys
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.migrations.roles import PROJECTOR
from services.platform import broker
from services.platform.database import Database
from services.platform.leadership import Leadership
from services.platform.settings import Settings
from services.platform.signal import Rest, Signal
from services.projector import checkpoints
from services.projector.rebuild import Rebuild, RebuildRunning, leftovers

log = logging.getLogger(__name__)

_BATCH = 1000
_MEND_SECONDS = 30


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Project until `stop` is set."""
    client = await broker.connect(settings, "signal")
    projector = Projector(settings, client)
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(projector.run(ready))
        await stop.wait()
        work.cancel()
    await projector.close()
    await broker.disconnect(client)


class Projector:
    """Applies the log to every projection; one process at a time."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        ring = keys.load(settings)
        self._store = PostgresEventStore(settings, ring, "projector", role=PROJECTOR)
        # Of its own: a connection is used by one task at a time, and a batch of a rebuild is large.
        self._rebuild_store = PostgresEventStore(settings, ring, "rebuild", role=PROJECTOR)
        self._database = Database(settings, "projector", role=PROJECTOR, transaction_seconds=30)
        self._leadership = Leadership(settings, PROJECTOR)
        self._log = Signal(client, settings, "log")
        self._applied = Signal(client, settings, "applied")
        self._positions: dict[str, int] = {}
        self._moved = asyncio.Event()
        """The positions are to be read again."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Project, and start again from the checkpoints after whatever fails."""
        await self._store.check_keys()
        await self._log.listen()
        await self._leadership.lead(lambda: self._follow(ready), ())

    async def _follow(self, ready: Callable[[], None]) -> None:
        async with self._database.connection() as connection:
            self._positions = await checkpoints.prepare(connection, projections.ALL)
        ready()
        mending = asyncio.create_task(self._mend())
        try:
            await self._apply()
        finally:
            mending.cancel()
            await asyncio.wait([mending])

    async def _apply(self) -> None:
        """Apply the log as it grows to every projection whose tables are there."""
        while True:
            rest = Rest()
            if self._moved.is_set():
                self._moved.clear()
                async with self._database.connection() as connection:
                    self._positions = await checkpoints.read(connection, projections.ALL)
            events = await self._store.read(min(self._positions.values()), _BATCH) if self._positions else []
            await self._leadership.check()
            if events:
                await self._advance(events)
            if len(events) < _BATCH:
                await rest.take(len(events))
                await self._log.wait()

    async def _advance(self, events: Sequence[StoredEvent]) -> None:
        try:
            async with self._database.connection() as connection:
                self._positions = await checkpoints.advance(connection, projections.ALL, self._positions, events)
        except checkpoints.CheckpointMoved:
            # By a rebuild; were it a second projector, one of us would notice that it does not lead.
            self._moved.set()
        else:
            await self._applied.send()

    async def _mend(self) -> None:
        """Build what is missing or of an earlier version, and drop what a killed rebuild left; look again and again."""
        while True:
            try:
                await self._mend_once()
            except RebuildRunning:
                pass
            except Exception as error:
                # The live tables are as they were, and following the log goes on.
                log.exception("rebuild_failed", extra={"error": type(error).__name__})
            self._moved.set()
            await asyncio.sleep(_MEND_SECONDS)

    async def _mend_once(self) -> None:
        async with self._database.connection() as connection:
            positions = await checkpoints.read(connection, projections.ALL)
            left = await leftovers(connection, self._settings.cell)
        wanting = [projection for projection in projections.ALL if projection.name not in positions]
        rebuild = Rebuild(self._settings, self._rebuild_store)
        if wanting:
            names = [projection.name for projection in wanting]
            log.info("rebuild", extra={"projections": names})
            built = await rebuild.run(wanting)
            log.info("rebuilt", extra={"projections": names, "position": built.position})
        elif left:
            await rebuild.tidy()

    async def close(self) -> None:
        await self._leadership.release()
        await self._database.close()
        await self._store.close()
        await self._rebuild_store.close()
