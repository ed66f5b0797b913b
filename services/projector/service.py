"""The program `denizen run projector`: keeps the projections up with the log."""

import asyncio
from collections.abc import Callable

from nats.aio.client import Client

import projections
from services import broker
from services.database import Database
from services.eventstore import keys
from services.eventstore.postgres import PostgresEventStore
from services.leadership import Leadership
from services.projector import checkpoints
from services.settings import Settings
from services.signal import Rest, Signal

_BATCH = 1000


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
        self._store = PostgresEventStore(settings, keys.load(settings), "projector")
        self._database = Database(settings, "projector", transaction_seconds=30)
        self._leadership = Leadership(settings, "projector")
        self._log = Signal(client, settings, "log")
        self._applied = Signal(client, settings, "applied")

    async def run(self, ready: Callable[[], None]) -> None:
        """Project, and begin anew from the checkpoints after whatever fails."""
        await self._store.check_keys()
        await self._log.listen()
        await self._leadership.lead(lambda: self._follow(ready), (checkpoints.CheckpointMoved,))

    async def _follow(self, ready: Callable[[], None]) -> None:
        async with self._database.connection() as connection:
            positions = await checkpoints.prepare(connection, projections.ALL)
        ready()
        while True:
            rest = Rest()
            events = await self._store.read(min(positions.values()), _BATCH)
            await self._leadership.check()
            if events:
                async with self._database.connection() as connection:
                    positions = await checkpoints.advance(connection, projections.ALL, positions, events)
                await self._applied.send()
            if len(events) < _BATCH:
                await rest.take()
                await self._log.wait()

    async def close(self) -> None:
        await self._leadership.release()
        await self._database.close()
        await self._store.close()
