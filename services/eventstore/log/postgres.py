"""The log in PostgreSQL: gapless positions by the head row, group append, encrypted `private`, hash chain."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from services.domain.claim_kinds import Claim
from services.domain.snapshots import FORM, Snapshot
from services.domain.streams import ReplayedEvent, StoredEvent
from services.eventstore.keys.checks import check_keys
from services.eventstore.keys.data_keys import KeyRing, KeysMissing
from services.eventstore.log import arrays, rows
from services.eventstore.log.store import (
    END,
    Append,
    Appended,
    ClaimTaken,
    Outcome,
    OutcomeUnknown,
    Repeated,
    Result,
    schedule,
    unfounded,
)
from services.eventstore.log.tails import PAGE, TOGETHER, Tail, Wanted
from services.platform import sql
from services.platform.database import LOST, Connection, Database, DatabaseUnavailable, Parameters, Row
from services.platform.settings import Settings

log = logging.getLogger(__name__)

_RESOLVE_SECONDS = 6.0
"""How long a commit whose answer was lost is looked up before its outcome is called unknown."""
_TRANSACTION_SECONDS = 6
"""How long a process that stopped in mid-append can hold the log up; less than others wait for a lock (7 s)."""
_ATTEMPTS = 3
_RACE = psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure
IN_ORDER = {"enable_bitmapscan": "off", "enable_sort": "off"}
"""How read_users.sql is planned: it would read and sort the log for each page where users' events lie far apart."""
_USERS_SECONDS = 29
"""Of a page of whole users, whose events may lie far apart on a slow disk; PostgreSQL breaks it off after 30."""
_NO_FORM = 0
"""There are no snapshots of it."""
_LIVING_EPOCH = "living_epoch"
"""The constraint that a new data key of a retired epoch violates (steps/0004.key_epochs.sql)."""


def _sql(name: str) -> LiteralString:
    return sql.load("services.eventstore.log", name)


