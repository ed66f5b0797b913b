"""`--map FILE`: which column or field of a file becomes which field of a user."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from denizen.importing import values
from denizen.importing.rows import Json, RefusedFile, Unfit

_SECTIONS = ("profile", "metadata", "appMetadata")
_PROFILE = ("firstName", "lastName", "displayName", "picture", "locale", "timezone")
_KNOWN = (
    "id, email, emailVerified, password, passwordHash, passwordChangeRequired, externalId, status, createdAt, "
    "updatedAt, blockedAt, blockedUntil, identities, profile, metadata, appMetadata, profile.firstName, "
    "profile.lastName, profile.displayName, profile.picture, profile.locale, profile.timezone, "
    "metadata.NAME and appMetadata.NAME"
)
_BLANK_STATUS = 'has no value: say in the map what that means, such as "" = "ACTIVE" among its values'
_MOST = 1000
_DEEPEST = 8

_Convert = Callable[[Json, str], Any]
_CONVERSIONS: Mapping[str, _Convert] = {
    **dict.fromkeys(("id", "email", "password", "passwordHash", "externalId", "status"), values.text),
    **{f"profile.{name}": values.given for name in _PROFILE},
    **dict.fromkeys(("emailVerified", "passwordChangeRequired"), values.flag),
    **dict.fromkeys(("createdAt", "updatedAt", "blockedAt", "blockedUntil"), values.time),
    **dict.fromkeys(_SECTIONS, values.mapping),
    "identities": values.array,
}


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of ours.

    Attributes:
        ours: its dotted path.
        theirs: the dotted path of the column or field; None for a constant.
        constant: the value of a constant.
        values: ours for each of theirs, in lower case, where the map lists them; `*` for all others.
        convert: makes a value of ours of one of theirs, which it is given under the name of ours.
    """

    ours: str
    theirs: str | None
    constant: Any
    values: Mapping[str, Any] | None
    convert: _Convert

    def value(self, raw: Json) -> Any:
        """The value for a row; None if it has none. Raises Unfit."""
        if self.theirs is None:
            return self.constant
        found = _found(raw, self.theirs)
        is_blank = found is None or found == ""
        if self.values is not None and (not is_blank or "" in self.values):
            text = "" if is_blank else str(found).lower()
            if text not in self.values and "*" not in self.values:
                raise Unfit("is a value that the map does not list", self.ours)
            found = self.values.get(text, self.values.get("*"))
        elif is_blank:
            if self.values is not None and self.ours == "status" and "*" not in self.values:
                raise Unfit(_BLANK_STATUS, self.ours)  # The user may be blocked there.
            return None
        return self.convert({self.ours: found}, self.ours)


class Columns:
    """A map, as a preset: called with a row of theirs, it gives a user of ours."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Raises ValueError, whose message says what is wrong with the map."""
        self._fields = [_field(ours, theirs) for ours, theirs in _flat(given, ())]
        names = [field.ours for field in self._fields]
        if not names or len(names) > _MOST:
            raise ValueError(f'the map must have 1 to {_MOST} lines `ours = "theirs"`')
        if "email" not in names:
            raise ValueError("the map has no line for email, which every user needs")
        for name in names:
            if names.count(name) > 1 or any(other.startswith(f"{name}.") for other in names):
                raise ValueError(f"the map sets {name} twice, or as a whole and in part")

    @classmethod
    def parse(cls, text: str) -> Columns:
        """The map in a text of TOML or JSON. Raises ValueError."""
        try:
            given = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            kind = "JSON" if text.lstrip().startswith("{") else "TOML"
            raise ValueError(f"the map is not {kind}: {error}") from None
        return cls(given)

    def check(self, names: Collection[str]) -> None:
        """Raises RefusedFile where the file has no column that the map names."""
        tops = {name.partition(".")[0].partition("[")[0] for name in names}
        missing = [
            field.theirs
            for field in self._fields
            if field.theirs is not None and field.theirs not in names and field.theirs.partition(".")[0] not in tops
        ]
        if missing:
            raise RefusedFile(
                f"the file has no column {', '.join(missing[:20])}, which the map names; it has "
                f"{', '.join(list(names)[:60])}"
            )

    def __call__(self, raw: Json) -> Json:
        user: Json = {}
        for field in self._fields:
            value = field.value(raw)
            if value is None:
                continue
            *above, last = field.ours.split(".")
            at = user
            for key in above:
                at = at.setdefault(key, {})
            at[last] = value
        return user


def _flat(given: Mapping[str, Any], above: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Dotted names, however the map nests them."""
    found: list[tuple[str, Any]] = []
    for name, value in given.items():
        path = (*above, name)
        if not isinstance(value, dict):
            found.append((".".join(path), value))
        elif _is_rule(path, table := cast(Json, value)):
            found.append((".".join(path), table))
        elif len(path) > _DEEPEST:
            raise ValueError(f"the map nests deeper than {_DEEPEST} levels")
        else:
            found += _flat(table, path)
    return found


def _is_rule(path: tuple[str, ...], value: Json) -> bool:
    """Whether it is `{value = …}` or `{column = …, values = {…}}`, and no table of fields."""
    return path[0] not in _SECTIONS or (len(path) > 1 and value.keys() in ({"value"}, {"column", "values"}, {"column"}))


def _field(ours: str, rule: Any) -> _Field:
    convert = _conversion(ours)
    if convert is None:
        raise ValueError(f"the map names {ours}, which users do not have; they have {_KNOWN}")
    if isinstance(rule, str):
        return _Field(ours, rule, None, None, convert)
    if isinstance(rule, bool | int | float):
        return _Field(ours, None, _constant(ours, rule, convert), None, convert)
    if isinstance(rule, dict):
        found = cast(Json, rule)
        if found.keys() == {"value"}:
            return _Field(ours, None, _constant(ours, found["value"], convert), None, convert)
        column, listed = found.get("column"), found.get("values")
        if found.keys() == {"column", "values"} and isinstance(column, str) and isinstance(listed, dict):
            lowered = {str(name).lower(): value for name, value in cast(Json, listed).items()}
            for value in lowered.values():
                _constant(ours, value, convert)
            return _Field(ours, column, None, lowered, convert)
    raise ValueError(
        f'the map\'s line {ours} must be the name of a column, true, false or a number, {{value = "constant"}}, or '
        '{column = "name", values = {"theirs" = "ours"}}'
    )


def _constant(ours: str, value: Any, convert: _Convert) -> Any:
    try:
        return convert({ours: value}, ours)
    except Unfit as unfit:
        raise ValueError(f"the map's constant for {ours} {unfit.message}") from None


def _conversion(ours: str) -> _Convert | None:
    if found := _CONVERSIONS.get(ours):
        return found
    section, _, rest = ours.partition(".")
    if section in ("metadata", "appMetadata") and all(rest.split(".")) and rest.count(".") < _DEEPEST:
        return _as_it_is
    return None


def _as_it_is(raw: Json, name: str) -> Any:
    return raw[name]


def _found(raw: Json, path: str) -> Any:
    """The value at a dotted path, in which numbers count the items of arrays from 0; None where there is none."""
    if (direct := raw.get(path)) is not None:
        return direct
    at: Any = raw
    for key in path.split("."):
        at = _step(at, key)
    return at


def _step(at: Any, key: str) -> Any:
    if isinstance(at, dict):
        return cast(Json, at).get(key)
    if isinstance(at, list) and key.isdecimal() and len(key) < 6:
        items = cast(list[Any], at)
        return items[int(key)] if int(key) < len(items) else None
    # One value is an array of one: LDIF does not tell them apart.
    return cast(Any, at) if key == "0" else None
