"""The program `denizen run directory`: answers queries."""

import asyncio
from collections.abc import Callable
from functools import partial

from denizen import messages as m
from denizen.operations import OPERATIONS

from services.directory.own_account import OwnAccountQueries
from services.directory.queries import Queries
from services.directory.sessions import SESSION_QUERIES, SessionQueries, SessionQuery
from services.endpoint.answering import answering
from services.endpoint.call import Call
from services.endpoint.server import RequestServer
from services.eventstore.keys import data_keys as keys
from services.eventstore.log.postgres import PostgresEventStore
from services.platform import broker
from services.platform.database import Database
from services.platform.settings import Settings
from services.platform.signal import Signal
from services.platform.tasks import TaskSet
from services.tokens.bearer import Bearers
from services.tokens.keys import ServerKeys

_HOT = (m.GetUser, m.GetUserByEmail)
_AT_ONCE = 1024
"""Queries that are answered one by one, beside each other."""


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve until `stop` is set, then answer all that was accepted. Raises where it cannot start."""
    signals = await broker.connect(settings, "signal")
    applied = Signal(signals, settings, "applied")
    await applied.listen()
    ring = keys.load(settings)
    ours = [operation for operation in OPERATIONS.values() if operation.service == "directory"]
    server = RequestServer(settings, ours, ring, hot=_HOT)
    store = PostgresEventStore(settings, ring, "directory", role="directory")
    await store.check_keys()
    queries = Queries(settings, store, server.answer, server.refuse_call)
    alive = Database(settings, "directory sessions", role="directory")
    published = Database(settings, "directory keys", role="directory")
    server_keys = ServerKeys(published, settings)
    bearers = Bearers(alive, server_keys, settings)
    sessions = SessionQueries(alive, ring, server_keys, bearers)
    own_account = OwnAccountQueries(server, bearers, sessions, queries.accept)
    running = TaskSet(_AT_ONCE)

    async def answer(call: Call) -> None:
        if call.operation.kind == "self":
            await own_account.answer(call)
        elif isinstance(call.request, SessionQuery):
            await server.answer(call, await sessions.answer(call.request))

    def accept(call: Call) -> bool:
        if call.operation.kind != "self" and type(call.request) not in SESSION_QUERIES:
            return queries.accept(call)
        if running.full:
            return False
        running.start(answering(answer(call), partial(server.refuse_call, call)))
        return True

    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(queries.run())
        waking = tasks.create_task(_wake(applied, queries))
        await queries.projections_exist()
        await server.start(accept)
        ready()
        await stop.wait()
        await server.stop_receiving()
        await running.drained()
        await queries.drained()
        working.cancel()
        waking.cancel()
    await server.close()
    await broker.disconnect(signals)
    await queries.close()
    for closing in (alive, published, store):
        await closing.close()


async def _wake(applied: Signal, queries: Queries) -> None:
    while True:
        await applied.wait()
        await queries.retry_parked()
