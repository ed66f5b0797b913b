"""Converts values that other systems write. Each function raises Unfit, whose message holds no input."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from denizen.importing.dates import AMBIGUOUS, ORDER, DateOrder, moment
from denizen.importing.rows import Json, Unfit
from denizen.importing.source_row import SourceRow, change
from denizen.importing.strict import Malformed, parsed

HALF_AN_IDENTITY = "an identity without its provider or the id there is not taken over"
_FLAGS: dict[Any, bool] = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def text(raw: Json, name: str) -> str | None:
    """A text, or a number as text; None where there is none."""
    value = raw.get(name)
    if value.__class__ is str:
        return value or None
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Unfit("is not text", name)
    return value


def given(raw: Json, name: str) -> Any:
    """A value of a profile as it is, numbers as text; `fitting.py` moves those that the profile cannot keep."""
    value = raw.get(name)
    if value.__class__ is str:
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def flag(raw: Json, name: str, default: bool = False) -> bool:
    """A boolean of JSON, PostgreSQL, SQLite, MySQL or Python; `default` where there is none."""
    value = raw.get(name)
    if value is True or value is False:
        return value
    if value is None or value == "":
        return default
    found = _FLAGS.get(str(value).lower())
    if found is None:
        raise Unfit("is neither true nor false", name)
    return found


def flag_or_time(raw: Json, name: str) -> bool:
    """A boolean, or whether there is a time, such as the one at which an address was verified."""
    try:
        return flag(raw, name)
    except Unfit:
        found = time(raw, name)
    if found is None:
        return False
    try:
        if datetime.fromisoformat(found).year > 1970:  # A small number is no time.
            return True
    except (TypeError, ValueError):
        pass
    raise Unfit("is neither true nor false, and no time", name)


def mapping(raw: Json, name: str) -> Json:
    """An object, or one in a text of JSON; an empty one where there is none. All of it is taken."""
    value = _json(raw, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unfit("is not an object", name)
    if raw.__class__ is SourceRow:
        dict.__setitem__(raw, name, value)  # Where it was text, so that fitting.py finds names in it.
    return dict(cast(Json, value))


def section(raw: Json, name: str) -> Json:
    """Metadata: an object, or one in a text of JSON. What is no object is kept under its own name."""
    try:
        return mapping(raw, name)
    except Unfit:
        value = raw.whole(name) if isinstance(raw, SourceRow) else raw.get(name)
        if not value:
            return {}  # PHP writes an empty object as [].
        change(raw, name, "is not an object: kept as a field of the metadata")
        return {name: value}


def array(raw: Json, name: str) -> list[Any]:
    """An array, or one in a text of JSON; an empty one where there is none. An object is one of itself."""
    value = _json(raw, name)
    if value is None:
        return []
    if isinstance(value, dict):
        value = [cast(Json, value)]
    if not isinstance(value, list):
        raise Unfit("is not an array", name)
    return cast(list[Any], raw.put(name, value) if isinstance(raw, SourceRow) else value)


def _json(raw: Json, name: str) -> Any:
    value = raw.whole(name) if isinstance(raw, SourceRow) else raw.get(name)
    if not isinstance(value, str):
        return value
    try:
        return parsed(value) if value else None
    except Malformed as malformed:
        raise Unfit(malformed.of_field, name) from None


def time(raw: Json, name: str, dates: DateOrder | None = None) -> Any:
    """A time as RFC 3339 has it, in UTC; as it is where it cannot be read: it then moves to appMetadata (fitting.py).

    Its form is one of `dates.moment`, or MongoDB's `{"$date": …}`. Raises Unfit where day and month are not clear.

    dates: the order of day and month that the system always writes; what the caller of the import names has precedence.
    """
    value = raw.get(name)
    if isinstance(value, dict):
        value = cast(Json, value).get("$date")
    if isinstance(value, dict):
        value = cast(Json, value).get("$numberLong")
    if value is None or value == "":
        return None
    try:
        found = moment(value, ORDER.get() or dates)
    except (ArithmeticError, AttributeError, OSError, TypeError, ValueError) as error:
        if str(error) == AMBIGUOUS:
            raise Unfit(AMBIGUOUS, name) from None
        return raw.get(name)
    return None if found is None else found.isoformat().replace("+00:00", "Z")


def octets(encoded: str) -> bytes:
    """What base64 of either alphabet stands for, padded or not."""
    plain = encoded.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Unfit("is not base64", "passwordHash") from None


def identities(raw: Json, pairs: Iterable[tuple[Any, Any]]) -> list[Json]:
    """Links to accounts elsewhere: the provider's name, and who the user is there. One without either is told."""
    found: list[Json] = []
    for provider, who in pairs:
        if provider and who:
            found.append({"provider": str(provider).lower(), "providerId": str(who)})
        elif provider or who:
            change(raw, "identities", HALF_AN_IDENTITY)
    return found


def compact(user: Json) -> Json:
    """A user without the fields that say nothing, in its profile too."""
    if isinstance(profile := user.get("profile"), dict):
        user["profile"] = {name: value for name, value in cast(Json, profile).items() if value}
    return {name: value for name, value in user.items() if value or value not in (None, {}, [])}


locale = given
"""A language tag: `fitting.py` makes `de-AT` of `de_AT`."""