class PostgresEventStore:
    """A Log on one cell. One connection writes, one reads, and one reads users; each is opened when first needed."""

    def __init__(self, settings: Settings, ring: KeyRing, name: str, *, role: str = "app") -> None:
        """`name` and `role` as of a Database."""
        self._writer = Database(settings, f"{name} append", role=role, transaction_seconds=_TRANSACTION_SECONDS)
        self._reader = Database(settings, f"{name} read", role=role)
        self._users = Database(settings, f"{name} users", role=role, use_seconds=_USERS_SECONDS, options=IN_ORDER)
        self._keys = rows.DataKeys(ring)

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()
        await self._users.close()

    async def check_keys(self) -> None:
        """Raises KeysMissing where this log was written under another key than ours of that name."""
        async with self._reader.connection() as connection:
            await check_keys(connection, self._keys.ring)

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

    # --- append -------------------------------------------------------------------------------------------------

    async def append(self, batch: Sequence[Append]) -> list[Result]:
        results: dict[int, Result] = {}
        pending: Sequence[int] = range(len(batch))
        while pending:
            planned = schedule(batch, pending)
            results |= await self._store({index: batch[index] for index in planned.now})
            for index, rival in planned.later.items():
                lost = _lost(batch[index], batch[rival], results[rival]) if rival in results else None
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
            except rows.Rejected as rejected:
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
        batch = rows.prepare(appends, await self._known_keys(appends))
        committing = False
        results: dict[int, Result] = {}
        try:
            async with self._writer.connection() as connection:
                try:
                    head, tips = await _lock(connection, batch)
                    events, results = rows.chain(batch, head, tips)
                except rows.Rejected:
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

    async def _known_keys(self, appends: Mapping[int, Append]) -> rows.DataKeys:
        """The data keys of the users to whom something is added, read where they are not known yet."""
        users = {
            append.user_id
            for append in appends.values()
            if (append.events or append.effects) and (append.expected or append.requires)
        }
        await self._read_keys(users)
        return self._keys

    async def _read_keys(self, users: Iterable[str]) -> None:
        missing = [user for user in users if self._keys.get(user) is None]
        for user_id, epoch, wrapped in await self._read("read_data_keys", [missing]) if missing else []:
            self._keys.unwrap(user_id, epoch, wrapped)

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

    # --- read ---------------------------------------------------------------------------------------------------

    async def load(self, wanted: Sequence[Wanted]) -> list[Tail]:
        result: list[Tail] = []
        for first in range(0, len(wanted), TOGETHER):
            some = wanted[first : first + TOGETHER]
            parameters = {
                "streams": [each.stream for each in some],
                "afters": [each.after for each in some],
                "untils": [each.until for each in some],
                "alone": [each.events_alone for each in some],
            }
            result += await self._tails("load_streams", parameters)
        return result

    async def load_as_of(self, stream: str, at: datetime, after: int = 0) -> Tail:
        (tail,) = await self._tails("load_as_of", {"streams": [stream], "stream": stream, "after": after, "at": at})
        return tail

    async def _tails(self, statement: str, parameters: Mapping[str, Any]) -> list[Tail]:
        """Read the parts of streams that a statement finds; without snapshots where one of them cannot be read."""
        unreadable: list[tuple[str, int]] = []
        for form in (FORM, _NO_FORM):
            tails = [Tail(stream) for stream in parameters["streams"]]
            found = await self._read(statement, {**parameters, "form": form, "page": PAGE})
            unreadable = rows.fill(tails, found, self._keys)
            if not unreadable:
                return tails
            await self._drop_snapshots(unreadable)
        raise AssertionError("there is no snapshot of this form")

    async def _drop_snapshots(self, unreadable: Sequence[tuple[str, int]]) -> None:
        """So that others can be kept in their place."""
        log.warning("snapshots_unreadable", extra={"count": len(unreadable)})
        user_ids, versions = [user_id for user_id, _ in unreadable], [version for _, version in unreadable]
        async with self._reader.connection() as connection:
            parameters = {"user_ids": user_ids, "versions": versions, "form": FORM}
            await connection.execute(_sql("drop_snapshots"), parameters)

    async def keep(self, stream: str, snapshots: Sequence[Snapshot]) -> None:
        await self._read_keys([stream])
        if not snapshots or (key := self._keys.get(stream)) is None:
            return
        with suppress(psycopg.errors.ForeignKeyViolation):  # Erased just now.
            async with self._reader.connection() as connection:
                columns = rows.snapshot_columns(rows.kept(stream, snapshots, key))
                await connection.execute(_sql("put_snapshots"), columns)

    async def snapshots(self) -> AsyncGenerator[tuple[str, int, int]]:
        """The user, the version and the position of each snapshot, in order."""
        last = "", 0
        while found := await self._read("list_snapshots", {"form": FORM, "user_id": last[0], "version": last[1]}):
            for user_id, version, position in found:
                yield user_id, version, position
                last = user_id, version

    async def long_streams(self, after: str) -> tuple[str | None, list[str]]:
        """Of a thousand users behind one: the last, and those with more than a page of events and no snapshot.

        None where no user is left.
        """
        parameters = {"after": after, "version": PAGE + 1, "form": FORM}
        ((last, user_ids),) = await self._read("long_streams", parameters)
        return last, user_ids

    async def tips(self, streams: Sequence[str]) -> dict[str, int]:
        return {stream: version for stream, version, _ in await self._read("stream_tips", [list(streams)])}

    async def read(self, after: int, limit: int) -> list[StoredEvent]:
        return [rows.event(row, self._keys) for row in await self._read("read_log", [after, limit])]

    async def users(self, until: int, first: str = "", end: str = END) -> AsyncGenerator[list[ReplayedEvent]]:
        after = first, 0
        keys = rows.DataKeys(self._keys.ring, 1)  # No user comes again: to keep more would only crowd the caches.
        while found := await self._users.fetch(_sql("read_users"), [*after, end, until], binary=True):
            _, *after, _, _, _, _, _, _, _ = found[-1]
            if some := [event for row in found if (event := rows.replayed(row, keys)) is not None]:
                yield some

    async def middle(self, until: int) -> str:
        ((user_id,),) = await self._read("middle_user", [until])
        return str(user_id)

    async def head(self) -> int:
        ((position,),) = await self._read("head", [])
        return int(position)

    async def outcomes(self, command_ids: Sequence[str]) -> dict[str, Outcome]:
        found = await self._read("find_commands", [list(command_ids)])
        return {command_id: Outcome(*outcome) for command_id, *outcome in found}

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

    async def _read(self, name: str, parameters: Parameters) -> list[Row]:
        return await self._reader.fetch(_sql(name), parameters, binary=True)


def _lost(loser: Append, winner: Append, result: Result) -> Result | None:
    """The result of an append that waited for another one of its batch; None where it can be tried now."""
    if loser.command_id is not None and loser.command_id == winner.command_id:
        return Repeated() if isinstance(result, Appended | Repeated) else None
    shared = loser.take & winner.take
    if isinstance(result, Appended):
        lost = shared
    elif isinstance(result, ClaimTaken):
        # The winner lost one of its claims to another user; the same one is lost to all who want it.
        lost = {claim for claim in winner.take if claim[0] == result.kind}
        lost = lost if len(lost) == 1 and lost <= shared else set[Claim]()
    else:
        return None
    kind = min(lost)[0] if lost else None
    # Of a kind that comes before by name, as in every store, it may have lost a claim to another user still.
    return ClaimTaken(kind) if kind is not None and kind == min(loser.take)[0] else None


async def _lock(connection: Connection, batch: rows.Batch) -> tuple[int, list[Row]]:
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
        raise rows.Rejected(rejected)
    ((position,),) = await head.fetchall()
    return int(position), await tips.fetchall()


async def _commit(connection: Connection, batch: rows.Batch, events: list[Row], head: int) -> None:
    """Under the lock of the head, so that sessions end and begin in the order of the events that say so."""
    async with connection.pipeline():
        if events:
            await connection.execute(_sql("insert_events"), [*rows.columns(events), head + len(events)])
        if batch.kept:
            await connection.execute(_sql("put_snapshots"), rows.snapshot_columns(batch.kept))
        for statement, changed in batch.secrets.statements():
            await connection.execute(statement, [rows.dumps(changed)])
        await connection.execute("commit")
