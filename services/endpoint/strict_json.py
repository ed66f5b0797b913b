"""JSON as RFC 8259 and RFC 7493 (I-JSON) have it: no NaN, no duplicate keys, no NUL, no numbers that others misread."""

import json
import math
import re
from typing import Any, NoReturn, cast

from services.refusal import Refusal

MAX_DEPTH = 32
"""Levels of arrays and objects in a request's body."""
_MAX_INTEGER = 2**63 - 1
_NO_BRACKETS = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))++', re.DOTALL)
"""Strings, the last of which may not end, and what is between them but brackets."""


def parse(data: bytes, most: int) -> dict[str, Any]:
    """The object that a request's body of at most `most` octets holds; an empty body is an empty object.

    Raises Refusal: `malformed_message`.
    """
    if len(data) > most:
        raise _malformed(f"the body is larger than {most} octets")
    if not data:
        return {}
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _deepest(data) > MAX_DEPTH:
        raise _malformed(f"the body is nested deeper than {MAX_DEPTH} levels")
    try:
        value: Any = _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise _malformed("the body is not UTF-8") from None
    except ValueError:
        raise _malformed("the body is not JSON") from None
    if not isinstance(value, dict):
        raise _malformed("the body is not a JSON object")
    # Only an escape can bring in what the decoder lets pass: it refuses raw control characters itself.
    if b"\\u" in data:
        _check_text(value)
    return cast(dict[str, Any], value)


def _malformed(message: str) -> Refusal:
    return Refusal("malformed_message", message)


def _deepest(data: bytes) -> int:
    """How deep brackets nest, strings left out; counted before parsing, so that a bomb costs one pass."""
    depth = deepest = 0
    for octet in _NO_BRACKETS.sub(b"", data):
        if octet in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif octet in b"]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _malformed("an object has a key twice")
    return result


def _integer(text: str) -> int:
    # PostgreSQL and JavaScript would take a larger one and give back another.
    if len(text) > 20 or abs(value := int(text)) > _MAX_INTEGER:
        raise _malformed("a number is out of range")
    return value


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _malformed("a number is out of range")
    return value


def _constant(_: str) -> NoReturn:
    raise _malformed("NaN and Infinity are not JSON")


def _check_text(value: Any) -> None:
    """PostgreSQL keeps neither NUL nor half a surrogate pair."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise _malformed("a string holds NUL or half a surrogate pair")
    elif isinstance(value, dict):
        for key, item in cast(dict[str, Any], value).items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in cast(list[Any], value):
            _check_text(item)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
