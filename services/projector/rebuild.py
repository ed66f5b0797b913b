"""Rebuilds projections from the log, beside the live ones, and swaps them in."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

import psycopg
import psycopg.sql
from psycopg.abc import Query

from projections import Projection
from services.eventstore.log.store import Log
from services.eventstore.migrations.roles import PROJECTOR
from services.platform import sql
from services.platform.database import WHOLE_TABLES, Connection, Database, DatabaseUnavailable
from services.platform.settings import Settings
from services.projector import checkpoints, filling

log = logging.getLogger(__name__)

_PACKAGE = "services.projector"
_MANY = 100_000
"""So many events are worth a second process, which takes half a second to start."""
_BATCH = 1000
"""Events that are applied at a time, to catch up."""
_STEP_SECONDS = 1800
"""How long one statement may take: an index of a large table."""
_WHOLE_SECONDS = 86_400
_SWAPS = 600
"""How often the swaps are tried in vain, once a second: an export holds the users' table to its end."""
_PAUSE_SECONDS = 1.0
_PROJECTOR_SECONDS, _READ_SECONDS = 0.9, 0.1
"""How long a swap waits for the projector's batch, and for reads, behind whom later ones wait. Less than PostgreSQL's
deadlock_timeout (1 s): where one of them waits for us too it is the swap that gives way."""

RebuildProgress = Callable[[int, int], None]
"""Told how many events are built, and how many there are; those of the erased are not built."""


def _unwatched(_done: int, _total: int) -> None:
    """Progress that is not shown."""


class RebuildRunning(Exception):
    """Another process rebuilds projections of this cell."""


class TableInUse(Exception):
    """Reads have held a live table all the time, which is as it was."""


async def _share(connections: Iterable[Connection], statements: Iterable[Query]) -> None:
    """Run statements at once, the next one on whichever connection is free."""
    remaining = iter(statements)

    async def work(connection: Connection) -> None:
        for statement in remaining:
            await connection.execute(statement)

    works = [asyncio.ensure_future(work(connection)) for connection in connections]
    try:
        await asyncio.gather(*works)
    finally:
        for each in works:
            each.cancel()
        await asyncio.wait(works)


