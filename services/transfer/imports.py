"""Runs a chunk of an import: each row is a command with an id of its own, so that a repeat changes nothing."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, LiteralString, Protocol

import orjson
from denizen import messages as m

from services import sql
from services.accounts import limits
from services.accounts.commands import Answer, Commands
from services.accounts.decision import Facts
from services.accounts.task import Stream, Task
from services.database import Database
from services.endpoint.call import Call
from services.eventstore.secret_store import SecretStore
from services.eventstore.store import Claim, EventStore
from services.passwords.pool import HashingPool
from services.refusal import Refusal
from services.settings import Settings
from services.tokens.keys import ServerKeys
from services.transfer.rehearsal import Rehearsal
from services.transfer.rows import Reader, Row

Json = dict[str, Any]

_AT_ONCE = 256
"""Rows of one append: how long others wait for the log is how long that takes."""
_READ_AT_ONCE = 32
"""Rows that are read before exports have their turn."""
_TAKEN = ("email_taken", "external_id_taken", "identity_taken")
_PASSING = ("overloaded", "internal", "deadline_exceeded")
"""Refusals that say nothing about a row."""
_STATUSES = ("created", "updated", "skipped", "failed")

Appended = Callable[[bool], Awaitable[None]]


class _Holders(Protocol):
    async def holders(self, claims: Iterable[Claim]) -> Mapping[Claim, str]:
        """Whose each claim is; one that nobody has is absent."""
        ...


class Imports:
    """Takes rows over an event store. Methods raise Refusal and DatabaseUnavailable."""

    def __init__(
        self,
        settings: Settings,
        store: EventStore,
        secrets: SecretStore,
        *,
        pool: HashingPool,
        keys: ServerKeys,
        appended: Appended,
    ) -> None:
        """`appended` is told after each commit."""
        self._settings = settings
        self._store = store
        self._secrets = secrets
        self._pool = pool
        self._keys = keys
        self._appended = appended
        self._progress = Database(settings, "transfer progress")

    async def close(self) -> None:
        await self._progress.close()

    async def run(self, call: Call, request: m.ImportUsers) -> tuple[int, bytes]:
        """The position of the log, and the body of the reply to ImportUsers."""
        results: dict[int, Json] = {}
        wanted: list[Row] = []
        reader = Reader(call, self._keys, self._settings.password_min_length)
        for index, raw in enumerate(request.users):
            if index % _READ_AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                wanted.append(await reader.read(index, raw))
            except Refusal as refusal:
                results[index] = _failed(index, refusal)
        if request.dry_run:
            # No outcome is kept, and none of an earlier run is looked for.
            rehearsal = Rehearsal(self._store, self._secrets)
            taking = _Taking(rehearsal, rehearsal, replace(call, repeatable=False), _nobody)
            results |= await taking.take(wanted, request.on_conflict)
            for row in wanted:
                if row.user.id is None and results[row.index]["status"] == "created":
                    del results[row.index]["userId"]  # It was drawn for nobody.
        else:
            call = _of_job(call, request)
            taking = _Taking(self._store, self._secrets, call, self._appended)
            results |= await taking.take(await self._hashed(call, wanted), request.on_conflict)
            await self._keep_progress(request, results)
        failed = sum(result["status"] == "failed" for result in results.values())
        body = {
            "success": len(results) - failed,
            "failed": failed,
            "results": [results[index] for index in sorted(results)],
        }
        return await self._store.head(), orjson.dumps(body)

    async def _hashed(self, call: Call, wanted: list[Row]) -> list[Row]:
        """The rows, and the hashes of passwords: but for a row that ran before, which is only answered again."""
        plain = {row.index: row for row in wanted if row.password is not None}
        if not plain:
            return wanted
        ids = {index: _of_row(call, index).key for index in plain}
        ran = await self._store.outcomes(list(ids.values())) if call.repeatable else {}
        left = [index for index in plain if ids[index] not in ran]
        # As many at a time as the pool takes.
        for first in range(0, len(left), self._pool.capacity):
            some = left[first : first + self._pool.capacity]
            hashes = await asyncio.gather(
                *(self._pool.hash(plain[index].password or "", call.deadline) for index in some)
            )
            for index, hashed in zip(some, hashes, strict=True):
                plain[index] = replace(plain[index], facts=Facts(password_hash=hashed))
        return [plain.get(row.index, row) for row in wanted]

    async def _keep_progress(self, request: m.ImportUsers, results: Mapping[int, Json]) -> None:
        """A repeated chunk counts once."""
        if request.import_id is None or request.chunk is None:
            return
        counts = Counter(result["status"] for result in results.values())
        parameters = {"import_id": request.import_id, "chunk": request.chunk}
        async with self._progress.connection() as connection:
            await connection.execute(_sql("keep_chunk"), parameters | {status: counts[status] for status in _STATUSES})

    async def status(self, request: m.ImportStatus) -> bytes:
        """The body of the reply to ImportStatus."""
        runs = await self._progress.fetch(_sql("read_chunks"), [request.import_id])
        counts = [sum(run[column] for run in runs) for column in range(2, 6)]
        chunks = [run[:2] for run in runs]
        return orjson.dumps(
            {"importId": request.import_id, "chunks": chunks} | dict(zip(_STATUSES, counts, strict=True))
        )


class _Taking:
    """What becomes of the rows of one message, over a log or over what only looks like one."""

    def __init__(self, store: EventStore, holders: _Holders, call: Call, appended: Appended) -> None:
        self._holders = holders
        self._call = call
        self._answers: dict[Task, Answer] = {}
        self._commands = Commands(store, self._note, appended)

    async def _note(self, task: Task, answer: Answer) -> None:
        self._answers[task] = answer

    async def take(self, wanted: Sequence[Row], on_conflict: m.OnConflict) -> dict[int, Json]:
        """The result of each row, by its index. Raises Refusal where the message is to be sent again."""
        results: dict[int, Json] = {}
        conflicts: list[tuple[Row, Refusal]] = []
        for row, said in await self._answers_to("", wanted):
            if not isinstance(said, Refusal):
                results[row.index] = _done(row.index, "created", said.decode())
            elif on_conflict != "fail" and (said.code in _TAKEN or said.field == "id"):
                conflicts.append((row, said))
            else:
                results[row.index] = _failed(row.index, said)
        holders = await self._holders.holders([_email(row) for row, _ in conflicts])
        updates: list[Row] = []
        for row, said in conflicts:
            holder = holders.get(_email(row))
            # An id that is taken is a conflict like the others where it is his who has the address.
            if said.field == "id" and holder != row.user.id:
                results[row.index] = _failed(row.index, said)
            elif on_conflict == "skip":
                results[row.index] = _done(row.index, "skipped")
            elif holder is not None and (said.code == "email_taken" or said.field == "id"):
                updates.append(replace(row, command=_update(row.user, holder), facts=Facts()))
            else:
                results[row.index] = _failed(row.index, said)
        for row, said in await self._answers_to("/update", updates):
            if isinstance(said, Refusal):
                results[row.index] = _failed(row.index, said)
            else:
                results[row.index] = _done(row.index, "updated", said.decode())
        return results

    async def _answers_to(self, suffix: str, wanted: Sequence[Row]) -> list[tuple[Row, bytes | Refusal]]:
        """What each row's command was answered."""
        answers: list[tuple[Row, bytes | Refusal]] = []
        for first in range(0, len(wanted), _AT_ONCE):
            batch = wanted[first : first + _AT_ONCE]
            tasks = [Task(_of_row(self._call, row.index, suffix), row.command, row.facts, _user_id) for row in batch]
            await self._commands.run(tasks)
            said = [self._answers.pop(task).said for task in tasks]
            for each in said:
                if isinstance(each, Refusal) and each.code in _PASSING:
                    raise _passing(each, self._call)
            answers += zip(batch, said, strict=True)
        return answers


