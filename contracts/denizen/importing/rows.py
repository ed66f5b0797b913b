"""A row of a file of users: one that can be read, one that is left out, or why it cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from denizen.json_objects import Json

Code = Literal["malformed_message", "validation_failed"]

_READ_ONLY = ("version", "loginCount", "lastLoginAt", "lastLoginIp")
"""Fields that an export of Denizen shows, and no caller can set."""
_COUNTED_HERE = "Denizen counts versions and logins from the import on"


@dataclass(slots=True)
class Row:
    """A user to import.

    Attributes:
        line: the line of the file where the row begins, or the number of the item in an iterable; from 1.
        user: fields as in `denizen.messages.ImportedUser`, camelCase; their values are checked by the service.
        not_taken: paths of filled fields of the source that the user does not get, and why, where there is a reason.
        changed: fields of the user whose value is not that of the source, each with a message.
    """

    line: int
    user: Json = field(repr=False)
    not_taken: Sequence[tuple[str, str | None]] = field(default=(), repr=False, compare=False)
    changed: Sequence[tuple[str, str]] = field(default=(), repr=False, compare=False)


@dataclass(slots=True)
class LeftOutRow:
    """A row that is no user to import, such as a service account; `message` says what it is."""

    line: int
    message: str


@dataclass(slots=True)
class BadRow:
    """A row that cannot be read. Holds nothing of the input but names of fields.

    Attributes:
        line: where the row begins, from 1.
        code: of the contract: `malformed_message` for what cannot be parsed, else `validation_failed`.
        message: one sentence for people.
        field: dotted camelCase path of the offending field, or the name of the column, where one is to blame.
        without_hash: the user without the password hash, where it alone cannot be taken.
    """

    line: int
    code: Code
    message: str
    field: str | None = None
    without_hash: Row | None = None


class RefusedFile(ValueError):
    """A file from which nothing is taken. The message is one sentence that says what to do, and holds no value."""


class Unfit(ValueError):
    """A row that was parsed, and is no user. `message` holds no input."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def own(line: int, raw: Any) -> Row:
    """A row in Denizen's own form, as the service takes it. Raises Unfit."""
    found = user(raw)
    if found.keys().isdisjoint(_READ_ONLY):
        return Row(line, found)
    left = [(name, _COUNTED_HERE) for name in _READ_ONLY if found.get(name)]
    return Row(line, {name: value for name, value in found.items() if name not in _READ_ONLY}, left)


def user(raw: Any) -> Json:
    """The fields of a row, which must have an address. Raises Unfit."""
    if not isinstance(raw, dict):
        raise Unfit("the row is not an object")
    found = cast(Json, raw)
    email = found.get("email")
    if not isinstance(email, str) or not email:
        raise Unfit("has no email address", "email")
    return found
