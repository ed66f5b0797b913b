"""`client.auth.users.import_users`: many users, as a job."""

from __future__ import annotations

import asyncio
import secrets
import sys
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from denizen import arguments
from denizen.errors import ValidationFailed
from denizen.import_chunks import Chunk, in_chunks, is_plain
from denizen.import_dry_run import DryRun
from denizen.import_results import ImportResult, ImportSummary
from denizen.importing import BadRow, Format, Preset, Row
from denizen.importing.presets.system import UNSAID
from denizen.importing.reading import Source, read_all
from denizen.importing.report import ImportReport
from denizen.importing.rows import LeftOutRow
from denizen.importing.without_hashes import WithoutHashes, without_hash
from denizen.messages import ErrorBody, ImportProgress, ImportReply, OnConflict
from denizen.transport import CommandOptions, Transport
from pydantic_core import to_json

_IN_FLIGHT = 3
_CHUNK_SECONDS = 300.0
"""How long a chunk is tried, over an outage of Denizen's too."""
_TRY_SECONDS = 5.0
"""How long one answer is waited for. A chunk that is sent again while it still waits there is answered, and does no
harm."""
_NAMED = 32
"""Fields that the result of a row names."""
_ANOTHER = "this chunk of the job came before with other rows, or to be taken in another way; name another job"
"""As the service says it."""
VerifiedAddresses = Literal["all", "none", "as-given"]


@dataclass(slots=True)
class _Said:
    """What became of a row; `row` where it could be read, and was sent."""

    result: ImportResult
    row: Row | None = None


class Import:
    """One import on its way."""

    def __init__(
        self,
        transport: Transport,
        *,
        import_id: str | None,
        dry_run: bool,
        on_conflict: OnConflict,
        on_result: Callable[[ImportResult], None] | None,
        on_progress: Callable[[ImportSummary], None] | None,
        told: int,
        verified: VerifiedAddresses = "as-given",
        without_hashes: WithoutHashes = "none",
    ) -> None:
        """Raises TypeError where an argument has a wrong type; what is sent, the service checks."""
        self._transport = transport
        self._options = {
            "dryRun": arguments.flag("dry_run", dry_run),
            "onConflict": arguments.text("on_conflict", on_conflict),
        }
        if without_hashes not in ("none", "unsupported", "all"):
            raise ValueError("without_hashes: must be none, unsupported or all")
        if without_hashes == "unsupported":  # With `all` no hash is sent.
            self._options["withoutHashes"] = without_hashes
        self._without_hashes: WithoutHashes = without_hashes
        self._dry_run = DryRun(on_conflict) if dry_run else None
        self._resumes = import_id is not None and not dry_run
        self._on_result = arguments.function("on_result", on_result)
        self._on_progress = arguments.function("on_progress", on_progress)
        self._told = arguments.whole("told", told)
        self._verified = _flag_of(verified)
        self._done: Sequence[tuple[int, int]] = ()
        self._proofs: frozenset[int] = frozenset()
        self._refused: frozenset[int] = frozenset()
        """Chunks in which an earlier run had rows refused: they are sent again, to hear why."""
        self.summary = ImportSummary(import_id or secrets.token_hex(16))

    async def run(self, source: Source, format: Format | None, preset: str | Preset | None) -> ImportSummary:
        """Send all of it. Raises DenizenError where a chunk is not taken for five minutes: begin it again later."""
        if self._resumes:
            await self._resume()
        chunks = in_chunks(self._noted(read_all(source, format=format, preset=preset)))
        unproved = set(self._proofs)
        waiting: deque[tuple[Chunk, asyncio.Task[list[_Said]]]] = deque()
        try:
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                told = self._on_result is None or chunk.end <= self._told
                if told and self._is_done(chunk) and chunk.number not in self._proofs | self._refused:
                    for row in chunk.bad:  # Denizen has never heard of them.
                        self.summary.add(result := _unsent(row))
                        _group(self.summary.report, result)
                    continue
                if chunk.rows:
                    unproved.discard(chunk.number)
                waiting.append((chunk, asyncio.create_task(self._send(chunk))))
                while waiting and (len(waiting) >= _IN_FLIGHT or chunk.number in self._proofs):
                    await self._note(*waiting.popleft())
            while waiting:
                await self._note(*waiting.popleft())
        finally:
            for _, task in waiting:
                task.cancel()
            await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)
        if unproved:  # The source ended before them, or has rows there that are not sent.
            raise ValidationFailed(_ANOTHER, field="importId")
        return self.summary

    async def _resume(self) -> None:
        """Take over what an earlier run has done, and what became of it."""
        reply = await self._transport.command("ImportStatus", {"importId": self.summary.import_id}, {})
        progress = ImportProgress.model_validate(reply)
        for status in ("created", "updated", "skipped", "failed"):
            setattr(self.summary, status, getattr(progress, status))
        self.summary.before = self.summary.rows
        self._done = progress.chunks
        self._refused = frozenset(progress.failed_chunks)
        if progress.chunks:
            # Sent again, for the service knows whether they are the same: where rows were added or removed anywhere
            # before, the last one is not.
            self._proofs = frozenset({progress.chunks[0][0], progress.chunks[-1][1]})

    def _is_done(self, chunk: Chunk) -> bool:
        at = bisect_right(self._done, (chunk.number, sys.maxsize)) - 1
        return at >= 0 and chunk.number <= self._done[at][1]

    async def _send(self, chunk: Chunk) -> list[_Said]:
        """The results of a chunk, in the order of its lines."""
        said = [_Said(_unsent(row)) for row in chunk.bad]
        if chunk.rows:
            command_id = secrets.token_hex(16)
            about = to_json({"importId": self.summary.import_id, "chunk": chunk.number, **self._options})
            users = [
                await self._sealed(row.user, command_id) if is_plain(row.user.get("password")) else encoded
                for row, encoded in zip(chunk.rows, chunk.encoded, strict=True)
            ]
            body = b'{"users":[%b],%b' % (b",".join(users), about[1:])
            options = CommandOptions(timeout=_CHUNK_SECONDS, idempotency_key=command_id)
            reply = await self._transport.command("ImportUsers", body, options, attempt=_TRY_SECONDS)
            for each in ImportReply.model_validate(reply).results:
                row = chunk.rows[each.index]
                changed = [(change.field, change.message) for change in each.changed]
                told = ImportResult(
                    row.line, each.status, each.user_id, each.error, changed=changed, not_changed=each.not_changed
                )
                said.append(_Said(told, row))
        return sorted(said, key=lambda each: each.result.line)

    async def _sealed(self, user: Mapping[str, Any], command_id: str) -> bytes:
        """Its password sealed. Its hash is not: for a thousand hashes that would take longer than their import."""
        sealed = await self._transport.sealed(user["password"], command_id, _CHUNK_SECONDS)
        return to_json({**user, "password": sealed})

    async def _note(self, chunk: Chunk, sending: asyncio.Task[list[_Said]]) -> None:
        for number, each in enumerate(await sending, chunk.before + 1):
            self._note_row(chunk, number, each)
        if self._on_progress is not None:
            self._on_progress(self.summary)

    def _note_row(self, chunk: Chunk, number: int, said: _Said) -> None:
        result, row = said.result, said.row
        if row is not None:
            if self._dry_run:
                result = self._dry_run.judged(row.user, result)
            for name, message in result.changed:
                self.summary.report.changed.add((name, message), result.line)
            if row.not_taken or row.changed:
                name = self.summary.report.name
                not_taken = list(dict.fromkeys(name(path) for path, _ in row.not_taken[:_NAMED]))
                changed = [(name(path), message) for path, message in row.changed[:_NAMED]]
                result = replace(result, not_taken=not_taken, changed=[*changed, *result.changed])
        _group(self.summary.report, result)
        # Of a chunk that was done before the service has counted the rows already, and told us so.
        if row is None or not self._is_done(chunk):
            self.summary.add(result)
        elif result.status == "failed":
            self.summary.keep(result)
        if self._on_result is not None and number > self._told:
            self._on_result(result)

    def _noted(self, rows: Iterable[Row | BadRow | LeftOutRow]) -> Iterator[Row | BadRow | LeftOutRow]:
        """The rows, as `verified` and `without_hashes` say, and all that they tell noted in the report."""
        as_it_is = self._verified is None and self._without_hashes != "all"
        for given in rows:
            if as_it_is and isinstance(given, Row) and not given.changed and not given.not_taken:
                yield given  # As nearly all rows of ours are: there is nothing to tell.
                continue
            row = without_hash(given, self._without_hashes)
            if not isinstance(row, Row):
                yield row
                continue
            if self._verified is None:
                taken = _as_given(row, self._options["onConflict"])
            else:
                taken = _with_verified(row, self._verified)
            self.summary.report.read(taken)
            yield taken


