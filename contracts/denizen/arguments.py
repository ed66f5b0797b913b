"""Checks of the arguments that a client uses itself. What is only sent, the service checks.

Each check names the argument and what is right: a wrong type would else fail somewhere inside, without a name.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

F = TypeVar("F")

_LONGEST = 1e9
"""Seconds, some thirty years: a deadline later than that is no time any more."""


def text(name: str, value: Any) -> str:
    """Raises TypeError where the value is not a string. The error never shows the value, which may be a secret."""
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)
    return value


def texts(name: str, value: Any) -> list[str]:
    """Raises TypeError where the value is not a collection of strings; one string would be taken for its letters."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise _wrong(name, "a list of strings", value)
    return [text(name, each) for each in cast(Iterable[Any], value)]


def mapping(name: str, value: Any) -> Mapping[str, Any]:
    """Raises TypeError where the value is not a mapping whose keys are strings."""
    if not isinstance(value, Mapping):
        raise _wrong(name, "a mapping", value)
    for key in cast(Mapping[Any, Any], value):
        text(f"{name}, a key", key)
    return cast(Mapping[str, Any], value)


def function(name: str, value: F) -> F:
    """Raises TypeError where the value is neither callable nor None."""
    if value is not None and not callable(value):
        raise _wrong(name, "a function", value)
    return value


def flag(name: str, value: Any) -> bool:
    """Raises TypeError where the value is not a bool: the text `false` would be taken for true."""
    if not isinstance(value, bool):
        raise _wrong(name, "True or False", value)
    return value


def whole(name: str, value: Any) -> int:
    """Raises TypeError where the value is not a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "a whole number", value)
    return value


def seconds(name: str, value: Any) -> float:
    """Raises TypeError where the value is not a number; ValueError where a clock cannot reach it."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong(name, "a number of seconds", value)
    if not math.isfinite(value) or value > _LONGEST:
        raise ValueError(f"{name}: must be a number of seconds, at most {_LONGEST:.0f}")
    return value


def timestamp(name: str, value: Any) -> str:
    """A time as it is sent. Raises TypeError where the value is no datetime; ValueError where it has no zone."""
    if not isinstance(value, datetime):
        raise _wrong(name, "a datetime with its zone", value)
    if value.tzinfo is None:
        raise ValueError(f"{name}: a time needs its zone")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def refuse_unknown(options: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises TypeError, as Python does: a condition that is misspelt would be none."""
    for name in options:
        if name not in known:
            raise TypeError(f"got an unexpected keyword argument {name!r}; there are {', '.join(sorted(known))}")


def _wrong(name: str, right: str, value: Any) -> TypeError:
    return TypeError(f"{name}: must be {right}, not {type(value).__name__}")
