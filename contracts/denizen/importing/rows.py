"""A row of a file of users: one that can be read, or why it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast

Json = dict[str, Any]
Code = Literal["malformed_message", "validation_failed"]

_READ_ONLY = frozenset({"version", "loginCount", "lastLoginAt", "lastLoginIp"})
"""What an export of Denizen shows, and no caller can set."""


@dataclass(slots=True)
class Row:
    """A user to import.

    Attributes:
        line: the line of the file where the row begins, or the number of the item in an iterable; from 1.
        user: fields as in `denizen.messages.ImportedUser`, camelCase; their values are checked by the service.
    """

    line: int
    user: Json = field(repr=False)


@dataclass(slots=True)
class BadRow:
    """A row that cannot be read. Holds nothing of the input but names of fields.

    Attributes:
        line: where the row begins, from 1.
        code: of the contract: `malformed_message` for what cannot be parsed, else `validation_failed`.
        message: one sentence for people.
        field: dotted camelCase path of the offending field, or the name of the column, where one is to blame.
    """

    line: int
    code: Code
    message: str
    field: str | None = None


class RefusedFile(ValueError):
    """A file from which nothing is taken. The message is one sentence that says what to do, and holds no value."""


class Unfit(ValueError):
    """A row that was parsed, and is no user. `message` holds no input."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def user(raw: Any) -> Json:
    """A row of ours as the service takes it. Raises Unfit."""
    if not isinstance(raw, dict):
        raise Unfit("the row is not an object")
    found = cast(Json, raw)
    if not found.keys().isdisjoint(_READ_ONLY):
        found = {name: value for name, value in found.items() if name not in _READ_ONLY}
    email = found.get("email")
    if not isinstance(email, str) or not email:
        raise Unfit("has no e-mail address", "email")
    return found
