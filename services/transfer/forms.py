"""The forms of an export: users as JSON lines, one JSON array, or CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, cast

import orjson
from denizen import messages as m
from denizen.importing.formulas import STARTS, defused

from services.domain import refusals
from services.domain.values import Json

ExportForm = Literal["csv", "jsonl", "json"]

_PROFILE = tuple(str(field.alias) for field in m.Profile.model_fields.values())
HASH = "passwordHash"
FIELDS = (*(str(field.alias) for field in m.User.model_fields.values()), HASH)
"""What can be exported, the hash only where it is allowed; and `profile.firstName`, `metadata.address.city`."""
_NESTED = ("profile", "metadata", "appMetadata")
_NOTHING: Json = {}
_NO_SUCH_FIELD = (
    f"there is no such field; the fields are {', '.join(FIELDS)}, profile.{', profile.'.join(_PROFILE)}, and what "
    "is in metadata and appMetadata, such as metadata.plan or metadata.address.city"
)


def check(fields: Sequence[str], *, hashes: bool) -> None:
    """Raises Refusal where a field cannot be exported."""
    for index, field in enumerate(fields):
        top, dot, rest = field.partition(".")
        if (
            top not in FIELDS
            or (dot and (not rest or top not in _NESTED))
            or (top == "profile" and dot and rest not in _PROFILE)
        ):
            raise refusals.invalid(_NO_SUCH_FIELD, f"fields.{index}")
        if top == HASH and not hashes:
            raise refusals.hashes_not_exported()


class Encoder:
    """Turns documents of users into pieces of one file, in order."""

    def __init__(self, form: ExportForm, fields: Sequence[str], *, raw: bool) -> None:
        """`raw`: cells of CSV that a spreadsheet would run as formulas stay as they are (OWASP, CSV injection)."""
        self._form = form
        self._columns = list(_columns(fields)) if form == "csv" else list(fields)
        self._paths = [_path(column) for column in self._columns]
        self._raw = raw
        self._first = True

    def head(self) -> bytes:
        """What comes before the users."""
        if self._form == "csv":
            return self._rows([self._columns])
        return b"[" if self._form == "json" else b""

    def users(self, rows: Sequence[tuple[str, str | None]]) -> bytes:
        """The next users: the document of each, and the password hash where it is asked for and there is one."""
        if self._form == "csv":
            return self._rows(self._cells(*row) for row in rows)
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

    def _cells(self, text: str, hash: str | None) -> list[Any]:
        """As csv.writer takes them. Most are texts without a mark, or none, and cost no call: an export waits here.

        In JSON a semicolon stands as it is, and the other breaks (formulas.py) are escaped.
        """
        values = _values(_document(text, hash), self._paths)
        if self._raw:
            return [value if value is None or value.__class__ is str else _json(value) for value in values]
        if ";" in text or "\\" in text:
            return [value if value is None else _text(value) for value in values]
        return [
            _json(value)
            if value.__class__ is not str and value is not None
            else defused(value)
            if value and value[0] in STARTS
            else value
            for value in values
        ]

    def _rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
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


def _values(document: Json, paths: Sequence[tuple[str, str]]) -> list[Any]:
    """The values of fields; None where there is none."""
    get = document.get
    return [
        get(top) if not rest else (get(top) or _NOTHING).get(rest) if "." not in rest else _nested(get(top), rest)[1]
        for top, rest in paths
    ]


def _nested(within: Any, path: str) -> tuple[tuple[str, ...], Any]:
    """The keys that lead along a dotted path, and the value there. A key that has dots itself goes before others."""
    if not isinstance(within, dict):
        return (), None
    members = cast(Json, within)
    if path in members:
        return (path,), members[path]
    at = path.find(".")
    while at >= 0:
        keys, value = _nested(members.get(path[:at]), path[at + 1 :])
        if keys:
            return (path[:at], *keys), value
        at = path.find(".", at + 1)
    return (), None


def _picked(document: Json, paths: Sequence[tuple[str, str]]) -> Json:
    picked: Json = {}
    for (top, rest), value in zip(paths, _values(document, paths), strict=True):
        if not rest:
            picked[top] = value
        else:
            within = picked.setdefault(top, {})
            if value is not None:
                *outer, last = (rest,) if "." not in rest else _nested(document[top], rest)[0]
                for key in outer:
                    within = within.setdefault(key, {})
                within[last] = value
    return picked


def _text(value: Any) -> str:
    """A value that a spreadsheet takes for text; a number or boolean as JSON has it."""
    if isinstance(value, str):
        return defused(value)
    return defused(_json(value)) if isinstance(value, dict | list) else _json(value)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
