"""The forms of an export: users as JSON lines, one JSON array, or CSV."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import orjson
from denizen import messages as m
from denizen.importing.formulas import defused

from services.refusal import Refusal

Json = dict[str, Any]
Form = Literal["csv", "jsonl", "json"]

_PROFILE = tuple(str(field.alias) for field in m.Profile.model_fields.values())
HASH = "passwordHash"
FIELDS = (*(str(field.alias) for field in m.User.model_fields.values()), HASH)
"""What can be exported, the hash only where it is allowed; and `profile.firstName`, `metadata.plan`."""
_NESTED = ("profile", "metadata", "appMetadata")


def check(fields: Sequence[str], *, hashes: bool) -> None:
    """Raises Refusal where a field cannot be exported."""
    for field in fields:
        top, dot, rest = field.partition(".")
        if (
            top not in FIELDS
            or (dot and (not rest or top not in _NESTED))
            or (top == "profile" and dot and rest not in _PROFILE)
        ):
            raise Refusal("validation_failed", "there is no such field", field="fields")
        if top == HASH and not hashes:
            raise Refusal("forbidden", "password hashes are exported by ExportUsersWithHashes alone", field="fields")


class Encoder:
    """Turns documents of users into pieces of one file, in order."""

    def __init__(self, form: Form, fields: Sequence[str], *, raw: bool) -> None:
        """`raw`: cells of CSV that a spreadsheet would run as formulas stay as they are (OWASP, CSV injection)."""
        self._form = form
        self._columns = list(_columns(fields)) if form == "csv" else list(fields)
        self._paths = [_path(column) for column in self._columns]
        self._cell: Callable[[Any], str] = _text if raw else _defused
        self._first = True

    def head(self) -> bytes:
        """What comes before the users."""
        if self._form == "csv":
            return self._rows([self._columns])
        return b"[" if self._form == "json" else b""

    def users(self, rows: Sequence[tuple[str, str | None]]) -> bytes:
        """The next users: the document of each, and the hash of his password where it is asked for and there is one."""
        if self._form == "csv":
            documents = [_document(*row) for row in rows]
            return self._rows([self._cell(_value(doc, *path)) for path in self._paths] for doc in documents)
        objects = [self._object(*row) for row in rows]
        if self._form == "jsonl":
            return b"".join(line + b"\n" for line in objects)
        joined = b",\n".join(objects)
        before = b"\n" if self._first else b",\n"
        self._first = self._first and not objects
        return before + joined if objects else b""

    def _object(self, document: str, hash: str | None) -> bytes:
        if not self._columns:
            return document.encode()
        return orjson.dumps(_picked(_document(document, hash), self._paths))

    def tail(self) -> bytes:
        """What comes after the users."""
        return b"\n]\n" if self._form == "json" else b""

    def _rows(self, rows: "Iterator[list[str]] | list[list[str]]") -> bytes:
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        return text.getvalue().encode()


def _document(text: str, hash: str | None) -> Json:
    document: Json = orjson.loads(text)
    return document if hash is None else document | {HASH: hash}


def _columns(fields: Sequence[str]) -> Iterator[str]:
    """A profile is six columns; metadata is one, of JSON."""
    for field in fields or [field for field in FIELDS if field != HASH]:
        if field == "profile":
            yield from (f"profile.{name}" for name in _PROFILE)
        else:
            yield field


def _path(field: str) -> tuple[str, str]:
    """A field of the user, and one within it, if any."""
    top, _, rest = field.partition(".")
    return top, rest


def _value(document: Json, top: str, rest: str) -> Any:
    value: Any = document.get(top)
    return value.get(rest) if rest and value is not None else value


def _picked(document: Json, paths: Sequence[tuple[str, str]]) -> Json:
    picked: Json = {}
    for top, rest in paths:
        value = _value(document, top, rest)
        if not rest:
            picked[top] = value
        else:
            within = picked.setdefault(top, {})
            if value is not None:
                within[rest] = value
    return picked


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def _defused(value: Any) -> str:
    return defused(value) if isinstance(value, str) else _text(value)
