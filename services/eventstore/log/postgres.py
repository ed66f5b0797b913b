"""The log in PostgreSQL: gapless positions by the head row, group append, encrypted `private`, hash chain."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import LiteralString

import psycopg

from services.eventstore.credentials.rows import SET_PASSWORDS
from services.eventstore.keys.cache import DataKeyCache
from services.eventstore.keys.data_keys import KeyRing, KeysMissing
from services.eventstore.log import arrays, rows
from services.eventstore.log.batch import Batch, Rejected, chain, prepare
from services.eventstore.log.reader import LogReader
from services.eventstore.log.schedule import lost_to, schedule, unfounded
from services.eventstore.log.store import Append, OutcomeUnknown, Result
from services.platform import sql
from services.platform.database import LOST, Connection, Database, DatabaseUnavailable, ResultRow
from services.platform.settings import Settings

log = logging.getLogger(__name__)

_RESOLVE_SECONDS = 6.0
"""How long a commit whose answer was lost is looked up before its outcome is called unknown."""
_TRANSACTION_SECONDS = 6
"""How long a process that stopped in mid-append can hold the log up; less than others wait for a lock (7 s)."""
_ATTEMPTS = 3
_RACE = psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure
_LIVING_EPOCH = "living_epoch"
"""The constraint that a new data key of a retired epoch violates (steps/0004.key_epochs.sql)."""


def _sql(name: str) -> LiteralString:
    return sql.load("services.eventstore.log", name)


class PostgresEventStore(LogReader):
    """A Log on one cell. A connection of its own writes."""

    def __init__(self, settings: Settings, ring: KeyRing, name: str, *, role: str = "app") -> None:
        """`name` and `role` as of a Database."""
        super().__init__(settings, ring, name, role=role)
        self._writer = Database(settings, f"{name} append", role=role, transaction_seconds=_TRANSACTION_SECONDS)

    async def close(self) -> None:
        await self._writer.close()
        await super().close()

    async def _advance(self, retired: int) -> None:
        """Data keys are wrapped under a newer epoch by now: take its key. Raises KeysMissing where it is not here."""
        ring = self._keys.ring
        if ring.epoch != retired:
            return  # Another append has, since this one was prepared.
        ring.reload()
        await self.check_keys()
        ring.advance()
        if ring.epoch == retired:
            raise KeysMissing(f"epoch {retired} is retired, and the key of a newer one is not here")
        log.info("key_epoch", extra={"epoch": ring.epoch})

    async def append(self, batch: Sequence[Append]) -> list[Result]:
        results: dict[int, Result] = {}
        pending: Sequence[int] = range(len(batch))
        while pending:
            planned = schedule(batch, pending)
            results |= await self._store({index: batch[index] for index in planned.now})
            for index, rival in planned.later.items():
                lost = lost_to(batch[index], batch[rival], results[rival]) if rival in results else None
                if lost is not None:
                    results[index] = lost
            results |= unfounded(dict(enumerate(batch)), results)
            pending = [index for index in pending if index not in results]
        return [results[index] for index in range(len(batch))]

    async def _store(self, appends: Mapping[int, Append]) -> dict[int, Result]:
        """One transaction for all that can be stored; those that cannot are left out, and the others tried again."""
        results: dict[int, Result] = {}
        races = 0
        while remaining := {index: append for index, append in appends.items() if index not in results}:
            epoch = self._keys.ring.epoch
            try:
                results |= await self._transaction(remaining)
            except Rejected as rejected:
                results |= rejected.results
                results |= unfounded(appends, results)
            except _RACE:
                races += 1
                if races == _ATTEMPTS:
                    raise
            except psycopg.errors.CheckViolation as error:
                if error.diag.constraint_name != _LIVING_EPOCH:
                    raise
                await self._advance(epoch)
            except KeysMissing:
                if self._keys.ring.epoch in self._keys.ring.epochs:
                    raise
                await self._advance(epoch)  # A rotation has begun and ended while no user was created here.
        return results

    async def _transaction(self, appends: Mapping[int, Append]) -> dict[int, Result]:
        batch = prepare(appends, await self._known_keys(appends))
        committing = False
        results: dict[int, Result] = {}
        try:
            async with self._writer.connection() as connection:
                try:
                    head, tips = await _lock(connection, batch)
                    events, results = chain(batch, head, tips)
                except Rejected:
                    await connection.execute("rollback")
                    raise
                committing = True
                await _commit(connection, batch, events, head)
        except _RACE:
            raise
        except LOST as error:
            if not committing:
                raise DatabaseUnavailable("PostgreSQL went away, nothing was stored") from error
            await self._resolve(appends, error)
        for user_id, key in batch.new_keys.items():
            self._keys.put(user_id, key)
        for append in appends.values():
            if append.effects and append.effects.erase:
                self._keys.drop(append.user_id)
        return results

    async def _known_keys(self, appends: Mapping[int, Append]) -> DataKeyCache:
        """The data keys of the users to whom something is added, read where they are not known yet."""
        users = {
            append.user_id
            for append in appends.values()
            if (append.events or append.effects) and (append.expected or append.requires)
        }
        await self._read_keys(users)
        return self._keys

    async def _resolve(self, appends: Mapping[int, Append], cause: psycopg.Error) -> None:
        """The answer to a commit was lost. Returns where it is stored; raises DatabaseUnavailable where it is not.

        Raises OutcomeUnknown where PostgreSQL does not come back in time.
        """
        first = next((a for a in appends.values() if a.events or a.command_id), None)
        if first is None:
            if any(append.effects for append in appends.values()):
                # Mails alone, which leave no trace to look for: rather twice than never.
                raise DatabaseUnavailable("PostgreSQL went away in mid-commit") from cause
            return  # There was nothing to store.
        trace = {
            "event_id": first.events[0].event_id if first.events else None,
            "stream": first.stream,
            "command_id": first.command_id,
        }
        until = time.monotonic() + _RESOLVE_SECONDS
        while True:
            try:
                async with self._writer.connection() as connection, connection.transaction():
                    # The lost transaction may still be running: it holds this lock until it has ended.
                    await connection.execute(_sql("lock_head"))
                    stored = await (await connection.execute(_sql("is_stored"), trace)).fetchone()
                break
            except (*LOST, DatabaseUnavailable):
                if time.monotonic() > until:
                    raise OutcomeUnknown("PostgreSQL went away in mid-commit") from cause
                await asyncio.sleep(0.1)
        if stored != (True,):
            raise DatabaseUnavailable("PostgreSQL went away before the commit, nothing was stored") from cause

    async def forget_commands(self) -> int:
        """Drop outcomes older than 24 h; returns how many (a bounded number: call again while it is not 0)."""
        async with self._reader.connection() as connection:
            return (await connection.execute(_sql("forget_commands"))).rowcount

    async def forget_imports(self) -> int:
        """Drop messages of imports older than 24 h, and jobs that have rested for 30 days, each as a whole; returns how
        many rows (call again while it is not 0).
        """
        async with self._reader.connection() as connection:
            ((rows,),) = await (await connection.execute(_sql("forget_imports"))).fetchall()
            return int(rows)


async def _lock(connection: Connection, batch: Batch) -> tuple[int, list[ResultRow]]:
    """The slow work and then the lock of the head, in one round trip: the head, and the tips of the streams.

    Raises Rejected where a command id or a claim is taken.
    """
    async with connection.pipeline():
        await connection.execute("begin")
        commands = (
            await connection.execute(_sql("record_commands"), [rows.dumps(batch.commands)]) if batch.commands else None
        )
        if batch.releases:
            await connection.execute(_sql("release_claims"), [rows.dumps(batch.releases)])
        takes = None
        if batch.takes:
            takes = await connection.execute(_sql("take_claims"), rows.claim_columns(batch.takes), binary=True)
        if batch.data_keys:
            await connection.execute(_sql("insert_data_keys"), rows.key_columns(batch.data_keys))
        head = await connection.execute(_sql("lock_head"))
        tips = await connection.execute(_sql("stream_tips"), [arrays.texts(batch.streams)])
    rejected = batch.taken(await takes.fetchall()) if takes else {}
    if commands:
        rejected |= batch.repeated(await commands.fetchall())
    if rejected:
        raise Rejected(rejected)
    ((position,),) = await head.fetchall()
    return int(position), await tips.fetchall()


async def _commit(connection: Connection, batch: Batch, events: list[ResultRow], head: int) -> None:
    """Under the lock of the head, so that sessions end and begin in the order of the events that say so."""
    async with connection.pipeline():
        if events:
            await connection.execute(_sql("insert_events"), [*rows.columns(events), head + len(events)])
        if batch.kept:
            await connection.execute(_sql("put_snapshots"), rows.snapshot_columns(batch.kept))
        for statement, changed in batch.secrets.statements():
            await connection.execute(statement, [rows.dumps(changed)])
        if batch.secrets.passwords:
            await connection.execute(SET_PASSWORDS, rows.text_columns(batch.secrets.passwords))
        await connection.execute("commit")
