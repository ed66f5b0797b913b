"""Fills new tables user by user from the log; two processes share the work where there are many users."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from ctypes import c_int64
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

import psycopg
import uvloop

import projections
from projections import Projection
from projections.projection import Applying
from services.domain.streams import ReplayedEvent, StoredEvent
from services.eventstore.keys import data_keys as keys
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.migrations.roles import PROJECTOR
from services.platform import sql
from services.platform.database import Connection, Database, DatabaseUnavailable
from services.platform.settings import Settings

log = logging.getLogger(__name__)

UserEvents = AsyncGenerator[Sequence[StoredEvent | ReplayedEvent]]
"""Their events, as Log.users tells them."""


class SecondProcessEnded(Exception):
    """The process that fills in half of the users has ended before they were all there."""


async def fill(
    connection: Connection, chosen: Sequence[Projection], users: UserEvents, told: Callable[[int], None]
) -> None:
    """Put users in; the next are read while some are written. `told` is told how many events are in."""
    count = 0
    fillings = [each.filling() if each.filling else Applying(each.apply) for each in chosen]
    async with aclosing(users):
        reading = asyncio.ensure_future(anext(users, None))
        try:
            while events := await reading:
                reading = asyncio.ensure_future(anext(users, None))
                async with connection.transaction():
                    for filling in fillings:
                        await filling.add(connection, events)
                count += len(events)
                told(count)
            async with connection.transaction():
                for filling in fillings:
                    await filling.end(connection)
        finally:
            reading.cancel()
            await asyncio.wait([reading])


@dataclass(frozen=True, slots=True)
class Half:
    """The task of a process: fill in the users from the id `first` on, as of position `until`.

    Attributes:
        options: of its connection, to tables that are there.
        lock: which it shares for as long as it may write, also where the process `parent` has died.
    """

    settings: Settings
    options: Mapping[str, str]
    lock: int
    parent: int
    names: Sequence[str]
    first: str
    until: int


class SecondProcess:
    """A process for a half. It has a database session, and reads keys, of its own."""

    def __init__(self, half: Half) -> None:
        context = get_context("spawn")
        self._count = context.RawValue(c_int64, 0)
        self._process: BaseProcess = context.Process(target=_run, args=(half, self._count), daemon=True)
        self._process.start()

    def count(self) -> int:
        """How many events are in. Raises SecondProcessEnded."""
        if self._process.exitcode:
            raise SecondProcessEnded("the second process of the rebuild has ended")
        return self._count.value

    async def finish(self) -> None:
        """Wait until all are in. Raises SecondProcessEnded."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        self.count()

    def close(self) -> None:
        """End it, wherever it is."""
        self._process.kill()
        self._process.join()
        self._process.close()


def _run(half: Half, count: c_int64) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Of a terminal, which interrupts our parent too; that ends us.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        uvloop.run(_fill(half, count))
    except (psycopg.Error, DatabaseUnavailable, keys.KeysMissing, SecondProcessEnded) as error:
        # Its name alone: messages of PostgreSQL can quote a row.
        log.error("second_process_failed: %s", type(error).__name__)
        raise SystemExit(1) from None


async def _fill(half: Half, count: c_int64) -> None:
    def told(events: int) -> None:
        if os.getppid() != half.parent:
            raise SecondProcessEnded
        count.value = events

    store = PostgresEventStore(half.settings, keys.load(half.settings), "rebuild second", role=PROJECTOR)
    database = Database(half.settings, "rebuild second", role=PROJECTOR, use_seconds=86_400, options=half.options)
    chosen = [projection for projection in projections.ALL if projection.name in half.names]
    try:
        async with database.connection() as connection:
            await connection.execute(sql.load("services.projector", "share_lock"), [half.lock])
            told(0)
            await fill(connection, chosen, store.users(half.until, half.first), told)
    finally:
        await database.close()
        await store.close()
