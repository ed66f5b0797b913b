"""Users of ours in CSV: a header of their fields, in which a dotted column is a field of a section."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from denizen.importing.dates import AMBIGUOUS, DateOrder, moment
from denizen.importing.formulas import restored
from denizen.importing.recognition import check_own
from denizen.importing.records import UNNAMED, Cells, Records, header_fault, shown, wrong_count
from denizen.importing.rows import BadRow, Json, Unfit
from denizen.importing.strict import Malformed, parsed

_FOLDED = str.maketrans("", "", "_- ")
_TEXT = ("id", "email", "password", "passwordHash", "externalId", "status")
_SHOWN_ONLY = ("lastLoginAt", "lastLoginIp", "version", "loginCount")
"""Columns that an export of Denizen shows, and no caller can set."""
_TIMES = ("createdAt", "updatedAt", "blockedAt", "blockedUntil")
_PROFILE = ("firstName", "lastName", "displayName", "picture", "locale", "timezone")
_FLAGS = ("emailVerified", "passwordChangeRequired")
_JSON = ("profile", "metadata", "appMetadata", "identities")
_WHOLE = (*_TEXT, *_TIMES, *_FLAGS, *_JSON, *_SHOWN_ONLY, *(f"profile.{name}" for name in _PROFILE))
_BY_FOLDED = {name.lower(): name for name in _WHOLE}
COLUMNS = ", ".join(name for name in _WHOLE if name not in _SHOWN_ONLY) + ", metadata.NAME, appMetadata.NAME"
"""The columns that users have, for people."""


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a cell goes: `path` in the user, or in the section that is named so."""

    name: str
    section: str | None
    path: tuple[str, ...]
    value: Callable[[str], Any] | None


def rows(stream: BinaryIO, cells: Cells) -> Iterator[tuple[int, Json] | BadRow]:
    """Users of ours; an empty cell says nothing. Where the header cannot be used, no row can: it alone is bad."""
    records = iter(Records(stream))
    header = next(records, None)
    if header is None:
        return
    columns = _columns(header, cells) if not isinstance(header, BadRow) else header
    if isinstance(columns, BadRow):
        if not isinstance(header, BadRow):
            check_own(header[1], columns.message)
        yield columns
        return
    plan = list(enumerate(columns))
    for record in records:
        if isinstance(record, BadRow):
            yield record
        elif len(record[1]) != len(plan):
            yield wrong_count(record[0], len(plan))
        else:
            try:
                yield record[0], _user(plan, record[1], cells.null)
            except Unfit as unfit:
                yield BadRow(record[0], "validation_failed", unfit.message, unfit.field)


def _columns(header: tuple[int, list[str]], cells: Cells) -> list[_Column] | BadRow:
    line, names = header
    fault = header_fault([name.strip() for name in names])
    if fault is not None:
        return BadRow(line, "malformed_message", fault)
    columns = [_column(_ours(name.strip()), cells) for name in names]
    unknown = [name.strip() for name, column in zip(names, columns, strict=True) if column is None]
    if unknown:
        listed = ", ".join(shown(name) for name in unknown[:_MOST_SHOWN])
        more = f" and {len(unknown) - _MOST_SHOWN} more" if len(unknown) > _MOST_SHOWN else ""
        message = (
            f"users have no columns {listed}{more}; they have {COLUMNS}. For a file of another system, use --from NAME "
            "or --map FILE"
        )
        return BadRow(line, "validation_failed", message, shown(unknown[0]))
    found = [column for column in columns if column is not None]
    seen = [column.name for column in found]
    if "email" not in seen:
        message = f"the header has no column email; it has {', '.join(shown(name) for name in names[:_MOST_SHOWN])}"
        return BadRow(line, "validation_failed", message, "email")
    for name in seen:
        if name and (seen.count(name) > 1 or any(other.startswith(f"{name}.") for other in seen)):
            return BadRow(line, "malformed_message", "the header has a column twice, or one within another", name)
    return found


_MOST_SHOWN = 60


def _ours(name: str) -> str:
    """The name as we spell it: without regard to case, underscores, hyphens and blanks."""
    folded = name.lower().translate(_FOLDED)
    if known := _BY_FOLDED.get(folded):
        return known
    section, dot, rest = name.partition(".")
    return _BY_FOLDED.get(section.lower().translate(_FOLDED), section) + dot + rest


def _column(name: str, cells: Cells) -> _Column | None:
    section, *path = name.split(".")
    if name in _WHOLE and not path:
        return _Column(name, None, (name,), _conversion(name, cells))
    if name in _WHOLE or (section in ("metadata", "appMetadata") and path and all(path) and len(path) <= 8):
        return _Column(name, section, tuple(path), None)
    # A column without a name may stay empty, as spreadsheets write it.
    return None if name else _Column("", None, ("",), _unnamed)


def _conversion(name: str, cells: Cells) -> Callable[[str], Any] | None:
    if name in _TIMES:
        return lambda cell: _time(cell, name, cells.dates)
    if name in _FLAGS:
        return lambda cell: _flag(cell, name)
    if name in _JSON:
        return lambda cell: _json(cell, name)
    return None


def _unnamed(_: str) -> Any:
    raise Unfit(UNNAMED)


def _time(cell: str, name: str, order: DateOrder | None) -> str:
    if len(cell) >= 20 and cell[10] == "T" and cell[-1] == "Z":
        return cell  # As an export of Denizen writes it; the service checks it.
    try:
        found = moment(cell, order)
    except (ArithmeticError, OSError, ValueError) as error:
        raise Unfit(AMBIGUOUS if str(error) == AMBIGUOUS else "is not a time", name) from None
    if found is None:
        raise Unfit("is no time", name)
    return found.isoformat().replace("+00:00", "Z")


def _user(plan: list[tuple[int, _Column]], cells: list[str], null: frozenset[str]) -> Json:
    user: Json = {}
    for index, column in plan:
        cell = cells[index]
        if not cell or (null and cell in null):
            continue
        if "'" in cell:
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
        raise Unfit(malformed.of_field, name) from None
    if not isinstance(value, list if name == "identities" else dict):
        raise Unfit("is not an array" if name == "identities" else "is not an object", name)
    return cast(Any, value)
