"""Cuts CSV (RFC 4180) into records: at commas, or at semicolons, tabs or bars if the header has no comma, or at what
Excel's line `sep=` names.

Behind a quote that is never closed, rows would be taken for its text. So where a record turns out broken, only its
first line is given up, and the lines behind are read again.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from denizen.importing.dates import DateOrder
from denizen.importing.lines import lines
from denizen.importing.rows import BadRow, RefusedFile
from denizen.importing.strict import LONGEST

_LINE = 100
"""Octets that a line takes in memory beside its text."""
_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR = re.compile(r'"?sep=([^"\r\n])"?[\s,;]*', re.IGNORECASE)
"""The first line that Excel reads, and some programs write, before the header."""
_TYPE = ("#TYPE ", '"#TYPE ')
"""The first line that PowerShell's Export-Csv writes before the header."""
_LONGEST_NAME = 60
UNNAMED = "a cell is in a column that has no name: name the column in the header"

_OPEN = "the row is not CSV: a quote is never closed, or a line within its quotes cannot be read"


class _Broken(Exception):
    """A line that cannot be read, within a record."""


class Records:
    """The line and the fields of each record."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = lines(stream)
        header = next(self._lines, None)
        if isinstance(header, tuple) and "\r" in header[1] and not header[1].endswith("\n"):
            raise RefusedFile("lines end with CR alone, as in Excel's CSV (Macintosh): save the file as CSV UTF-8")
        named = _SEPARATOR.fullmatch(header[1]) if isinstance(header, tuple) else None
        if named or (isinstance(header, tuple) and header[1].startswith(_TYPE)):
            header = next(self._lines, None)
        self._again: deque[tuple[int, str] | BadRow] = deque([] if header is None else [header])
        self._delimiter = named[1] if named else _delimiter(header)
        self._taken: list[tuple[int, str] | BadRow] = []
        self._size = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]] | BadRow]:
        reader = csv.reader(self._fed(), delimiter=self._delimiter, strict=True)
        while True:
            self._taken.clear()
            self._size = 0
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error:
                bad = self._give_up("the row is not CSV: a quote is out of place or never closed, or a field too long")
            except _Broken as broken:
                bad = self._give_up(str(broken))
            else:
                if fields:
                    first = self._taken[0]
                    yield (first.line if isinstance(first, BadRow) else first[0]), fields
                continue
            yield bad
            reader = csv.reader(self._fed(), delimiter=self._delimiter, strict=True)

    def _fed(self) -> Iterator[str]:
        while line := self._again.popleft() if self._again else next(self._lines, None):
            self._taken.append(line)
            if isinstance(line, BadRow):
                raise self._broken(line.message)
            text = line[1]
            self._size += len(text) + _LINE
            if "\0" in text:
                raise self._broken("the line holds NUL")
            if self._size > LONGEST:
                raise _Broken(f"the row is longer than {LONGEST} characters")
            yield text

    def _broken(self, message: str) -> _Broken:
        """What is wrong with the record's first line, where the one that was taken last cannot be read."""
        return _Broken(message if len(self._taken) == 1 else _OPEN)

    def _give_up(self, message: str) -> BadRow:
        first, *rest = self._taken
        self._again.extendleft(reversed(rest))
        return first if isinstance(first, BadRow) else BadRow(first[0], "malformed_message", message)


def _delimiter(header: tuple[int, str] | BadRow | None) -> str:
    text = header[1] if isinstance(header, tuple) else ""
    return next((sign for sign in _DELIMITERS if sign in text), ",")


def _accept(_: object) -> None:
    """A check that takes every header."""


@dataclass(frozen=True, slots=True)
class Cells:
    """How cells are read.

    Attributes:
        null: texts that are no value.
        dates: the order of day and month, where a cell does not show it.
        check: is given the header of another system's file, before its first row. Raises RefusedFile.
    """

    null: frozenset[str] = frozenset()
    dates: DateOrder | None = None
    check: Callable[[Collection[str]], None] = _accept


def wrong_count(line: int, wanted: int) -> BadRow:
    """What a row is that has more or fewer cells than the header."""
    return BadRow(line, "malformed_message", f"the row does not have {wanted} columns, as the header has")


def header_fault(names: list[str]) -> str | None:
    """Why a header cannot be used. Raises RefusedFile where there is none."""
    if any(_VALUE.search(name) for name in names):
        raise RefusedFile(
            "the file has no header: its first line must name the columns (from Firebase, export with "
            "`firebase auth:export users.json --format=json`)"
        )
    filled = [name for name in names if name]
    if len(set(filled)) != len(filled):
        twice = next(name for name in filled if filled.count(name) > 1)
        return f"the header has the column {shown(twice)} twice: rename or remove one"
    return None


_VALUE = re.compile(r"[^@\s]@[^@\s]|^\$2[aby]\$|^\+?[0-9][0-9 ()/.-]{5,}$")
"""What a cell of the first line holds where it is a user's data. A name of a column may stand in messages, data not."""


def shown(name: str) -> str:
    """The name of a column, for people."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
