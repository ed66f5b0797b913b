"""`client.auth.users.export`: a file of users, piece by piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict

from denizen import arguments
from denizen import headers as h
from denizen.messages import Status
from denizen.operations import QUERIES
from denizen.transport import Transport

_PIECE_SECONDS = 30.0
_TRY_SECONDS = 5.0
"""How long one answer is waited for, when it is not the first."""
_GONE_SECONDS = 2.0
"""An export without a responder is gone, except for the moment in which NATS was restarted."""


@dataclass(frozen=True, slots=True)
class FilePiece:
    """A piece of an exported file; `position` is that of the log which the whole file shows."""

    data: bytes
    position: int
    number: int
    follows: str | None
    """The subject on which the next piece is asked for."""


class ExportOptions(TypedDict, total=False):
    """The options of an export.

    Attributes:
        format: `jsonl` where it is not given.
        fields: `id`, `profile`, `profile.firstName`, `metadata.plan`, ...; none: all.
        status, created_after, created_before, search: whom.
        raw: cells of CSV that a spreadsheet takes for formulas stay as they are; else a `'` goes before them.
        hashes: the field `passwordHash` can be asked for; only as the NATS user `operator`.
    """

    format: Literal["csv", "jsonl", "json"]
    fields: Sequence[str]
    status: Status | None
    created_after: datetime | None
    created_before: datetime | None
    search: str | None
    raw: bool
    hashes: bool


async def first_piece(transport: Transport, options: ExportOptions) -> FilePiece:
    """Begin an export. Raises DenizenError; TypeError and ValueError where an argument is wrong."""
    arguments.refuse_unknown(options, ExportOptions.__optional_keys__)
    times = {"createdAfter": "created_after", "createdBefore": "created_before"}
    chosen = {
        field: arguments.timestamp(name, at) for field, name in times.items() if (at := options.get(name)) is not None
    }
    chosen |= {name: arguments.text(name, text) for name in ("status", "search") if (text := options.get(name))}
    body = {
        "format": options.get("format", "jsonl"),
        "fields": arguments.texts("fields", options.get("fields", ())),
        "filter": chosen,
        "raw": options.get("raw", False),
    }
    hashes = arguments.flag("hashes", options.get("hashes", False))
    subject = QUERIES["ExportUsersWithHashes" if hashes else "ExportUsers"].subject
    return _piece(0, *await transport.piece(subject, body, _PIECE_SECONDS, attempt=_PIECE_SECONDS))


async def next_piece(transport: Transport, piece: FilePiece) -> FilePiece:
    """The piece behind one that has another behind it. Raises DenizenError."""
    assert piece.follows is not None
    number = piece.number + 1
    reply = await transport.piece(
        piece.follows, {"piece": number}, _PIECE_SECONDS, attempt=_TRY_SECONDS, gone=_GONE_SECONDS
    )
    return _piece(number, *reply)


async def end(transport: Transport, piece: FilePiece) -> None:
    """End the export early, so that the service drops its snapshot at once."""
    if piece.follows is not None:
        await transport.tell(piece.follows, {"end": True})


def _piece(number: int, data: bytes, headers: Mapping[str, str]) -> FilePiece:
    return FilePiece(data, int(headers.get(h.POSITION, 0)), number, headers.get(h.EXPORT))
