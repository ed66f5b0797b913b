"""`client.auth.users.import_users`: many users, as a job."""

from __future__ import annotations

import asyncio
import secrets
import sys
import unicodedata
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from denizen import arguments
from denizen.errors import ValidationFailed
from denizen.importing import BadRow, Format, Preset, Row, read
from denizen.importing.reading import Source
from denizen.messages import ErrorBody, ImportProgress, ImportReply, OnConflict
from denizen.transport import CommandOptions, Transport
from pydantic_core import to_json

_ROWS = 500
_PLAIN = 20
"""Rows that one with a password counts for: hashing it takes longer than so many rows do."""
_OCTETS = 800_000
"""Of a chunk: NATS passes messages of 1 MB."""
_IN_FLIGHT = 3
_CHUNK_SECONDS = 300.0
"""How long a chunk is tried, over an outage of Denizen's too."""
_TRY_SECONDS = 5.0
"""How long one answer is waited for. A chunk that is sent again while it still waits there is answered, and does no
harm."""
_SHOWN = 1000
_ANOTHER = "this chunk of the job came before with other rows, or to be taken in another way; name another job"
"""As the service says it."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a row; `line` is that of the file, or its number in an iterable, from 1."""

    line: int
    status: Literal["created", "updated", "skipped", "failed"]
    user_id: str | None = None
    error: ErrorBody | None = None


@dataclass(slots=True)
class ImportSummary:
    """What became of an import.

    Attributes:
        before: rows that an earlier run of the same job had sent.
        results: of those that were sent now: of the first thousand rows that failed, and, in imports of at most a
            thousand rows, of all.
    """

    import_id: str
    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    before: int = 0
    results: list[ImportResult] = field(default_factory=list[ImportResult])

    @property
    def success(self) -> int:
        """Rows that did not fail."""
        return self.created + self.updated + self.skipped

    @property
    def rows(self) -> int:
        return self.success + self.failed

    def add(self, result: ImportResult) -> None:
        """Count a row."""
        setattr(self, result.status, getattr(self, result.status) + 1)
        if self.rows == _SHOWN + 1:
            self.results = [each for each in self.results if each.status == "failed"]
        if len(self.results) < _SHOWN and (self.rows <= _SHOWN or result.status == "failed"):
            self.results.append(result)


@dataclass(slots=True)
class _Chunk:
    """`before`: how many rows are before it; `encoded`: the users of its rows as JSON."""

    number: int
    before: int = 0
    rows: list[Row] = field(default_factory=list[Row])
    encoded: list[bytes] = field(default_factory=list[bytes])
    bad: list[BadRow] = field(default_factory=list[BadRow])
    weight: int = 0
    octets: int = 0

    @property
    def full(self) -> bool:
        return self.weight >= _ROWS or self.octets >= _OCTETS

    @property
    def end(self) -> int:
        """How many rows there are up to its end."""
        return self.before + len(self.rows) + len(self.bad)


def _chunks(source: Source, format: Format | None, preset: str | Preset | None) -> Iterator[_Chunk]:
    """The same source gives the same chunks: so an import that is begun again knows which are done."""
    chunk = _Chunk(0)
    for row in read(source, format=format, preset=preset):
        encoded = to_json(row.user) if isinstance(row, Row) else b""
        octets = len(encoded)
        if chunk.full or (chunk.octets and chunk.octets + octets > _OCTETS):
            yield chunk
            chunk = _Chunk(chunk.number + 1, chunk.end)
        if isinstance(row, BadRow):
            chunk.bad.append(row)
        elif octets > _OCTETS:
            chunk.bad.append(BadRow(row.line, "malformed_message", f"the row is longer than {_OCTETS} octets"))
        else:
            chunk.rows.append(row)
            chunk.encoded.append(encoded)
            chunk.octets += octets
        chunk.weight += _PLAIN if isinstance(row, Row) and _is_plain(row.user.get("password")) else 1
    yield chunk


def _is_plain(password: Any) -> bool:
    return isinstance(password, str) and not password.startswith("hashed:")


class _Rehearsed:
    """What the rows of a dry run would have taken: the service sees one chunk at a time, and takes nothing."""

    def __init__(self, on_conflict: OnConflict) -> None:
        self._on_conflict = on_conflict
        self._rows = 0
        self._taken: dict[int, int] = {}
        """Hashes, for there may be millions, and the number of the row that would have each."""

    def judged(self, user: Mapping[str, Any], result: ImportResult) -> ImportResult:
        """The result of a row of this user, given that those before it are in."""
        if result.status != "created":
            return result
        claims = [(kind, hash((kind, value))) for kind, value in _claims(user)]
        holders = {kind: self._taken[claim] for kind, claim in claims if claim in self._taken}
        if not holders:
            self._rows += 1
            self._taken.update(dict.fromkeys((claim for _, claim in claims), self._rows))
            return result
        twice = next(iter(holders))
        if twice != "id" or holders.get("email") == holders["id"]:
            if self._on_conflict == "skip":
                return ImportResult(result.line, "skipped")
            if self._on_conflict == "update" and twice in ("id", "email"):
                return ImportResult(result.line, "updated")
        code, name = _TWICE.get(twice, ("identity_taken", "providerId"))
        return ImportResult(
            result.line, "failed", error=ErrorBody(code=code, message=f"another row has this {name}", field=name)
        )


