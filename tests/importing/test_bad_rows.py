"""Every kind of bad row has its code, no good row is lost, and nothing stops."""

import io
import json
import string
from contextlib import suppress
from typing import Any, get_args

import pytest
from denizen.importing import BadRow, Format, RefusedFile, Row, read
from denizen.importing.strict import LONGEST, MAX_DEPTH
from hypothesis import given, settings
from hypothesis import strategies as st

CANARY = "canary"
"""Stands in rows, and must not stand in what is said of them."""
MALFORMED: dict[str, bytes] = {
    "not JSON": b"{canary}",
    "cut off": b'{"email": "canary',
    "single quotes": b"{'email': 'canary'}",
    "trailing comma": b'{"email": "canary",}',
    "two values": b'{"email": "canary"} canary',
    "array": b'["canary"]',
    "text": b'"canary"',
    "number": b"7",
    "null": b"null",
    "Latin-1": b'{"email": "canary", "profile": {"lastName": "M\xfcller"}}',
    "UTF-8, overlong": b'{"email": "canary\xc0\xaf"}',
    "UTF-8, surrogate": b'{"email": "canary\xed\xa0\x80"}',
    "a control character": b'{"email": "canary\x01"}',
    "NUL, raw": b'{"email": "canary\x00"}',
    "NUL, escaped": b'{"email": "canary\\u0000"}',
    "half a surrogate pair": b'{"email": "canary\\ud800"}',
    "NaN": b'{"email": "canary", "metadata": {"a": NaN}}',
    "Infinity": b'{"email": "canary", "metadata": {"a": -Infinity}}',
    "a float beyond the range": b'{"email": "canary", "metadata": {"a": 1e999}}',
    "an integer beyond the range": b'{"email": "canary", "metadata": {"a": 9223372036854775808}}',
    "an integer of 5,000 digits": b'{"email": "canary", "metadata": {"a": ' + b"9" * 5000 + b"}}",
    "a key twice": b'{"email": "canary", "email": "canary2"}',
    "a key twice, deep": b'{"email": "canary", "metadata": {"a": [{"b": 1, "b": 2}]}}',
    "too deep": b'{"email": "canary", "metadata": {"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}}",
    "a bomb": b"[" * 200_000,
    "a bomb of objects": b'{"a":' * 100_000,
    "a line of 10 MB": b'{"email": "' + b"canary" * 1_700_000 + b'"}',
    "just too long": b'{"email": "' + b"x" * (LONGEST - 12) + b'"}',
}
UNFIT: dict[str, bytes] = {
    "no address": b'{"externalId": "canary"}',
    "an empty address": b'{"email": "", "externalId": "canary"}',
    "an address that is no text": b'{"email": ["canary"]}',
}
MALFORMED_CSV: dict[str, bytes] = {
    "a column too few": b"canary",
    "a column too many": b"canary,x,y,z",
    "an open quote": b'"canary,x,y',
    "an open quote in a later column": b'canary,x,"y',
    "text behind a quote": b'canary,"x"y,z',
    "Latin-1": b"canary\xfc,x,y",
    "NUL": b"canary\x00,x,y",
    "a line of 10 MB": b"canary" * 1_700_000,
    "a field of 200 KB": b"canary" * 34_000 + b",x,y",
}
UNFIT_CSV: dict[str, bytes] = {
    "no address": b",canary,",
    "no boolean": b"a@example.com,,canary",
}


def good(number: int) -> dict[str, Any]:
    return {"email": f"user{number}@example.com", "metadata": {"n": number}}


def outcome(data: bytes, format: Format) -> tuple[list[Any], list[BadRow]]:
    rows = list(read(io.BytesIO(data), format=format))
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert CANARY not in repr(bad)
    assert [row.line for row in rows] == sorted(row.line for row in rows)
    return [row.user for row in rows if isinstance(row, Row)], bad


@pytest.mark.parametrize("row", [*MALFORMED.values(), *UNFIT.values()], ids=[*MALFORMED, *UNFIT])
def test_bad_line_has_its_code(row: bytes) -> None:
    lines = [json.dumps(good(number)).encode() for number in range(4)]
    users, bad = outcome(b"\n".join([*lines[:2], row, *lines[2:]]), "jsonl")
    assert users == [good(number) for number in range(4)]
    assert [(each.line, each.code) for each in bad] == [
        (3, "validation_failed" if row in UNFIT.values() else "malformed_message")
    ]


BROKEN_LINES = {"cut off", "a bomb", "a bomb of objects"}
"""Their brackets are open: in an array, only the form of the lines says where the next row begins."""


