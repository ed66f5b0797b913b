"""The program `denizen run transfer`: imports and exports, at a lower priority than what people wait for."""

import asyncio
import os
from collections.abc import Callable
from functools import partial

from denizen import headers as h
from denizen import messages as m
from denizen.operations import OPERATIONS

from services.endpoint.answering import answering
from services.endpoint.call import Call
from services.endpoint.server import RequestServer
from services.eventstore.credentials.store import SecretStore
from services.eventstore.keys import data_keys as keys
from services.eventstore.log import address_keys
from services.eventstore.log.postgres import PostgresEventStore
from services.passwords.pool import HashingPool
from services.platform import broker
from services.platform.batching import Batcher
from services.platform.database import Database
from services.platform.settings import Settings
from services.platform.signal import Signal
from services.tokens.keys import ServerKeys
from services.transfer.exports import Exports
from services.transfer.imports import Imports

_WAITING = 16
"""Requests that wait for their turn; who comes later is told `overloaded`, and comes again."""
_NICE = 5
"""The priority of the process (nice(2))."""


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve until `stop` is set, then answer all that was accepted. Raises where it cannot start."""
    os.nice(_NICE)
    ring = keys.load(settings)
    store = PostgresEventStore(settings, ring, "transfer", role="transfer")
    await store.check_keys()
    await address_keys.renew(settings, ring, "transfer")
    signals = await broker.connect(settings, "signal")
    logged = Signal(signals, settings, "log")

    async def appended(_: bool) -> None:
        await logged.send()

    server = RequestServer(
        settings, [operation for operation in OPERATIONS.values() if operation.service == "transfer"], ring
    )
    secrets, pool = SecretStore(settings, ring, "transfer", role="transfer"), HashingPool(settings)
    published = Database(settings, "transfer keys", role="transfer")
    server_keys = ServerKeys(published, settings, ring)
    imports = Imports(settings, store, secrets, ring=ring, pool=pool, keys=server_keys, appended=appended)
    exports = Exports(settings, server.serve)

    async def work(batch: list[Call]) -> None:
        for call in batch:
            await answering(_answer(server, imports, exports, call), partial(server.refuse_call, call))

    # Two: one chunk is read while another is stored.
    chunks = [Batcher[Call](work, most=1, capacity=_WAITING) for _ in range(2)]
    # Of their own: an export may have to wait for the projections, which an import keeps busy.
    others = Batcher[Call](work, most=1, capacity=_WAITING)

    def accept(call: Call) -> bool:
        if not isinstance(call.request, m.ImportUsers):
            return others.put(call)
        chunks.reverse()  # In turns.
        return any(chunk.put(call) for chunk in chunks)

    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(batcher.run()) for batcher in (*chunks, others)]
        await server.start(accept)
        ready()
        await stop.wait()
        await server.stop_receiving()
        for batcher, each in zip((*chunks, others), working, strict=True):
            await batcher.drained()
            each.cancel()
    await exports.close()
    await server.close()
    await pool.close()
    await broker.disconnect(signals)
    for closing in (store, secrets, imports, published):
        await closing.close()


async def _answer(server: RequestServer, imports: Imports, exports: Exports, call: Call) -> None:
    call.check_deadline()
    if isinstance(call.request, m.UndoImport):
        position, body = await imports.undo.step(call, call.request)
        await server.answer(call, body, {h.POSITION: str(position)})
    elif isinstance(call.request, m.ImportStatus):
        await server.answer(call, await imports.status(call.request))
    elif isinstance(call.request, m.ImportUsers):
        position, body = await imports.run(call, call.request)
        await server.answer(call, body, {h.POSITION: str(position)})
    elif isinstance(call.request, m.ExportUsers):
        await server.answer(call, *await exports.begin(call, call.request))
