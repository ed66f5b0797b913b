"""The rows of an import in chunks, each of which is one message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from denizen.importing import BadRow, Row
from denizen.importing.rows import LeftOutRow
from pydantic_core import to_json

_ROWS = 500
_PLAIN = 20
"""Rows that one with a password counts for: hashing it takes longer than so many rows do."""
_OCTETS = 800_000
"""Of a chunk: NATS passes messages of 1 MB."""


@dataclass(slots=True)
class Chunk:
    """Rows that are sent together.

    Attributes:
        before: how many rows are before it.
        encoded: the users of its rows as JSON.
    """

    number: int
    before: int = 0
    rows: list[Row] = field(default_factory=list[Row])
    encoded: list[bytes] = field(default_factory=list[bytes])
    bad: list[BadRow | LeftOutRow] = field(default_factory=list[BadRow | LeftOutRow])
    """Rows that are not sent."""
    weight: int = 0
    octets: int = 0

    @property
    def full(self) -> bool:
        return self.weight >= _ROWS or self.octets >= _OCTETS

    @property
    def end(self) -> int:
        """How many rows there are up to its end."""
        return self.before + len(self.rows) + len(self.bad)


def in_chunks(rows: Iterable[Row | BadRow | LeftOutRow]) -> Iterator[Chunk]:
    """The same source gives the same chunks: so an import that is begun again knows which are done."""
    chunk = Chunk(0)
    for row in rows:
        encoded = to_json(row.user) if isinstance(row, Row) else b""
        octets = len(encoded)
        if chunk.full or (chunk.octets and chunk.octets + octets > _OCTETS):
            yield chunk
            chunk = Chunk(chunk.number + 1, chunk.end)
        if not isinstance(row, Row):
            chunk.bad.append(row)
        elif octets > _OCTETS:
            chunk.bad.append(BadRow(row.line, "malformed_message", f"the row is longer than {_OCTETS} octets"))
        else:
            chunk.rows.append(row)
            chunk.encoded.append(encoded)
            chunk.octets += octets
        chunk.weight += _PLAIN if isinstance(row, Row) and is_plain(row.user.get("password")) else 1
    yield chunk


def is_plain(password: Any) -> bool:
    """Whether it is a password, and no hash."""
    return isinstance(password, str) and not password.startswith("hashed:")
