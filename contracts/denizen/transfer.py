"""`client.auth.users.import_users` and `export`: many users at a time."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import unicodedata
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict

from denizen import headers as h
from denizen.importing import BadRow, Format, Preset, Row, read
from denizen.importing.reading import Source
from denizen.messages import ErrorBody, ImportProgress, ImportReply, OnConflict, Status
from denizen.operations import QUERIES
from denizen.transport import CommandOptions, Transport

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
_PIECE_SECONDS = 30.0
_GONE_SECONDS = 2.0
"""An export that nobody listens for is gone, but for the moment in which NATS was restarted."""
_SHOWN = 1000


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
    """`before`: how many rows are before it."""

    number: int
    before: int = 0
    rows: list[Row] = field(default_factory=list[Row])
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
        octets = len(json.dumps(row.user, ensure_ascii=False).encode()) if isinstance(row, Row) else 0
        if chunk.full or (chunk.octets and chunk.octets + octets > _OCTETS):
            yield chunk
            chunk = _Chunk(chunk.number + 1, chunk.end)
        if isinstance(row, BadRow):
            chunk.bad.append(row)
        elif octets > _OCTETS:
            chunk.bad.append(BadRow(row.line, "malformed_message", f"the row is longer than {_OCTETS} octets"))
        else:
            chunk.rows.append(row)
            chunk.octets += octets
        chunk.weight += _PLAIN if isinstance(row, Row) and _is_plain(row.user.get("password")) else 1
    yield chunk


def _is_plain(password: Any) -> bool:
    return isinstance(password, str) and not password.startswith("hashed:")


class _Rehearsed:
    """What the rows of a dry run would have taken: the service sees one chunk at a time, and takes nothing."""

    def __init__(self, on_conflict: OnConflict) -> None:
        self._on_conflict = on_conflict
        self._taken: set[int] = set()
        """Hashes, for there may be millions."""

    def judged(self, user: Mapping[str, Any], result: ImportResult) -> ImportResult:
        """The result of a row of this user, given that those before it are in."""
        if result.status != "created":
            return result
        claims = [(kind, hash((kind, value))) for kind, value in _claims(user)]
        twice = next((kind for kind, claim in claims if claim in self._taken), None)
        if twice is None:
            self._taken.update(claim for _, claim in claims)
            return result
        if self._on_conflict == "skip":
            return ImportResult(result.line, "skipped")
        if self._on_conflict == "update" and twice == "email":
            return ImportResult(result.line, "updated")
        code = {"email": "email_taken", "externalId": "external_id_taken"}.get(twice, "identity_taken")
        name = "providerId" if code == "identity_taken" else twice
        return ImportResult(
            result.line, "failed", error=ErrorBody(code=code, message=f"another row has this {name}", field=name)
        )


def _claims(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What one user alone can have. Of an address the service knows more forms than these."""
    yield "email", unicodedata.normalize("NFKC", user["email"]).casefold()
    if (external_id := user.get("externalId")) is not None:
        yield "externalId", external_id
    for each in user.get("identities", ()):
        yield f"identity {each['provider']}", each["providerId"]


