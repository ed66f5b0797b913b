"""What an import took, refused, left out and changed, in groups: how many rows, and the first lines of each group.

Memory is bounded whatever a file holds: the number of groups, the lines of each, and the length of a name. A report
holds line numbers, names of fields and sentences of the program, and no value of a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from denizen.importing.rows import Row

_MOST = 100
"""Groups of a kind with names of their own; as many more for the other names of a message."""
_LINES = 5
_OTHERS = "(other fields)"
_HIDDEN = "(a name that is not shown)"
_NAMES = 2_000
"""Names of fields whose printable form is remembered."""
_SEGMENT = re.compile(r"[^\W\d][\w $:;/-]{0,62}|\$[a-z]{1,20}")
_MANY_DIGITS = re.compile(r"(?:\d\D*){5}")
_INDEX = re.compile(r"\.[0-9]+(?=\.|$)")

Key = tuple[str | None, ...]


@dataclass(slots=True)
class Tally:
    """How many rows are in a group, and the first of their lines."""

    count: int = 0
    lines: list[int] = field(default_factory=list[int])

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.lines) < _LINES and line not in self.lines:
            self.lines.append(line)


class Groups:
    """Tallies by a key whose parts have names, such as `code`, `field` and `message`."""

    def __init__(self, *parts: str) -> None:
        self._parts = parts
        self._tallies: dict[Key, Tally] = {}

    def __len__(self) -> int:
        return len(self._tallies)

    @property
    def count(self) -> int:
        """All rows of all groups. A row with two fields that were not taken counts twice."""
        return sum(tally.count for tally in self._tallies.values())

    def add(self, key: Key, line: int) -> None:
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._new(key)
        tally.add(line)

    def _new(self, key: Key) -> Tally:
        """A tally for a key, or for all the keys that are too many: those of one message, or in the end all."""
        most = _MOST
        if len(self._tallies) >= most:
            key = tuple(_OTHERS if part == "field" else value for part, value in zip(self._parts, key, strict=True))
            most = 2 * _MOST
        if len(self._tallies) >= most:
            key = (_OTHERS,) * len(self._parts)
        return self._tallies.setdefault(key, Tally())

    def shown(self) -> list[dict[str, Any]]:
        """The groups, largest first, as JSON has them."""
        found = sorted(self._tallies.items(), key=lambda each: -each[1].count)
        return [
            {part: value for part, value in zip(self._parts, key, strict=True) if value is not None}
            | {"count": tally.count, "lines": tally.lines}
            for key, tally in found
        ]


class ImportReport:
    """The report on one import.

    Attributes:
        refused: rows that became no user.
        left_out: rows that were not meant to become users, such as service accounts.
        not_taken: filled fields of rows that the users did not get.
        changed: fields of users whose value is not that of the source.
    """

    def __init__(self) -> None:
        self.refused = Groups("code", "field", "message")
        self.left_out = Groups("message")
        self.not_taken = Groups("field", "because")
        self.changed = Groups("field", "message")
        self._names: dict[str, str] = {}

    def read(self, row: Row) -> None:
        """Note what a row that was read does not take over, or changes."""
        for path, because in row.not_taken:
            self.not_taken.add((self.name(path), because), row.line)
        for name, message in row.changed:
            self.changed.add((self.name(name), message), row.line)

    def leave_out(self, line: int, message: str) -> None:
        """Note a row that is no user; `message` says what it is."""
        self.left_out.add((message,), line)

    def refuse(self, line: int, code: str, field: str | None, message: str) -> None:
        """Note a row that became no user."""
        self.refused.add((code, None if field is None else self.name(field), message), line)

    def as_json(self) -> dict[str, list[dict[str, Any]]]:
        """The groups of each kind, as `denizen import --json` prints them."""
        kinds = {
            "refused": self.refused, "leftOut": self.left_out, "notTaken": self.not_taken, "changed": self.changed,
        }  # fmt: skip
        return {name: groups.shown() for name, groups in kinds.items()}

    def name(self, path: str) -> str:
        """`shown_name` of a path, remembered: each row of a file has the same ones."""
        name = self._names.get(path)
        if name is None:
            name = shown_name(path)
            if len(self._names) < _NAMES and len(path) < 200:
                self._names[path] = name
        return name


def shown_name(path: str) -> str:
    """A path of field names as people may see it.

    A name is hidden if it may hold a user's data, as in a file without a header, or with addresses as keys: if it has
    an `@`, many digits or unusual characters, or is long. Indexes of arrays are left out.
    """
    if "@" in path:
        return _HIDDEN  # The local part of an address may have dots as a path has.
    segments = _INDEX.sub("", path[:1000]).split(".")
    names = [
        segment if _SEGMENT.fullmatch(segment) and not _MANY_DIGITS.search(segment) else _HIDDEN
        for segment in segments[:8]
    ]
    return ".".join(names)
