"""Runs a chunk of an import: each row is a command with an id of its own, so that a repeat changes nothing."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import orjson
from denizen import messages as m

from services import sql
from services.accounts import limits
from services.accounts.commands import TAKEN, Answer, Commands
from services.accounts.decision import Command, Facts
from services.accounts.task import Stream, Task
from services.database import Database
from services.endpoint.call import Call
from services.eventstore.secret_store import SecretStore
from services.eventstore.store import Claim, ClaimKind, EventStore
from services.passwords.pool import HashingPool
from services.refusal import Refusal
from services.settings import Settings
from services.transfer import rows

Json = dict[str, Any]

_AT_ONCE = 256
"""Rows of one append: how long others wait for the log is how long that takes."""
_TAKEN = ("email_taken", "external_id_taken", "identity_taken")
_PASSING = ("overloaded", "internal", "deadline_exceeded")
"""Refusals that say nothing about a row."""
_STATUSES = ("created", "updated", "skipped", "failed")


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be: what it becomes, and what was found out for that."""

    index: int
    user: m.ImportedUser
    command: Command
    facts: Facts


class Imports:
    """Takes rows over an event store. Methods raise Refusal and DatabaseUnavailable."""

    def __init__(
        self,
        settings: Settings,
        store: EventStore,
        secrets: SecretStore,
        pool: HashingPool,
        appended: Callable[[bool], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._store = store
        self._secrets = secrets
        self._pool = pool
        self._progress = Database(settings, "transfer progress")
        self._answers: dict[Task, Answer] = {}
        self._commands = Commands(store, self._note, appended)

    async def close(self) -> None:
        await self._progress.close()

    async def _note(self, task: Task, answer: Answer) -> None:
        self._answers[task] = answer

    async def run(self, call: Call, request: m.ImportUsers) -> tuple[int, bytes]:
        """The position of the log, and the body of the reply to ImportUsers."""
        results: dict[int, Json] = {}
        taken: dict[int, Row] = {}
        for index, raw in enumerate(request.users):
            try:
                row = rows.understood(raw)
                facts = await rows.facts(row, self._settings, self._pool, call.deadline)
                taken[index] = Row(index, row, rows.command(row), facts)
            except Refusal as refusal:
                results[index] = _failed(index, refusal)
        if request.dry_run:
            results |= await self._try(list(taken.values()), request.on_conflict)
        else:
            results |= await self._take(_Keys(call, request), list(taken.values()), request.on_conflict)
            await self._keep_progress(request, results)
        failed = sum(result["status"] == "failed" for result in results.values())
        body = {
            "success": len(results) - failed,
            "failed": failed,
            "results": [results[index] for index in sorted(results)],
        }
        return await self._store.head(), orjson.dumps(body)

    # --- for real -----------------------------------------------------------------------------------------------

    async def _take(self, keys: "_Keys", wanted: list[Row], on_conflict: m.OnConflict) -> dict[int, Json]:
        results: dict[int, Json] = {}
        again: list[Row] = []
        for row, said in await self._answers_to(keys, "", wanted):
            if not isinstance(said, Refusal):
                results[row.index] = _done(row.index, "created", said.decode())
            elif said.code in _TAKEN and on_conflict == "skip":
                results[row.index] = _done(row.index, "skipped")
            elif said.code == "email_taken" and on_conflict == "update":
                again.append(row)
            else:
                results[row.index] = _failed(row.index, said)
        updates: list[Row] = []
        for row in again:
            holder = await self._secrets.by_email(limits.email_key(row.user.email))
            if holder is None:
                results[row.index] = _failed(row.index, Refusal("email_taken", "another user had this email just now"))
            else:
                updates.append(replace(row, command=_update(row.user, holder.user_id), facts=Facts()))
        for row, said in await self._answers_to(keys, "/update", updates):
            if isinstance(said, Refusal):
                results[row.index] = _failed(row.index, said)
            else:
                results[row.index] = _done(row.index, "updated", said.decode())
        return results

    async def _answers_to(self, keys: "_Keys", suffix: str, wanted: list[Row]) -> list[tuple[Row, bytes | Refusal]]:
        """What each row's command was answered."""
        answers: list[tuple[Row, bytes | Refusal]] = []
        for first in range(0, len(wanted), _AT_ONCE):
            batch = wanted[first : first + _AT_ONCE]
            tasks = [Task(keys.call(row.index, suffix), row.command, row.facts, reply=_user_id) for row in batch]
            await self._commands.run(tasks)
            said = [self._answers.pop(task).said for task in tasks]
            for each in said:
                if isinstance(each, Refusal) and each.code in _PASSING:
                    raise each  # The chunk is repeated; the rows that are in get the same answer.
            answers += zip(batch, said, strict=True)
        return answers

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
        done = await self._progress.fetch(_sql("read_chunks"), [request.import_id])
        ((created, updated, skipped, failed),) = await self._progress.fetch(_sql("count_rows"), [request.import_id])
        return orjson.dumps(
            {
                "importId": request.import_id,
                "chunks": [[first, last] for first, last in done],
                "created": created,
                "updated": updated,
                "skipped": skipped,
                "failed": failed,
            }
        )

    # --- a dry run ----------------------------------------------------------------------------------------------

    async def _try(self, wanted: list[Row], on_conflict: m.OnConflict) -> dict[int, Json]:
        """What would become of rows, as the log is now; those before them in the message count as taken."""
        claims = {row.index: _claims(row.user) for row in wanted}
        held = await self._secrets.held({claim for each in claims.values() for claim in each})
        results: dict[int, Json] = {}
        for row in wanted:
            conflict: ClaimKind | None = next(
                (kind for kind, value in claims[row.index] if (kind, value) in held), None
            )
            held |= set(claims[row.index])
            if conflict is None:
                results[row.index] = _done(row.index, "created")
            elif on_conflict == "skip":
                results[row.index] = _done(row.index, "skipped")
            elif on_conflict == "update" and conflict == "email":
                results[row.index] = _done(row.index, "updated")
            else:
                code, field = TAKEN[conflict]
                results[row.index] = _failed(row.index, Refusal(code, f"another user has this {field}", field=field))
        return results


class _Keys:
    """The calls that stand for the rows of one: each with a command id of its own, the same in every repeat."""

    def __init__(self, call: Call, request: m.ImportUsers) -> None:
        self._call = replace(call, expected_version=None)
        of_job = request.import_id is not None and request.chunk is not None
        self._prefix = f"import/{request.import_id}/{request.chunk}" if of_job else call.command_id
        self._call.repeatable = of_job or call.repeatable

    def call(self, index: int, suffix: str) -> Call:
        return replace(self._call, command_id=f"{self._prefix}/{index}{suffix}")


def _claims(user: m.ImportedUser) -> list[Claim]:
    claims: list[Claim] = [("email", limits.email_key(user.email))]
    if user.external_id is not None:
        claims.append(("externalId", user.external_id))
    return [*claims, *(("identity", f"{each.provider}\0{each.provider_id}") for each in user.identities)]


def _update(user: m.ImportedUser, user_id: str) -> m.UpdateUser:
    """The row's sections over those of the user who has its address."""
    given = user.model_fields_set & {"profile", "metadata", "app_metadata", "external_id"}
    return m.UpdateUser(user_id=user_id, **{name: getattr(user, name) for name in given})


def _user_id(stream: Stream, _: int) -> bytes:
    return stream.user_id.encode()


def _done(index: int, status: str, user_id: str | None = None) -> Json:
    result: Json = {"index": index, "status": status}
    return result if user_id is None else result | {"userId": user_id}


def _failed(index: int, refusal: Refusal) -> Json:
    return {"index": index, "status": "failed", **refusal.body()}


def _sql(name: str) -> LiteralString:
    return sql.load("services.transfer", name)