@dataclass(frozen=True, slots=True)
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
        self._transport = transport
        self._options = {"dryRun": dry_run, "onConflict": on_conflict}
        self._rehearsed = _Rehearsed(on_conflict) if dry_run else None
        self._resumes = import_id is not None and not dry_run
        self._on_result = on_result
        self._on_progress = on_progress
        self._told = told
        self._done: Sequence[tuple[int, int]] = ()
        self.summary = ImportSummary(import_id or secrets.token_hex(16))

    async def run(self, source: Source, format: Format | None, preset: str | Preset | None) -> ImportSummary:
        """Send all of it. Raises DenizenError where a chunk is not taken for five minutes: begin it again later."""
        if self._resumes:
            await self._resume()
        chunks = _chunks(source, format, preset)
        waiting: deque[tuple[_Chunk, asyncio.Task[list[_Said]]]] = deque()
        try:
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                if self._is_done(chunk) and (self._on_result is None or chunk.end <= self._told):
                    self.summary.failed += len(chunk.bad)  # Denizen has never heard of them.
                    continue
                waiting.append((chunk, asyncio.create_task(self._send(chunk))))
                if len(waiting) >= _IN_FLIGHT:
                    await self._note(*waiting.popleft())
            while waiting:
                await self._note(*waiting.popleft())
        finally:
            for _, task in waiting:
                task.cancel()
            await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)
        return self.summary

    async def _resume(self) -> None:
        """Take over what an earlier run has done, and what became of it."""
        reply = await self._transport.command("ImportStatus", {"importId": self.summary.import_id}, {})
        progress = ImportProgress.model_validate(reply)
        for status in ("created", "updated", "skipped", "failed"):
            setattr(self.summary, status, getattr(progress, status))
        self.summary.before = self.summary.rows
        self._done = progress.chunks

    def _is_done(self, chunk: _Chunk) -> bool:
        at = bisect_right(self._done, (chunk.number, sys.maxsize)) - 1
        return at >= 0 and chunk.number <= self._done[at][1]

    async def _send(self, chunk: _Chunk) -> list[_Said]:
        """The results of a chunk, in the order of its lines."""
        said = [_Said(_bad(row)) for row in chunk.bad]
        if chunk.rows:
            command_id = secrets.token_hex(16)
            body = {
                "users": [await self._sealed(row.user, command_id) for row in chunk.rows],
                "importId": self.summary.import_id,
                "chunk": chunk.number,
                **self._options,
            }
            options = CommandOptions(timeout=_CHUNK_SECONDS, idempotency_key=command_id)
            reply = await self._transport.command("ImportUsers", body, options, attempt=_TRY_SECONDS)
            for each in ImportReply.model_validate(reply).results:
                row = chunk.rows[each.index]
                said.append(_Said(ImportResult(row.line, each.status, each.user_id, each.error), row.user))
        return sorted(said, key=lambda each: each.result.line)

    async def _sealed(self, user: Mapping[str, Any], command_id: str) -> Mapping[str, Any]:
        """Its password sealed. Its hash is not: for a thousand hashes that would take longer than their import."""
        password: Any = user.get("password")
        if not _is_plain(password):
            return user
        return {**user, "password": await self._transport.sealed(password, command_id, _CHUNK_SECONDS)}

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


@dataclass(frozen=True, slots=True)
class ExportPiece:
    """A piece of an exported file; `position` is that of the log which the whole file shows."""

    data: bytes
    position: int
    number: int
    follows: str | None
    """The subject on which the next piece is asked for."""


class ExportOptions(TypedDict, total=False):
    """What to export.

    Attributes:
        format: `jsonl` where it is not given.
        fields: `id`, `profile`, `profile.firstName`, `metadata.plan`, ...; none: all.
        status, created_after, created_before: whom.
        raw: cells of CSV that a spreadsheet takes for formulas stay as they are; else a `'` goes before them.
        hashes: the field `passwordHash` can be asked for; only as the NATS user `operator`.
    """

    format: Literal["csv", "jsonl", "json"]
    fields: Sequence[str]
    status: Status | None
    created_after: datetime | None
    created_before: datetime | None
    raw: bool
    hashes: bool


async def first_piece(transport: Transport, options: ExportOptions) -> ExportPiece:
    """Begin an export. Raises DenizenError."""
    times = {"createdAfter": options.get("created_after"), "createdBefore": options.get("created_before")}
    chosen: dict[str, str | None] = {name: rfc3339(at) for name, at in times.items() if at is not None}
    chosen |= {"status": options.get("status")} if options.get("status") else {}
    body = {
        "format": options.get("format", "jsonl"),
        "fields": list(options.get("fields", ())),
        "filter": chosen,
        "raw": options.get("raw", False),
    }
    subject = QUERIES["ExportUsersWithHashes" if options.get("hashes") else "ExportUsers"].subject
    return _piece(0, *await transport.piece(subject, body, _PIECE_SECONDS, attempt=_PIECE_SECONDS))


async def next_piece(transport: Transport, piece: ExportPiece) -> ExportPiece:
    """The piece behind one that has another behind it. Raises DenizenError."""
    assert piece.follows is not None
    number = piece.number + 1
    reply = await transport.piece(
        piece.follows, {"piece": number}, _PIECE_SECONDS, attempt=_TRY_SECONDS, gone=_GONE_SECONDS
    )
    return _piece(number, *reply)


def _piece(number: int, data: bytes, headers: Mapping[str, str]) -> ExportPiece:
    return ExportPiece(data, int(headers.get(h.POSITION, 0)), number, headers.get(h.EXPORT))


def rfc3339(at: datetime) -> str:
    """Raises ValueError where the time has no zone."""
    if at.tzinfo is None:
        raise ValueError("a time needs its zone")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
