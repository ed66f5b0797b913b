"""Bodies are JSON as I-JSON has it, or `malformed_message`; a good one comes through whole."""

import contextlib
import json
import re
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.domain.refusals import Refusal
from services.endpoint import strict_json
from services.endpoint.strict_json import MAX_DEPTH

MAX_OCTETS = 64 * 1024


def parse(data: bytes) -> dict[str, Any]:
    return strict_json.parse(data, MAX_OCTETS)


MALFORMED = {
    "not JSON": b"{",
    "two values": b"{} {}",
    "trailing comma": b'{"a": 1,}',
    "comment": b'{"a": 1 /* one */}',
    "single quotes": b"{'a': 1}",
    "array": b"[]",
    "string": b'"a"',
    "number": b"1",
    "null": b"null",
    "white space alone": b"  ",
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-8, cut": b'{"a": "\xc3"}',
    "UTF-8, overlong": b'{"a": "\xc0\xaf"}',
    "UTF-8, surrogate": b'{"a": "\xed\xa0\x80"}',
    "Latin-1": b'{"a": "\xe9"}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": [-Infinity]}',
    "a float beyond the range": b'{"a": 1e400}',
    "key twice": b'{"a": 1, "a": 1}',
    "key twice, once escaped": b'{"a": 1, "\\u0061": 2}',
    "key twice, deep": b'{"a": [{"b": {"c": 1, "d": 2, "c": 3}}]}',
    "NUL, raw": b'{"a": "\x00"}',
    "NUL, escaped": b'{"a": "\\u0000"}',
    "NUL in a key": b'{"a": {"b\\u0000": 1}}',
    "NUL in an array": b'{"a": [["\\u0000"]]}',
    "high surrogate": b'{"a": "\\ud800"}',
    "low surrogate": b'{"a": "\\udc00x"}',
    "surrogates the wrong way round": b'{"a": "\\udc00\\ud800"}',
    "2**63": b'{"a": 9223372036854775808}',
    "-2**63": b'{"a": -9223372036854775808}',
    "an integer of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "too large": b'{"a": "' + b"x" * MAX_OCTETS + b'"}',
    "one level too deep": b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    "a bomb of arrays": b"[" * (MAX_OCTETS - 1),
    "a bomb of objects": b'{"a":' * 10_000,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_json_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse(body)
    assert caught.value.code == "malformed_message"


BOMBS = {
    "arrays": b"[" * 2**20,
    "objects": b'{"a":' * 200_000,
    "pairs": b"[]" * 2**19,
    "just not too deep": (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) * 16_000,
    "closed first": b"]" * 2**19 + b"[" * 2**19,
    "between strings": b'"",[' * 2**18,
    "between escapes": b'"\\\\\\"",[' * 2**17,
    "a string without an end": b'"' + b"\\" * 2**19 + b"[" * 2**19,
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
def test_json_bomb_costs_little(body: bytes) -> None:
    seconds: list[float] = []
    for _ in range(3):
        began = time.process_time()
        with pytest.raises(Refusal):
            strict_json.parse(body, 2**21)
        seconds.append(time.process_time() - began)
    assert min(seconds) < 0.03


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["[", "]", "{", "}", "[" * 9, "]" * 7, '"[{"', '"\\"]"', '"\\\\"', "1,"])))
def test_depth_equals_that_of_an_octet_by_octet_reader(parts: list[str]) -> None:
    text = "".join(parts)
    depth = deepest = 0
    for octet in re.sub(r'"(?:[^"\\]|\\.)*"', "", text):
        depth += 1 if octet in "[{" else -1 if octet in "]}" else 0
        deepest = max(deepest, depth)
    with pytest.raises(Refusal) as caught:
        parse((text + "?").encode())
    assert ("deeper" in caught.value.message) == (deepest > MAX_DEPTH)


def test_refusal_holds_no_input() -> None:
    with pytest.raises(Refusal) as caught:
        parse(b'{"password": "canary", "password": "canary"}')
    assert "canary" not in json.dumps(caught.value.body())
    assert caught.value.__cause__ is None


def test_limits_are_inclusive() -> None:
    assert parse(b'{"a":"' + b"x" * (MAX_OCTETS - 8) + b'"}')["a"]
    assert parse(b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}")
    assert parse(b'{"a": 9223372036854775807, "b": -9223372036854775807}') == {"a": 2**63 - 1, "b": 1 - 2**63}


def test_brackets_in_strings_are_not_depth() -> None:
    body: dict[str, Any] = {"a": '[{"\\' * 100, "b": ["]"] * 100}
    assert parse(json.dumps(body).encode()) == body


def test_empty_body_is_an_empty_object() -> None:
    assert parse(b"") == {}


def test_escaped_surrogate_pair_is_one_character() -> None:
    assert parse(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


_TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**63, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_TEXT, _VALUES, max_size=5), st.booleans())
@example({"a": 1.0, "b": -0.0, "c": True}, True)
def test_valid_json_survives(value: dict[str, Any], escaped: bool) -> None:
    parsed = parse(json.dumps(value, ensure_ascii=escaped).encode())
    assert repr(parsed) == repr(value)  # As text: 1, 1.0 and True are equal.


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=64))
def test_random_bytes_are_refused(body: bytes) -> None:
    with contextlib.suppress(Refusal):
        assert isinstance(parse(body), dict)


PIECES = [
    *("0", "-0", "1", "01", "-0.0", "1.0", "1e5", "1e16", "1E400", "1e-400", "5e-324", "0.00001", "NaN", "-Infinity"),
    *("9007199254740991", "9007199254740993", "9223372036854775807", "-9223372036854775808", "18446744073709551615"),
    *("123456789012345678901234567890", '"a"', '"\u00e9"', r'"\u00e9"', r'"\u0000"', r'"\ud800"', r'"\ud83d\ude00"'),
    *('"\U0001f600"', '"\ud800"', '"\x7f"', '"\x01"', r'"\/"', r'"\n"', "null", "true", "[]", "[1,2]", "{}", " 1"),
    *('{"a":1,"a":1}', '{"a":1,"b":{"a":1}}', "", "[", "1 "),
    *(
        '{"a": 1, "a": 1}',
        '{", ": 1, ",": 2}',
        '{", ": 1, ",":1}',
        '{"b": 1}',
        "[1, 2]",
        "[1,  2]",
        '", "',
        '"a: , b"',
        '" "',
    ),
    *(r'"\", "', r'"\"": "', r'", "', '", ", "'),
]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(PIECES)), max_size=4),
    st.integers(0, 3),
    st.sampled_from([(",", ":"), (", ", ": "), (", ", ":")]),
)
def test_fast_and_slow_reader_agree(members: list[tuple[str, str]], cut: int, between: tuple[str, str]) -> None:
    """White space at the beginning, which changes nothing else, has it read slowly."""
    comma, colon = between
    text = "{" + comma.join(f'"{key}"{colon}{piece}' for key, piece in members) + "}"
    data = text.encode("utf-8", "surrogatepass")[: len(text) if cut else -1]
    assert outcome(data) == outcome(b" " + data)


@pytest.mark.parametrize("piece", PIECES)
def test_fast_and_slow_reader_agree_on_each_piece(piece: str) -> None:
    data = f'{{"a":{piece}}}'.encode("utf-8", "surrogatepass")
    assert outcome(data) == outcome(b" " + data)


def outcome(data: bytes) -> str:
    """What came of it, told apart to the type."""
    try:
        return repr(parse(data))
    except Refusal as refusal:
        return str(refusal.body())
