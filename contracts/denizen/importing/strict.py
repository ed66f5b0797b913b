"""JSON as RFC 8259 and RFC 7493 (I-JSON) have it: no NaN, no duplicate keys, no NUL, no numbers that others misread."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, cast

from pydantic_core import from_json, to_json

LONGEST = 1 << 20
"""Octets of a row."""
MAX_DEPTH = 32
"""Levels of arrays and objects in a row."""
_MAX_INTEGER = 2**63 - 1


class Malformed(ValueError):
    """What cannot be parsed; the message holds no input."""

    @property
    def of_field(self) -> str:
        """The message, where a field holds the text and not a row."""
        message = str(self)
        return "is not JSON" if message == _NO_JSON else f"is not JSON that is read: {message.replace('the row', 'it')}"


def parsed(text: str) -> Any:
    """The value that a text holds. Raises Malformed."""
    try:
        value = from_json(text.encode())
    except (ValueError, RecursionError):
        return _strictly(text)
    return vetted(text, value)


def why(error: ValueError | RecursionError) -> Malformed:
    """What is wrong with a text that a decoder could not take."""
    if isinstance(error, Malformed):
        return error
    if isinstance(error, RecursionError):
        return Malformed(_TOO_DEEP)
    # A number of over 4300 digits, which `int` does not take, is another ValueError.
    return Malformed(_NO_JSON if isinstance(error, json.JSONDecodeError) else _OUT_OF_RANGE)


def vetted(text: str, value: Any) -> Any:
    """`value`, which a lenient decoder made of `text`, where it holds nothing that I-JSON forbids. Raises Malformed.

    Nearly every text shows by searches, which cost a tenth of a strict decoder, that it is the same for that.
    """
    if not _is_surely_strict(text, value):
        return _strictly(text)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value, MAX_DEPTH)
    return value


def _is_surely_strict(text: str, value: Any) -> bool:
    """Whether no key came twice, no number is out of range, and no string holds NUL or half a surrogate pair.

    A decoder keeps one of two equal keys, so the value as JSON has fewer quotation marks than the text.
    """
    if not isinstance(value, dict | list) or "\\u0022" in text or "\\u0000" in text:
        return False
    try:
        encoded, octets = to_json(value), text.encode()
    except (ValueError, RecursionError):
        return False
    return (
        text.count('"') == encoded.count(b'"')
        and _LONG_NUMBER not in octets.translate(_DIGITS)
        and b"Infinity" not in encoded
        and b"NaN" not in encoded
    )


def _strictly(text: str) -> Any:
    try:
        value = _STRICT.decode(text)
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise why(error) from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value, MAX_DEPTH)
    if "\\u" in text:
        _check_text(value)
    return value


def checked(value: Any) -> Any:
    """`value`, made by others' code, where JSON can hold it. Raises Malformed."""
    _check_depth(value, MAX_DEPTH)
    _check_text(value)
    return value


def _check_depth(value: Any, left: int) -> None:
    if not isinstance(value, dict | list):
        return
    if left == 0:
        raise Malformed(_TOO_DEEP)
    inner = cast(dict[str, Any], value).values() if isinstance(value, dict) else cast(list[Any], value)
    for item in inner:
        _check_depth(item, left - 1)


def _check_text(value: Any) -> None:
    """PostgreSQL keeps neither NUL nor half a surrogate pair."""
    if isinstance(value, str):
        if "\0" in value or (not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)):
            raise Malformed("a string holds NUL or half a surrogate pair")
    elif isinstance(value, dict):
        for key, item in cast(dict[Any, Any], value).items():
            if not isinstance(key, str):
                raise Malformed("the key of an object is not text")
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in cast(list[Any], value):
            _check_text(item)
    elif value is not None and not _is_number(value):
        raise Malformed("the row holds a value that JSON has not")


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and abs(value) <= _MAX_INTEGER


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Malformed("an object has a key twice")
    return result


def _integer(text: str) -> int:
    # PostgreSQL and JavaScript would take a larger one and give back another.
    if len(text) > 20 or abs(value := int(text)) > _MAX_INTEGER:
        raise Malformed(_OUT_OF_RANGE)
    return value


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Malformed(_OUT_OF_RANGE)
    return value


def _constant(_: str) -> NoReturn:
    raise Malformed("NaN and Infinity are not JSON")


_NO_JSON = "the row is not JSON"
_OUT_OF_RANGE = "a number is out of range"
_TOO_DEEP = f"the row is nested deeper than {MAX_DEPTH} levels"
DECODER = json.JSONDecoder()
"""Lenient: `vetted` looks at what it made. Raises ValueError and RecursionError."""
_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
"""Raises ValueError (Malformed where we say why) and RecursionError."""
_DIGITS = bytes.maketrans(b"123456789[,- \t\r\n", b"0" * 9 + b":" * 7)
_LONG_NUMBER = b":" + b"0" * 19
"""A number that may be out of range: its digits are taken for 0, and what can stand before it for a colon."""
