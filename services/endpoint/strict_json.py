"""Strict JSON (RFC 8259, RFC 7493): no NaN, no duplicate keys, no NUL, no numbers that other parsers misread."""

import json
import math
from itertools import accumulate
from typing import Any, NoReturn, cast

import orjson

from services.domain import refusals

MAX_DEPTH = 32
"""Levels of arrays and objects in a request's body."""
_MAX_INTEGER = 2**63 - 1
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NO_BRACKETS_OR_QUOTES = bytes(set(_NO_BRACKETS) - set(b'"'))
_BITS = bytes.maketrans(b"[{]}", b"1100")


def _levels(brackets: int) -> tuple[int, int]:
    """How far eight brackets go up at the most, and where they end: a bit each, 1 opens."""
    steps = list(accumulate(1 if brackets >> bit & 1 else -1 for bit in range(7, -1, -1)))
    return max(steps), steps[-1]


_LEVELS = [_levels(brackets) for brackets in range(256)]


def parse(data: bytes, most: int) -> dict[str, Any]:
    """The object that a request's body of at most `most` octets holds; an empty body is an empty object.

    Raises Refusal: `malformed_message`.
    """
    if len(data) > most:
        raise refusals.malformed(f"the body is larger than {most} octets")
    if not data:
        return {}
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _is_too_deep(data):
        raise refusals.malformed(f"the body is nested deeper than {MAX_DEPTH} levels")
    value = _plain(data)
    if value is None:
        value = _decoded(data)
    if not isinstance(value, dict):
        raise refusals.malformed("the body is not a JSON object")
    # Only an escape can bring in what the decoder lets pass: it refuses raw control characters itself.
    if b"\\u" in data:
        _check_text(value)
    return cast(dict[str, Any], value)


def _plain(data: bytes) -> Any:
    """The value of a body that is written as orjson writes it, or as Python's json does; else None.

    It takes a third of the time of `_decoded`. Of a key that is there twice and of a number that others misread, orjson
    would write something else. A space after a comma or colon does not change which tokens a body has; where one is
    taken out of a string, the texts differ.
    """
    try:
        value: Any = orjson.loads(data)
        plain = orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
        return value if plain == data or plain == data.replace(b", ", b",").replace(b": ", b":") else None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None


def _decoded(data: bytes) -> Any:
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise refusals.malformed("the body is not UTF-8") from None
    except ValueError:
        raise refusals.malformed("the body is not JSON") from None


def _is_too_deep(data: bytes) -> bool:
    """Whether brackets outside strings nest too deep. Checked before parsing, eight at a time: a bomb costs little."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Strings without brackets, which are nearly all, are gone before the others are looked for.
    data = data.translate(None, _NO_BRACKETS_OR_QUOTES).replace(b'""', b"")
    bits = b"".join(data.split(b'"')[::2]).translate(_BITS, _NO_BRACKETS)
    bits += b"0" * (8 - len(bits) % 8)
    depth = 0
    for brackets in int(bits, 2).to_bytes(len(bits) // 8, "big"):
        most, end = _LEVELS[brackets]
        if depth + most > MAX_DEPTH:
            return True
        depth += end
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise refusals.malformed("an object has a key twice")
    return result


def _integer(text: str) -> int:
    # PostgreSQL and JavaScript would take a larger one and give back another.
    if len(text) > 20 or abs(value := int(text)) > _MAX_INTEGER:
        raise refusals.malformed("a number is out of range")
    return value


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise refusals.malformed("a number is out of range")
    return value


def _constant(_: str) -> NoReturn:
    raise refusals.malformed("NaN and Infinity are not JSON")


def _check_text(value: Any) -> None:
    """Refuse NUL and half a surrogate pair, which PostgreSQL does not store."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise refusals.malformed("a string holds NUL or half a surrogate pair")
    elif isinstance(value, dict):
        for key, item in cast(dict[str, Any], value).items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in cast(list[Any], value):
            _check_text(item)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