def _passing(refusal: Refusal, call: Call) -> Refusal:
    """What the whole message is answered where a row's outcome is not known, or nothing was done."""
    if refusal.code == "internal" and call.repeatable:
        # Some rows may be in. Sent again they get the answers that they would have got.
        return Refusal("overloaded", "the log went out of reach; repeat with the same ids")
    return refusal


def _of_job(call: Call, request: m.ImportUsers) -> Call:
    """The call of a chunk has an id that is the same in every repeat, whoever sends it."""
    if request.import_id is None or request.chunk is None:
        return replace(call, expected_version=None)
    command_id = f"import/{request.import_id}/{request.chunk}"
    return replace(call, expected_version=None, command_id=command_id, repeatable=True)


def _of_row(call: Call, index: int, suffix: str = "") -> Call:
    """The call that stands for a row of one."""
    return replace(call, command_id=f"{call.command_id}/{index}{suffix}")


async def _nobody(_: bool) -> None:
    """Nothing was appended that anybody could see."""


def _email(row: Row) -> Claim:
    return ("email", limits.email_key(row.user.email))


def _update(user: m.ImportedUser, user_id: str) -> m.UpdateUser:
    """The row's sections over those of the user who has its address. That it has no external id takes none away."""
    given = user.model_fields_set & {"profile", "metadata", "app_metadata"}
    given |= {"external_id"} if user.external_id is not None else set()
    return m.UpdateUser(user_id=user_id, **{name: getattr(user, name) for name in given})


def _user_id(stream: Stream, _: int) -> bytes:
    return stream.user_id.encode()


def _done(index: int, status: str, user_id: str | None = None) -> Json:
    result: Json = {"index": index, "status": status}
    return result if user_id is None else result | {"userId": user_id}


def _failed(index: int, refusal: Refusal) -> Json:
    """Without details: those of a thousand rows would be more than NATS passes."""
    error = refusal.body()["error"]
    error.pop("details", None)
    return {"index": index, "status": "failed", "error": error}


def _sql(name: str) -> LiteralString:
    return sql.load("services.transfer", name)
