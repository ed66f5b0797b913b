"""Parses an object of JSON, and refuses what parsers read differently (RFC 8259, RFC 7519 section 3)."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from denizen.json_objects import Json

DEEPEST = 32
"""Arrays and objects in each other. A parser of another language has a bound of its own, which may be lower."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def parse(octets: bytes) -> Json:
    """The object that the octets hold, which must be UTF-8 without a byte order mark.

    Raises ValueError: also where a name occurs twice in an object, where it is nested too deep, for NaN and Infinity.
    """
    # json.loads itself would take the octets of UTF-16 and UTF-32, too.
    text = octets.decode("utf-8")
    if octets.count(b"[") + octets.count(b"{") > DEEPEST and _depth(octets) > DEEPEST:
        raise ValueError("nested too deep")
    value: Any = _DECODER.decode(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - what it holds is wrong, not its type
    return value  # pyright: ignore[reportUnknownVariableType]


def _depth(octets: bytes) -> int:
    """How many arrays and objects are open at once, at most."""
    depth = deepest = 0
    for sign in _STRING.sub(b"", octets):
        if sign in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in b"]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> Json:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name twice")
    return result


def _constant(_: str) -> NoReturn:
    raise ValueError("not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
