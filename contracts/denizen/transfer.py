"""`client.auth.users.import_users` and `export`: many users at a time."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypedDict

from denizen import headers as h
from denizen.importing import BadRow, Format, Preset, Row, read
from denizen.importing.reading import Source
from denizen.messages import ErrorBody, ImportProgress, ImportReply, OnConflict, Status
from denizen.operations import QUERIES
from denizen.transport import CommandOptions, Transport

_ROWS = 500
_OCTETS = 800_000
"""Of a chunk: NATS passes messages of 1 MB."""
_IN_FLIGHT = 3
_CHUNK_SECONDS = 300.0
"""How long a chunk is tried, over an outage of Denizen's too."""
_TRY_SECONDS = 30.0
"""How long one answer is waited for: chunks queue behind each other."""
_PIECE_SECONDS = 30.0
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
        results: of the first thousand rows that failed, and, in imports of at most a thousand rows, of all.
    """

    import_id: str
    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    results: list[ImportResult] = field(default_factory=list[ImportResult])

    @property
    def success(self) -> int:
        """Rows that did not fail."""
        return self.created + self.updated + self.skipped

    def add(self, result: ImportResult) -> None:
        """Count a row."""
        setattr(self, result.status, getattr(self, result.status) + 1)
        if len(self.results) < _SHOWN:
            self.results.append(result)
        elif result.status == "failed":
            # Room is made for it, as long as there is a row that did not fail.
            kept = next((at for at, each in enumerate(self.results) if each.status != "failed"), None)
            if kept is not None:
                self.results[kept] = result


@dataclass(slots=True)
class _Chunk:
    number: int
    rows: list[Row] = field(default_factory=list[Row])
    bad: list[BadRow] = field(default_factory=list[BadRow])
    octets: int = 0

    @property
    def full(self) -> bool:
        return len(self.rows) + len(self.bad) >= _ROWS or self.octets >= _OCTETS


def _chunks(source: Source, format: Format | None, preset: str | Preset | None) -> Iterator[_Chunk]:
    """The same source gives the same chunks: so an import that is begun again knows which are done."""
    chunk = _Chunk(0)
    for row in read(source, format=format, preset=preset):
        octets = len(json.dumps(row.user, ensure_ascii=False).encode()) if isinstance(row, Row) else 0
        if chunk.full or (chunk.octets and chunk.octets + octets > _OCTETS):
            yield chunk
            chunk = _Chunk(chunk.number + 1)
        if isinstance(row, Row):
            chunk.rows.append(row)
            chunk.octets += octets
        else:
            chunk.bad.append(row)
    yield chunk


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
    ) -> None:
        self._transport = transport
        self._options = {"dryRun": dry_run, "onConflict": on_conflict}
        self._resumes = import_id is not None and not dry_run
        self._on_result = on_result
        self._on_progress = on_progress
        self.summary = ImportSummary(import_id or secrets.token_hex(16))

    async def run(self, source: Source, format: Format | None, preset: str | Preset | None) -> ImportSummary:
        """Send all of it. Raises DenizenError where a chunk is not taken for five minutes: begin it again later."""
        done: Sequence[tuple[int, int]] = await self._done() if self._resumes else ()
        chunks = _chunks(source, format, preset)
        waiting: list[asyncio.Task[list[ImportResult]]] = []
        try:
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                if any(first <= chunk.number <= last for first, last in done):
                    self.summary.failed += len(chunk.bad)  # Denizen has never heard of them.
                    continue
                waiting.append(asyncio.create_task(self._send(chunk)))
                if len(waiting) >= _IN_FLIGHT:
                    self._note(await waiting.pop(0))
            for task in waiting:
                self._note(await task)
        finally:
            for task in waiting:
                task.cancel()
        return self.summary

    async def _done(self) -> Sequence[tuple[int, int]]:
        """The chunks that an earlier run has done, and what became of them."""
        reply = await self._transport.command("ImportStatus", {"importId": self.summary.import_id}, {})
        progress = ImportProgress.model_validate(reply)
        for status in ("created", "updated", "skipped", "failed"):
            setattr(self.summary, status, getattr(progress, status))
        return progress.chunks

    async def _send(self, chunk: _Chunk) -> list[ImportResult]:
        results = [_bad(row) for row in chunk.bad]
        if chunk.rows:
            body = {
                "users": [row.user for row in chunk.rows],
                "importId": self.summary.import_id,
                "chunk": chunk.number,
                **self._options,
            }
            options = CommandOptions(timeout=_CHUNK_SECONDS)
            reply = await self._transport.command("ImportUsers", body, options, attempt=_TRY_SECONDS)
            for result in ImportReply.model_validate(reply).results:
                line = chunk.rows[result.index].line
                results.append(ImportResult(line, result.status, result.user_id, result.error))
        return sorted(results, key=lambda result: result.line)

    def _note(self, results: list[ImportResult]) -> None:
        for result in results:
            self.summary.add(result)
            if self._on_result is not None:
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
    return _piece(0, *await transport.piece(subject, body, _PIECE_SECONDS))


async def next_piece(transport: Transport, piece: ExportPiece) -> ExportPiece:
    """The piece behind one that has another behind it. Raises DenizenError."""
    assert piece.follows is not None
    number = piece.number + 1
    return _piece(number, *await transport.piece(piece.follows, {"piece": number}, _PIECE_SECONDS))


def _piece(number: int, data: bytes, headers: Mapping[str, str]) -> ExportPiece:
    return ExportPiece(data, int(headers.get(h.POSITION, 0)), number, headers.get(h.EXPORT))


def rfc3339(at: datetime) -> str:
    """Raises ValueError where the time has no zone."""
    if at.tzinfo is None:
        raise ValueError("a time needs its zone")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