@pytest.mark.parametrize(
    ("name", "between"),
    [
        (name, between)
        for between in (b",\n", b",\n  ", b"\n  , ", b",")
        for name in MALFORMED | UNFIT
        if name != "two values" and (between != b"," or name not in BROKEN_LINES)
    ],
)
def test_bad_element_of_an_array_has_its_code(name: str, between: bytes) -> None:
    row = (MALFORMED | UNFIT)[name]
    elements = [json.dumps(good(number)).encode() for number in range(4)]
    data = between.join([*elements[:2], row, *elements[2:]])
    users, bad = outcome(b"[" + between.strip(b",") + data + b"]", "json")
    assert users == [good(number) for number in range(4)]
    wanted = "validation_failed" if name in UNFIT else "malformed_message"
    assert [each.code for each in bad] == [wanted]


def test_text_between_elements_is_a_bad_row() -> None:
    users, bad = outcome(b'[{"email": "a"} canary {"email": "b"}]] } ], {"email": "c"}', "json")
    assert [user["email"] for user in users] == ["a", "c"]
    assert {each.code for each in bad} == {"malformed_message"}


@pytest.mark.parametrize("data", [b"", b"7", b'"users"', b"{}", b'{"users": {}}', b'{"users"', b"nothing", b"\xff"])
def test_file_that_is_no_array_is_one_bad_row(data: bytes) -> None:
    users, bad = outcome(data, "json")
    assert users == []
    assert [each.code for each in bad] == ["malformed_message"]


def test_unbalanced_row_ends_at_the_next_line_of_its_form() -> None:
    rows = [b'{"email": "a%d"%s' % (number, b"" if number % 3 == 0 else b"}") for number in range(3000)]
    for data in (b"[" + b",\n".join(rows) + b"]", b"[\n  " + b",\n  ".join(rows) + b"\n]"):
        users, bad = outcome(data, "json")
        assert len(users) == 2000
        assert len(bad) == 1000


@pytest.mark.parametrize("shift", [0, 1])
def test_escape_at_the_edge_of_a_piece_is_read(shift: int) -> None:
    row = b'{"email": "' + b"x" * shift + b"\\\\" * 5000 + b'", }'
    users, bad = outcome(b'[{"email": "a"}, ' + row + b', {"email": "b"}]', "json")
    assert [user["email"] for user in users] == ["a", "b"]
    assert len(bad) == 1


def test_unclosed_array_is_noticed() -> None:
    users, bad = outcome(b'[{"email": "a"}, {"email": "b"},\n', "json")
    assert len(users) == 2
    assert [(each.line, each.code) for each in bad] == [(2, "malformed_message")]


@pytest.mark.parametrize("row", [*MALFORMED_CSV.values(), *UNFIT_CSV.values()], ids=[*MALFORMED_CSV, *UNFIT_CSV])
def test_bad_csv_record_has_its_code(row: bytes) -> None:
    lines = [b"email,profile.lastName,emailVerified", *(b'user%d@example.com,"a, b",true' % n for n in range(4))]
    users, bad = outcome(b"\n".join([*lines[:3], row, *lines[3:]]), "csv")
    assert [user["email"] for user in users] == [f"user{number}@example.com" for number in range(4)]
    assert [(each.line, each.code) for each in bad] == [
        (4, "validation_failed" if row in UNFIT_CSV.values() else "malformed_message")
    ]


@pytest.mark.parametrize("spoilt", [b"M\xfcller,x,", b"a\x00,x,", b"x" * (LONGEST + 1)])
def test_unclosed_quote_spoils_its_own_line_only(spoilt: bytes) -> None:
    lines = [
        b"email,profile.lastName,emailVerified",
        b'a@example.com,"x,',
        b"b@example.com,x,true",
        spoilt,
        b"c@example.com,,",
    ]
    users, bad = outcome(b"\n".join(lines), "csv")
    assert [user["email"] for user in users] == ["b@example.com", "c@example.com"]
    assert [each.line for each in bad] == [2, 4]
    assert ["quote" in each.message for each in bad] == [True, False]


def test_unknown_columns_are_all_named_beside_ours() -> None:
    _, (bad,) = outcome("email;E-Mail 2;Straße;profile.nickname\n".encode(), "csv")
    assert bad.message.startswith("users have no columns E-Mail 2, Straße, profile.nickname; they have id, email, ")
    assert "profile.displayName" in bad.message
    assert bad.field == "E-Mail 2"


