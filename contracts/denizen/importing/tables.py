"""The rows of CSV (RFC 4180): a header, dotted columns, UTF-8; with semicolons where the header has no comma, as Excel
writes it where a comma is a decimal point.

Behind a quote that is never closed, rows would be taken for its text. So where a record turns out broken, only its
first line is given up, and the lines behind are read anew.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from denizen.importing.formulas import restored
from denizen.importing.lines import lines
from denizen.importing.recognition import check_own
from denizen.importing.rows import BadRow, Json, Unfit
from denizen.importing.strict import LONGEST, Malformed, parsed

_NAME = re.compile(r"[A-Za-z][A-Za-z_]{0,30}(\.[A-Za-z][A-Za-z_]{0,30}){0,3}")
"""The name of a column that may be shown. If a file has no header, the first row holds a user's data instead."""
_LINE = 100
"""Octets that a line takes in memory beside its text."""
_SNAKE = re.compile(r"_([a-z])")
_TEXT = {
    "id", "email", "password", "passwordHash", "externalId", "status", "createdAt", "updatedAt", "blockedAt",
    "lastLoginAt", "lastLoginIp", "version", "loginCount",
}  # fmt: skip
_PROFILE = {"firstName", "lastName", "displayName", "picture", "locale", "timezone"}
_FLAGS = {"emailVerified", "passwordChangeRequired"}
_JSON = {"profile", "metadata", "appMetadata", "identities"}


_OPEN = "the row is not CSV: a quote is never closed, or a line within its quotes cannot be read"


class _Broken(Exception):
    """A line that cannot be read, within a record."""


class Records:
    """The line and the fields of each record."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = lines(stream)
        header = next(self._lines, None)
        self._again: deque[tuple[int, str] | BadRow] = deque([] if header is None else [header])
        self._delimiter = ";" if isinstance(header, tuple) and ";" in header[1] and "," not in header[1] else ","
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


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a cell goes: `path` in the user, or in the section that is named so."""

    name: str
    section: str | None
    path: tuple[str, ...]
    value: Callable[[str], Any] | None


def rows(stream: BinaryIO) -> Iterator[tuple[int, Json] | BadRow]:
    """Users of ours; an empty cell says nothing. Where the header cannot be used, no row can: it alone is bad."""
    records = iter(Records(stream))
    header = next(records, None)
    if header is None:
        return
    columns = _columns(header) if not isinstance(header, BadRow) else header
    if isinstance(columns, BadRow):
        if not isinstance(header, BadRow):
            check_own(header[1])
        yield columns
        return
    plan = list(enumerate(columns))
    for record in records:
        if isinstance(record, BadRow):
            yield record
        elif len(record[1]) != len(plan):
            yield _wrong_count(record[0], len(plan))
        else:
            try:
                yield record[0], _user(plan, record[1])
            except Unfit as unfit:
                yield BadRow(record[0], "validation_failed", unfit.message, unfit.field)


def plain_rows(stream: BinaryIO) -> Iterator[tuple[int, Json] | BadRow]:
    """Rows of another system: text by the names of the header, without empty cells."""
    header: list[str] | None = None
    for record in Records(stream):
        if isinstance(record, BadRow):
            yield record
        elif header is None:
            header = record[1]
            if len(set(header)) != len(header):
                yield BadRow(record[0], "malformed_message", "the header has a column twice")
                return
        elif len(record[1]) != len(header):
            yield _wrong_count(record[0], len(header))
        else:
            yield record[0], {name: cell for name, cell in zip(header, record[1], strict=True) if cell}


def _wrong_count(line: int, wanted: int) -> BadRow:
    return BadRow(line, "malformed_message", f"the row has not {wanted} columns, as the header has")


def _columns(header: tuple[int, list[str]]) -> list[_Column] | BadRow:
    line, names = header
    columns: list[_Column] = []
    for number, name in enumerate(names, 1):
        column = _column(_camel(name.strip()))
        if column is None:
            shown = name if _NAME.fullmatch(name) else None
            return BadRow(line, "validation_failed", f"column {number} of the header is none that users have", shown)
        columns.append(column)
    seen = [column.name for column in columns]
    if "email" not in seen:
        return BadRow(line, "validation_failed", "the header has no column email", "email")
    for name in seen:
        if seen.count(name) > 1 or any(other.startswith(f"{name}.") for other in seen):
            return BadRow(line, "malformed_message", "the header has a column twice, or one within another", name)
    return columns


def _camel(name: str) -> str:
    section, dot, rest = name.partition(".")
    if section in ("metadata", "appMetadata", "app_metadata"):
        return _SNAKE.sub(lambda match: match[1].upper(), section) + dot + rest
    return _SNAKE.sub(lambda match: match[1].upper(), name)


def _column(name: str) -> _Column | None:
    if name in _TEXT:
        return _Column(name, None, (name,), None)
    if name in _FLAGS:
        return _Column(name, None, (name,), lambda cell: _flag(cell, name))
    if name in _JSON:
        return _Column(name, None, (name,), lambda cell: _json(cell, name))
    section, *path = name.split(".")
    if section == "profile" and len(path) == 1 and path[0] in _PROFILE:
        return _Column(name, section, tuple(path), None)
    if section in ("metadata", "appMetadata") and path and all(path) and len(path) <= 8:
        return _Column(name, section, tuple(path), None)
    return None


def _user(plan: list[tuple[int, _Column]], cells: list[str]) -> Json:
    user: Json = {}
    for index, column in plan:
        cell = cells[index]
        if not cell:
            continue
        if cell[0] == "'":
            cell = restored(cell)
        value = cell if column.value is None else column.value(cell)
        if column.section is None:
            user[column.name] = value
        else:
            at = user.setdefault(column.section, {})
            for key in column.path[:-1]:
                at = at.setdefault(key, {})
            at[column.path[-1]] = value
    return user


def _flag(cell: str, name: str) -> bool:
    flag = _WORDS.get(cell.lower())
    if flag is None:
        raise Unfit("is neither true nor false", name)
    return flag


_WORDS: Mapping[str, bool] = {"true": True, "false": False}


def _json(cell: str, name: str) -> Any:
    try:
        value = parsed(cell)
    except Malformed as malformed:
        raise Unfit(f"is not JSON: {malformed}", name) from None
    if not isinstance(value, list if name == "identities" else dict):
        raise Unfit("is not an array" if name == "identities" else "is not an object", name)
    return cast(Any, value)
