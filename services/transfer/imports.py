"""Runs a chunk of an import, which a repeat recognises row by row, so that it changes nothing."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, LiteralString

import orjson
from denizen import messages as m

from services.domain import refusals
from services.domain.decision import Facts
from services.domain.refusals import Refusal
from services.domain.values import Json
from services.endpoint.call import Call
from services.eventstore.credentials.store import SecretStore
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.log.store import EventStore, OutcomeUnknown
from services.passwords.pool import HashingPool
from services.platform import sql
from services.platform.database import Database
from services.platform.settings import Settings
from services.tokens.keys import ServerKeys
from services.transfer.command_ids import CommandIds
from services.transfer.digest import digest
from services.transfer.ids import Ids
from services.transfer.import_rows import RowImport, RowOutcome, passing
from services.transfer.pace import Pace
from services.transfer.rehearsal import Rehearsal
from services.transfer.results import failed
from services.transfer.undo import Undo
from services.transfer.validation import ImportRow, RowReader

_READ_AT_ONCE = 32
"""Rows that are read before exports have their turn."""
_FAILED_CHUNKS = 10_000
"""Chunks with refused rows that one answer names."""
_STATUSES = ("created", "updated", "skipped", "failed")

OnAppended = Callable[[bool], Awaitable[None]]


class Imports:
    """Takes rows over an event store. Methods raise Refusal and DatabaseUnavailable."""

    def __init__(
        self,
        settings: Settings,
        store: EventStore,
        secrets: SecretStore,
        *,
        ring: KeyRing,
        pool: HashingPool,
        keys: ServerKeys,
        appended: OnAppended,
    ) -> None:
        """`appended` is told after each commit."""
        self._settings = settings
        self._store = store
        self._secrets = secrets
        self._ring = ring
        self._pool = pool
        self._keys = keys
        self._appended = appended
        self._pace = Pace()
        self._progress = Database(settings, "transfer progress", role="transfer")
        self._command_ids = CommandIds(self._progress, ring)
        self.undo = Undo(store, secrets, self._progress, self._command_ids, appended)

    async def close(self) -> None:
        await self._progress.close()

    async def run(self, call: Call, request: m.ImportUsers) -> tuple[int, bytes]:
        """The position of the log, and the body of the reply to ImportUsers."""
        if request.dry_run:
            results = await self._rehearse(call, request)
        else:
            results = await self._take(call, request)
        failures = sum(result["status"] == "failed" for result in results.values())
        body = {
            "success": len(results) - failures,
            "failed": failures,
            "results": [results[index] for index in sorted(results)],
        }
        return await self._store.head(), orjson.dumps(body)

    async def _rehearse(self, call: Call, request: m.ImportUsers) -> dict[int, Json]:
        """What would become of the rows. No outcome is kept, and none of an earlier run is looked for."""
        wanted, results = await self._read(call, request, Ids.drawn())
        rehearsal = Rehearsal(self._store, self._secrets)
        importing = RowImport(
            rehearsal,
            rehearsal,
            self._secrets,
            call=replace(call, repeatable=False),
            pace=Pace(),
            appended=_ignored,
        )
        results |= await importing.run(wanted, request.on_conflict)
        _tell_changed(wanted, results)
        for row in wanted:
            if row.user.id is None and results[row.index]["status"] == "created":
                del results[row.index]["userId"]  # No user gets it.
        return results

    async def _take(self, call: Call, request: m.ImportUsers) -> dict[int, Json]:
        """Import the rows, or look up what an earlier run did with them. Returns the result of each, by its index."""
        job = _of_job(call, request)
        mark = digest(request, self._ring) if job.repeatable else None
        await self._command_ids.keep(call, request.import_id, request.chunk, mark.hex() if mark else None)
        begun = await self._begin(job, request, mark)
        wanted, results = await self._read(call, request, begun.ids)  # Secrets are sealed for the message.
        importing = RowImport(
            self._store, self._secrets, self._secrets, call=job, pace=self._pace, appended=self._appended
        )
        if begun.state == "done":
            results |= await importing.answer_again(wanted, request.on_conflict)
            _tell_changed(wanted, results)
            return results
        try:
            earlier = await importing.earlier(wanted) if begun.state == "repeated" else {}
            wanted = await self._hashed(call, wanted, earlier)
            results |= await importing.run(wanted, request.on_conflict, earlier)
        except OutcomeUnknown:
            refusal = refusals.outcome_unknown()
            raise passing(refusal, job) from None
        _tell_changed(wanted, results)
        await self._keep_progress(request, begun, results)
        return results

    async def _begin(self, call: Call, request: m.ImportUsers, mark: bytes | None) -> "_Begun":
        """`mark` is the digest of the rows. Raises Refusal where a chunk comes again with other rows."""
        drawn = Ids.drawn()
        if mark is None:
            return _Begun("new", drawn, None)
        parameters: Json = {"command_id": call.key, "first": drawn.first, "digest": mark}
        parameters |= {"import_id": request.import_id, "chunk": request.chunk}
        while True:
            async with self._progress.connection() as connection:
                found = await (await connection.execute(_sql("begin_message"), parameters)).fetchone()
            if found is not None:
                break
        state, first, before = found
        if before is not None and bytes(before) != mark:
            raise refusals.command_id_used() if request.import_id is None else refusals.chunk_differs()
        return _Begun(state, Ids(first), mark)

    async def _read(self, call: Call, request: m.ImportUsers, ids: Ids) -> tuple[list[ImportRow], dict[int, Json]]:
        """The rows that passed validation, and the results of those that were refused."""
        wanted: list[ImportRow] = []
        results: dict[int, Json] = {}
        reader = RowReader(call, ids, self._keys, self._settings, request.without_hashes)
        for index, raw in enumerate(request.users):
            if index % _READ_AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                wanted.append(await reader.read(index, raw))
            except Refusal as refusal:
                results[index] = failed(index, refusal)
        return wanted, results

    async def _hashed(self, call: Call, wanted: list[ImportRow], earlier: Mapping[int, RowOutcome]) -> list[ImportRow]:
        """The rows, and the hashes of passwords: but for a row that ran before, which is only answered again."""
        plain = {row.index: row for row in wanted if row.password is not None and row.index not in earlier}
        if not plain:
            return wanted
        left = list(plain)
        # As many at a time as the pool takes.
        for first in range(0, len(left), self._pool.capacity):
            some = left[first : first + self._pool.capacity]
            hashes = await asyncio.gather(
                *(self._pool.hash(plain[index].password or "", call.deadline) for index in some)
            )
            for index, hashed in zip(some, hashes, strict=True):
                plain[index] = replace(plain[index], facts=Facts(password_hash=hashed))
        return [plain.get(row.index, row) for row in wanted]

    async def _keep_progress(self, request: m.ImportUsers, begun: "_Begun", results: Mapping[int, Json]) -> None:
        """A repeated chunk counts once."""
        if request.import_id is None or request.chunk is None:
            return
        counts = Counter(result["status"] for result in results.values())
        parameters: Json = {"import_id": request.import_id, "chunk": request.chunk}
        parameters |= {"first": begun.ids.first, "digest": begun.digest}
        async with self._progress.connection() as connection:
            await connection.execute(_sql("keep_chunk"), parameters | {status: counts[status] for status in _STATUSES})

    async def status(self, request: m.ImportStatus) -> bytes:
        """The body of the reply to ImportStatus."""
        runs = await self._progress.fetch(_sql("read_chunks"), [request.import_id])
        counts = [sum(run[column] for run in runs) for column in range(2, 6)]
        refused = [chunk for run in runs for chunk in run[6] or ()]
        body: Json = {"importId": request.import_id, "chunks": [run[:2] for run in runs]}
        body |= {"failedChunks": refused[:_FAILED_CHUNKS]} | dict(zip(_STATUSES, counts, strict=True))
        return orjson.dumps(body)


def _tell_changed(wanted: list[ImportRow], results: Mapping[int, Json]) -> None:
    """Add to the results what became of the hashes of users who were created, and which ones no update takes."""
    for row in wanted:
        told = ("created",) if row.facts.password_hash else ("created", "updated")
        if row.changed and results[row.index]["status"] in told:
            results[row.index]["changed"] = [dict(each) for each in row.changed]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A message of an import, and whether an earlier run began or finished it.

    Attributes:
        digest: of the rows; None where the message cannot be repeated.
    """

    state: Literal["new", "repeated", "done"]
    ids: Ids
    digest: bytes | None


def _of_job(call: Call, request: m.ImportUsers) -> Call:
    """The call of a chunk has an id that is the same in every repeat, from every client."""
    if request.import_id is None or request.chunk is None:
        return replace(call, expected_version=None)
    command_id = f"import/{request.import_id}/{request.chunk}"
    return replace(call, expected_version=None, command_id=command_id, repeatable=True)


async def _ignored(_: bool) -> None:
    """Called after commits of a rehearsal, which no service follows."""


def _sql(name: str) -> LiteralString:
    return sql.load("services.transfer", name)