@pytest.mark.parametrize(
    "header", [b"canary@example.com,Ada", b"email,$2b$12$canary", b"7,canary@example.com,x", b"10012345,canary"]
)
@pytest.mark.parametrize("preset", [None, "clerk", "firebase"])
def test_file_without_header_is_refused_without_its_values(header: bytes, preset: str | None) -> None:
    with pytest.raises(RefusedFile, match="has no header") as refused:
        list(read(io.BytesIO(header + b"\nb@example.com,\n"), format="csv", preset=preset))
    assert CANARY not in str(refused.value)


def test_bad_row_names_the_field() -> None:
    header = b"email,emailVerified,metadata,identities\n"
    _, bad = outcome(header + b'a,canary,,\na,,canary,\na,,[],\na,,,{}\n,,,\na,,{"a":NaN},\n', "csv")
    assert [each.field for each in bad] == ["emailVerified", "metadata", "metadata", "identities", "email", "metadata"]


@pytest.mark.parametrize(
    ("header", "code", "field"),
    [
        (b"externalId", "validation_failed", "email"),
        (b"email,mail", "validation_failed", "mail"),
        (b"email,profile.nickname", "validation_failed", "profile.nickname"),
        (b"email,metadata.", "validation_failed", "metadata."),
        (b"email,email", "malformed_message", None),
        (b"email,metadata,metadata.plan", "malformed_message", "metadata"),
        (b"email\xff", "malformed_message", None),
        (b'"email', "malformed_message", None),
    ],
)
def test_bad_header_is_one_bad_row(header: bytes, code: str, field: str | None) -> None:
    users, bad = outcome(header + b"\na@example.com,canary\nb@example.com,\n", "csv")
    assert users == []
    assert [(each.line, each.code, each.field) for each in bad] == [(1, code, field)]


@pytest.mark.parametrize(
    "row",
    [None, "canary", {1: 2}, {"email": "a", "metadata": {"a": {1, 2}}}, {"email": "a\0"}, {"email": float("nan")}],
)
def test_bad_dict_has_its_code(row: Any) -> None:
    rows = list(read([good(0), row, good(1)]))
    assert [row.user for row in rows if isinstance(row, Row)] == [good(0), good(1)]
    assert isinstance(rows[1], BadRow)


_CELLS = st.text(string.ascii_letters + "äß ;", min_size=1, max_size=5)
_GARBAGE = st.binary(max_size=12).filter(lambda octets: b"\n" not in octets and octets[:2] != b"\x1f\x8b")


@settings(max_examples=150, deadline=None)
@given(st.lists(_CELLS | _GARBAGE, max_size=8))
def test_garbage_between_lines_loses_no_good_row(parts: list[str | bytes]) -> None:
    lines = [json.dumps({"email": part}).encode() if isinstance(part, str) else part for part in ("first", *parts)]
    users, _ = outcome(b"\n".join(lines), "jsonl")
    assert [user["email"] for user in users] == ["first", *(part for part in parts if isinstance(part, str))]


@settings(max_examples=150, deadline=None)
@given(st.lists(_CELLS | st.sampled_from([b'"a"b,', b"\xff,", b"\0,", b"a,b,c", b'"a', b'a,"b']), max_size=8))
def test_garbage_between_records_loses_no_good_row(parts: list[str | bytes]) -> None:
    lines = [f'{part},"x, y"'.encode() if isinstance(part, str) else part for part in parts]
    users, bad = outcome(b"\n".join([b"email,profile.lastName", *lines]), "csv")
    assert [user["email"] for user in users] == [part for part in parts if isinstance(part, str)]
    assert len(bad) == sum(isinstance(part, bytes) for part in parts)


_BEGIN: dict[Format, bytes] = {
    "jsonl": b"{",
    "json": b"[",
    "csv": b"email,metadata\n",
    "ldif": b"dn: uid=a\nmail: a@example.com\n",
    "sql": b"COPY auth.users (id, email) FROM stdin;\n1\ta@example.com\n",
}


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200).filter(lambda octets: octets[:2] != b"\x1f\x8b"),
    st.sampled_from(get_args(Format)),
    st.booleans(),
)
def test_random_bytes_yield_only_rows(data: bytes, format: Format, begun: bool) -> None:
    start = _BEGIN[format] if begun else b""
    with suppress(RefusedFile):
        assert all(isinstance(row, Row | BadRow) for row in read(io.BytesIO(start + data), format=format))


@settings(max_examples=300, deadline=None)
@given(st.text('[]{}",:\\ \nab1', max_size=60))
def test_broken_brackets_yield_only_rows(text: str) -> None:
    assert all(isinstance(row, Row | BadRow) for row in read(io.BytesIO(b"[" + text.encode()), format="json"))