async def leftovers(connection: Connection, cell: str) -> list[str]:
    """The tables in the scratch schema: of a rebuild under way, or of one that was killed."""
    found = await connection.execute(sql.load(_PACKAGE, "tables_of"), [f"{cell}_rebuild"])
    return [table for (table,) in await found.fetchall()]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The projections that were built, and the position of the log that they show."""

    names: tuple[str, ...]
    position: int


class Rebuild:
    """One connection that looks for tables in the scratch schema `<cell>_rebuild` first, and a second for the indexes.

    An advisory lock of its session keeps others away. It is never reopened: with the session the lock is gone.
    """

    def __init__(self, settings: Settings, store: Log) -> None:
        """`store` is read from. The projector's role fills the tables, which functions of the owner make."""
        self._live, self._scratch = settings.cell, f"{settings.cell}_rebuild"
        self._key = crc32(f"{settings.cell}/rebuild".encode())
        self._second_key = crc32(f"{settings.cell}/rebuild/second".encode())
        self._settings = settings
        self._store = store
        self._options = options = {
            **WHOLE_TABLES,
            "search_path": f"{self._scratch},{self._live}",
            # What is lost with the server is built again; the swap waits for the disk.
            "synchronous_commit": "off",
            # Runs that fit the processor's cache are sorted sooner: 5,000,000 words in 3.2 s, with 256 MB in 4.8.
            "maintenance_work_mem": "16MB",
            # Each connection makes indexes alone: helpers would share its memory.
            "max_parallel_maintenance_workers": "0",
            "statement_timeout": f"{_STEP_SECONDS}s",
            "lock_timeout": f"{_STEP_SECONDS}s",  # One of our connections waits for the other's index.
        }
        self._database = Database(settings, "rebuild", role=PROJECTOR, use_seconds=_WHOLE_SECONDS, options=options)
        self._second = Database(settings, "rebuild second", role=PROJECTOR, use_seconds=_WHOLE_SECONDS, options=options)
        self._position = 0

    async def run(self, chosen: Sequence[Projection], progress: RebuildProgress | None = None) -> Rebuilt:
        """Rebuild projections; queries see the live ones until the new ones are in their place.

        Raises RebuildRunning, TableInUse, filling.SecondProcessEnded, checkpoints.ProjectionNewer, DatabaseUnavailable,
        psycopg.Error; a live one is untouched then, or whole and new.
        """
        try:
            await self._lock()
            try:
                await self._clear()
                await self._build(chosen, progress or _unwatched)
                position = await self._swap(chosen)
            finally:
                await self._clear_if_possible()
        finally:
            await self._second.close()
            await self._database.close()  # And with it goes the lock.
        return Rebuilt(tuple(projection.name for projection in chosen), position)

    async def tidy(self) -> None:
        """Drop what a killed rebuild left: it holds personal data, and no deletion reaches it."""
        try:
            await self._lock()
            await self._clear()
        except RebuildRunning:
            pass
        finally:
            await self._database.close()

    async def _lock(self) -> None:
        async with self._database.connection() as connection:
            cursor = await connection.execute(sql.load(_PACKAGE, "try_lock"), [self._key])
            if await cursor.fetchone() != (True,):
                raise RebuildRunning("another rebuild is under way")
            cursor = await connection.execute(sql.load(_PACKAGE, "is_shared"), [self._second_key])
            if await cursor.fetchone() != (False,):
                raise RebuildRunning("the second process of a rebuild that was killed has not ended yet")

    async def _clear_if_possible(self) -> None:
        """Drop tables; those that cannot be dropped now are dropped by the projector later."""
        try:
            await self._clear()
        except (DatabaseUnavailable, psycopg.Error) as error:
            log.warning("rebuild_left_tables", extra={"error": type(error).__name__})

    async def _clear(self) -> None:
        async with self._database.connection(reopen=False) as connection:
            await connection.execute(sql.load(_PACKAGE, "drop_scratch_tables"))

    async def _build(self, chosen: Sequence[Projection], progress: RebuildProgress) -> None:
        self._position = 0
        async with self._database.connection(reopen=False) as connection:
            await checkpoints.read(connection, chosen)
            for projection in chosen:
                await connection.execute(checkpoints.making(projection)[0])
            await self._fill(connection, chosen, progress)
            await self._finish(connection, chosen)
            await self._catch_up(connection, chosen)

    async def _fill(self, connection: Connection, chosen: Sequence[Projection], progress: RebuildProgress) -> None:
        """Fill the tables with the users as of the present head of the log."""
        self._position = until = await self._store.head()
        if until < _MANY:
            await filling.fill(connection, chosen, self._store.users(until), lambda count: progress(count, until))
            return
        middle = await self._store.middle(until)
        second = filling.SecondProcess(self._half(chosen, middle, until))
        try:
            users = self._store.users(until, end=middle)
            await filling.fill(connection, chosen, users, lambda count: progress(count + second.count(), until))
            await second.finish()
            progress(until, until)
        finally:
            second.close()

    def _half(self, chosen: Sequence[Projection], first: str, until: int) -> filling.Half:
        # Were its tables dropped behind its back, it must not find the live ones.
        options = self._options | {"search_path": self._scratch}
        names = [projection.name for projection in chosen]
        return filling.Half(self._settings, options, self._second_key, os.getpid(), names, first, until)

    async def _finish(self, connection: Connection, chosen: Sequence[Projection]) -> None:
        """Finish full tables by two connections: nothing else is left to do meanwhile."""
        # The planner knows nothing of a new table, and index-only scans need its visibility map.
        vacuum = psycopg.sql.SQL("vacuum (analyze) {}")
        tables = [self._name(self._scratch, table) for projection in chosen for table in projection.tables]
        statements: list[Query] = [index for projection in chosen for index in checkpoints.making(projection)[1:]]
        statements += [vacuum.format(table) for table in tables]
        async with self._second.connection() as second:
            await _share((connection, second), statements)

    async def _catch_up(self, connection: Connection, chosen: Sequence[Projection]) -> None:
        """Apply the log to its end, as it is when we come there."""
        while events := await self._store.read(self._position, _BATCH):
            async with connection.transaction():
                for projection in chosen:
                    await projection.apply(connection, events)
            self._position = events[-1].position
            if len(events) < _BATCH:
                return

    async def _swap(self, chosen: Sequence[Projection]) -> int:
        """One at a time: a query that holds one's table and waits for another's waits for us, and we not for it.

        Returns the lowest of their positions.
        """
        waiting, positions, tries = list(chosen), list[int](), 0
        async with self._database.connection(reopen=False) as connection:
            while waiting:
                try:
                    async with connection.transaction():
                        positions.append(await self._exchange(connection, waiting[0]))
                except psycopg.errors.LockNotAvailable:
                    tries += 1
                    if tries == _SWAPS:
                        raise TableInUse(f"reads have held the tables of {waiting[0].name} for too long") from None
                    await asyncio.sleep(_PAUSE_SECONDS)  # In which the reads that waited behind us are answered.
                    await self._catch_up(connection, waiting)
                else:
                    del waiting[0]
        return min(positions)

    async def _exchange(self, connection: Connection, projection: Projection) -> int:
        """The new tables in the place of the old, at no earlier position: nothing is skipped and nothing goes back.

        From the first lock on the projector waits; from the first drop on reads do. Returns the position.
        """
        await self._patience(connection, _PROJECTOR_SECONDS)
        for table in await self._live_tables(connection, projection):
            # In the projector's order: its tables, then the row of the checkpoint. Reads are not in the way of this.
            lock = psycopg.sql.SQL("lock table {} in share row exclusive mode").format(self._name(self._live, table))
            await connection.execute(lock)
        found = await (await connection.execute(sql.load(_PACKAGE, "lock_checkpoint"), [projection.name])).fetchone()
        version, shown = found or (0, 0)
        if version > projection.version:
            raise checkpoints.ProjectionNewer(projection.name)
        position = self._position
        while position < shown:
            events = await self._store.read(position, _BATCH)
            await projection.apply(connection, events)
            position = events[-1].position
        await self._patience(connection, _READ_SECONDS)
        await connection.execute(sql.load(_PACKAGE, "swap_projection"), [projection.name, projection.version])
        values = {"name": projection.name, "version": projection.version, "position": position}
        await connection.execute(sql.load(_PACKAGE, "set_checkpoint"), values)
        return position

    @staticmethod
    async def _patience(connection: Connection, seconds: float) -> None:
        await connection.execute(sql.load(_PACKAGE, "swap_settings"), [f"{seconds * 1000:.0f}ms"])

    async def _live_tables(self, connection: Connection, projection: Projection) -> list[str]:
        """Those that there are: none of a new projection, fewer of an earlier version."""
        found = await (await connection.execute(sql.load(_PACKAGE, "tables_of"), [self._live])).fetchall()
        return [table for table in projection.tables if (table,) in found]

    @staticmethod
    def _name(schema: str, table: str) -> psycopg.sql.Identifier:
        return psycopg.sql.Identifier(schema, table)
