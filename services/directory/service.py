"""The program `denizen run directory`: answers queries."""

import asyncio
from collections.abc import Callable

from denizen.operations import OPERATIONS

from services.directory.queries import Queries
from services.directory.tokens import TokenQueries
from services.endpoint.server import Server
from services.eventstore.keys import data_keys as keys
from services.eventstore.log.postgres import PostgresEventStore
from services.platform import broker
from services.platform.settings import Settings
from services.platform.signal import Signal


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve until `stop` is set, then answer all that was accepted. Raises where it cannot start."""
    signals = await broker.connect(settings, "signal")
    applied = Signal(signals, settings, "applied")
    await applied.listen()
    ring = keys.load(settings)
    server = Server(settings, [each for each in OPERATIONS.values() if each.service == "directory"], ring)
    store = PostgresEventStore(settings, ring, "directory")
    await store.check_keys()
    queries = Queries(settings, store, server.answer, server.refuse_call)
    tokens = TokenQueries(settings, server, queries.accept)
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(queries.run())
        waking = tasks.create_task(_wake(applied, queries))
        await queries.projections_exist()
        await server.start(tokens.accept)
        ready()
        await stop.wait()
        await server.stop_receiving()
        await tokens.drained()
        await queries.drained()
        working.cancel()
        waking.cancel()
    await server.close()
    await broker.disconnect(signals)
    await tokens.close()
    await queries.close()
    await store.close()


async def _wake(applied: Signal, queries: Queries) -> None:
    while True:
        await applied.wait()
        await queries.retry_parked()
