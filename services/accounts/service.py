"""The program `denizen run accounts`: answers commands."""

import asyncio
import contextlib
from collections.abc import Callable

from denizen.operations import COMMANDS

from services import broker
from services.accounts import limits
from services.accounts.commands import Commands
from services.batching import Batcher
from services.database import LOST, DatabaseUnavailable
from services.endpoint.call import Call
from services.endpoint.server import Server
from services.eventstore import keys
from services.eventstore.postgres import PostgresEventStore
from services.settings import Settings
from services.signal import Signal

_BATCH = 256
_WAITING = 4096
"""Commands that wait for their turn; about half a second's work. Who comes later is told `overloaded`."""
_FORGET_SECONDS = 60


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve until `stop` is set, then answer all that was accepted. Raises where it cannot start."""
    store = PostgresEventStore(settings, keys.load(settings), "accounts")
    await store.check_keys()
    signals = await broker.connect(settings, "signal")
    server = Server(settings, COMMANDS.values())
    commands = Commands(store, server.answer, server.refuse_call, Signal(signals, settings, "log").send)
    batcher = Batcher[Call](commands.run, most=_BATCH, capacity=_WAITING)

    def accept(call: Call) -> bool:
        limits.check(call.request)
        return batcher.put(call)

    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(batcher.run())
        forgetting = tasks.create_task(_forget(store))
        await server.start(accept)
        ready()
        await stop.wait()
        await server.stop_receiving()
        await batcher.drained()
        working.cancel()
        forgetting.cancel()
    await server.close()
    await broker.disconnect(signals)
    await store.close()


async def _forget(store: PostgresEventStore) -> None:
    """Drop outcomes that are too old to be repeated."""
    while True:
        with contextlib.suppress(DatabaseUnavailable, *LOST):
            while await store.forget_commands():
                pass
        await asyncio.sleep(_FORGET_SECONDS)