def _flag_of(verified: VerifiedAddresses) -> bool | None:
    flags: Mapping[Any, bool | None] = {"all": True, "none": False, "as-given": None}
    if arguments.text("verified", verified) not in flags:
        raise ValueError("verified: must be all, none or as-given")
    return flags[verified]


def _as_given(row: Row, on_conflict: Any) -> Row:
    """What a preset assumes of a new user, where the file says nothing, is no reason to update one who is there."""
    assumed = {name for name, message in row.changed if (name, message) in UNSAID} if on_conflict == "update" else None
    if not assumed:
        return row
    return replace(row, user={name: value for name, value in row.user.items() if name not in assumed})


def _with_verified(row: Row, verified: bool) -> Row:
    given = row.user.get("emailVerified")
    if given is verified:
        return row
    if given is None and not verified:  # Said, so that an update hears of it; the user who is created is the same.
        return replace(row, user={**row.user, "emailVerified": False})
    told = ("emailVerified", f"set to {str(verified).lower()}, because the import says so of all addresses")
    return replace(row, user={**row.user, "emailVerified": verified}, changed=[*row.changed, told])


def _group(report: ImportReport, result: ImportResult) -> None:
    if result.status == "failed" and (error := result.error) is not None:
        report.refuse(result.line, error.code, error.field, error.message)
    elif result.reason is not None:
        report.leave_out(result.line, result.reason)


def _unsent(row: BadRow | LeftOutRow) -> ImportResult:
    """The result of a row that Denizen never hears of."""
    if isinstance(row, LeftOutRow):
        return ImportResult(row.line, "left_out", reason=row.message)
    return ImportResult(row.line, "failed", error=ErrorBody(code=row.code, message=row.message, field=row.field))