_TWICE: Mapping[str, tuple[str, str]] = {
    "id": ("validation_failed", "id"),
    "email": ("email_taken", "email"),
    "externalId": ("external_id_taken", "externalId"),
}


def _claims(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What one user alone can have, in the order in which the service looks. Of an address it knows more forms."""
    if (user_id := user.get("id")) is not None:
        yield "id", user_id
    yield "email", unicodedata.normalize("NFKC", user["email"]).casefold()
    if (external_id := user.get("externalId")) is not None:
        yield "externalId", external_id
    for each in user.get("identities", ()):
        yield f"identity {each['provider']}", each["providerId"]


@dataclass(slots=True)
class _Said:
    """What became of a row; `user` where it could be read, and was sent."""

    result: ImportResult
    user: Mapping[str, Any] | None = None


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
    ) -> None:
        """Raises TypeError where an argument has a wrong type; what is sent, the service checks."""
        self._transport = transport
        self._options = {
            "dryRun": arguments.flag("dry_run", dry_run),
            "onConflict": arguments.text("on_conflict", on_conflict),
        }
        self._rehearsed = _Rehearsed(on_conflict) if dry_run else None
        self._resumes = import_id is not None and not dry_run
        self._on_result = arguments.function("on_result", on_result)
        self._on_progress = arguments.function("on_progress", on_progress)
        self._told = arguments.whole("told", told)
        self._done: Sequence[tuple[int, int]] = ()
        self._proofs: frozenset[int] = frozenset()
        self.summary = ImportSummary(import_id or secrets.token_hex(16))

    async def run(self, source: Source, format: Format | None, preset: str | Preset | None) -> ImportSummary:
        """Send all of it. Raises DenizenError where a chunk is not taken for five minutes: begin it again later."""
        if self._resumes:
            await self._resume()
        chunks = _chunks(source, format, preset)
        unproved = set(self._proofs)
        waiting: deque[tuple[_Chunk, asyncio.Task[list[_Said]]]] = deque()
        try:
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                told = self._on_result is None or chunk.end <= self._told
                if told and self._is_done(chunk) and chunk.number not in self._proofs:
                    self.summary.failed += len(chunk.bad)  # Denizen has never heard of them.
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
        if progress.chunks:
            # Sent again, for the service knows whether they are the same: where rows were added or removed anywhere
            # before, the last one is not.
            self._proofs = frozenset({progress.chunks[0][0], progress.chunks[-1][1]})

    def _is_done(self, chunk: _Chunk) -> bool:
        at = bisect_right(self._done, (chunk.number, sys.maxsize)) - 1
        return at >= 0 and chunk.number <= self._done[at][1]

    async def _send(self, chunk: _Chunk) -> list[_Said]:
        """The results of a chunk, in the order of its lines."""
        said = [_Said(_bad(row)) for row in chunk.bad]
        if chunk.rows:
            command_id = secrets.token_hex(16)
            about = to_json({"importId": self.summary.import_id, "chunk": chunk.number, **self._options})
            users = [
                await self._sealed(row.user, command_id) if _is_plain(row.user.get("password")) else encoded
                for row, encoded in zip(chunk.rows, chunk.encoded, strict=True)
            ]
            body = b'{"users":[%b],%b' % (b",".join(users), about[1:])
            options = CommandOptions(timeout=_CHUNK_SECONDS, idempotency_key=command_id)
            reply = await self._transport.command("ImportUsers", body, options, attempt=_TRY_SECONDS)
            for each in ImportReply.model_validate(reply).results:
                row = chunk.rows[each.index]
                said.append(_Said(ImportResult(row.line, each.status, each.user_id, each.error), row.user))
        return sorted(said, key=lambda each: each.result.line)

    async def _sealed(self, user: Mapping[str, Any], command_id: str) -> bytes:
        """Its password sealed. Its hash is not: for a thousand hashes that would take longer than their import."""
        sealed = await self._transport.sealed(user["password"], command_id, _CHUNK_SECONDS)
        return to_json({**user, "password": sealed})

    async def _note(self, chunk: _Chunk, sending: asyncio.Task[list[_Said]]) -> None:
        for number, each in enumerate(await sending, chunk.before + 1):
            result = each.result
            if self._rehearsed and each.user is not None:
                result = self._rehearsed.judged(each.user, result)
            # Of a chunk that was done before the service has counted the rows already, and told us so.
            if each.user is None or not self._is_done(chunk):
                self.summary.add(result)
            if self._on_result is not None and number > self._told:
                self._on_result(result)
        if self._on_progress is not None:
            self._on_progress(self.summary)


def _bad(row: BadRow) -> ImportResult:
    return ImportResult(row.line, "failed", error=ErrorBody(code=row.code, message=row.message, field=row.field))
