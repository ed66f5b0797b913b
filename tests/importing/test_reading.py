"""Files of users are read as they were written, in every format and from every source."""

import csv
import gzip
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from denizen.importing import BadRow, Format, Row, read
from denizen.importing.formulas import defused, restored
from denizen.importing.sources import guessed
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, Any]

ADA: Json = {
    "email": "ada@example.com",
    "emailVerified": True,
    "externalId": "7",
    "passwordHash": "$2b$04$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
    "profile": {"firstName": "Ada", "lastName": "Lövelace"},
    "metadata": {"plan": "pro", "deep": {"er": [1, 2.5, None]}},
    "appMetadata": {"roles": ["admin"]},
    "status": "BLOCKED",
    "createdAt": "2024-01-02T03:04:05Z",
    "identities": [{"provider": "google", "providerId": "113"}],
}
GRACE: Json = {"email": "grace@example.com"}


def jsonl(users: Iterable[Json], *, escaped: bool = False) -> bytes:
    return "".join(json.dumps(user, ensure_ascii=escaped) + "\n" for user in users).encode()


def array(users: Iterable[Json], indent: int | None = None) -> bytes:
    return json.dumps(list(users), ensure_ascii=False, indent=indent).encode()


def table(users: Iterable[Json]) -> bytes:
    """CSV as an export writes it: formulas defused, booleans as words, objects as JSON."""
    columns = [
        "email", "emailVerified", "externalId", "passwordHash", "profile.firstName", "profile.lastName", "metadata",
        "appMetadata", "status", "createdAt", "identities",
    ]  # fmt: skip
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for user in users:
        cells: list[str] = []
        for column in columns:
            section, _, name = column.partition(".")
            value: Any = user.get(section, {}).get(name) if name else user.get(column)
            if value is None:
                cells.append("")
            else:
                cells.append(defused(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
        writer.writerow(cells)
    return out.getvalue().encode()


WRITERS: dict[Format, Callable[[Iterable[Json]], bytes]] = {"jsonl": jsonl, "json": array, "csv": table}


def users_of(data: bytes, format: Format | None = None) -> list[Json]:
    rows = list(read(io.BytesIO(data), format=format))
    assert not [row for row in rows if isinstance(row, BadRow)]
    return [row.user for row in rows if isinstance(row, Row)]


def text_of(users: list[Json]) -> str:
    return json.dumps(users, sort_keys=True)  # As text: 1, 1.0 and True are equal.


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**63, 2**63 - 1) | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
_USERS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"email": _TEXT},
    optional={
        "emailVerified": st.booleans(),
        "externalId": _TEXT,
        "passwordHash": _TEXT,
        "profile": st.fixed_dictionaries({"firstName": _TEXT}, optional={"lastName": _TEXT}),
        "metadata": st.dictionaries(_TEXT, _VALUES, max_size=3),
        "identities": st.lists(st.fixed_dictionaries({"provider": _TEXT, "providerId": _TEXT}), max_size=2),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_USERS, max_size=5), st.booleans(), st.booleans())
def test_written_users_are_read_back(users: list[Json], packed: bool, marked: bool) -> None:
    for format, written in WRITERS.items():
        data = (b"\xef\xbb\xbf" if marked else b"") + written(users)
        assert text_of(users_of(gzip.compress(data) if packed else data, format)) == text_of(users), format


@settings(max_examples=100, deadline=None)
@given(st.lists(_USERS, max_size=5), st.sampled_from([0, 1, 4]))
def test_array_on_many_lines_is_read(users: list[Json], indent: int) -> None:
    assert users_of(array(users, indent), "json") == users
    assert (
        users_of(b'{"realm": {"users": []}, "n": 1, "users":' + array(users, indent) + b', "z": [{}]}', "json") == users
    )


@settings(max_examples=2000, deadline=None)
@given(st.text(st.sampled_from("'=+-@\t\r\n\uff1d\uff0b\uff0d\uff20a,; \xa0\u3000"), max_size=10))
def test_defused_formula_is_read_back_and_no_separator_makes_it_run(cell: str) -> None:
    safe = defused(cell)
    assert restored(safe) == cell
    for part in re.split("[;\t\r\n]", safe):
        assert part.strip(" \xa0\u3000")[:1] not in tuple("=+-@\uff1d\uff0b\uff0d\uff20") or not part.strip()
    assert safe[:1] not in tuple("\t\r\n") or not cell


def test_rows_have_their_line_numbers() -> None:
    def numbers(data: bytes, format: Format) -> list[int]:
        return [row.line for row in read(io.BytesIO(data), format=format)]

    assert numbers(b'{"email":"a"}\n\n{"email":"b"}\nx\n', "jsonl") == [1, 3, 4]
    assert numbers(b'email,profile.lastName\na,"x\ny"\nb,\n', "csv") == [2, 4]
    assert numbers(b'[\n{"email":"a",\n"metadata":{}}, {"email":"b"},\n\n7\n]', "json") == [2, 3, 5]


def test_csv_cells_get_their_types() -> None:
    data = (
        "email,email_verified,profile.first_name,metadata.plan,metadata.a.city,app_metadata,identities,metadata.zip\r\n"
        'a@example.com,TRUE,Ada,pro,Wien,"{""user_id"": 2}","[{""provider"":""x"",""providerId"":""1""}]",012\r\n'
        "b@example.com,,,true,,,,\r\n"
    )
    assert users_of(data.encode(), "csv") == [
        {
            "email": "a@example.com",
            "emailVerified": True,
            "profile": {"firstName": "Ada"},
            "metadata": {"plan": "pro", "a": {"city": "Wien"}, "zip": "012"},
            "appMetadata": {"user_id": 2},
            "identities": [{"provider": "x", "providerId": "1"}],
        },
        {"email": "b@example.com", "metadata": {"plan": "true"}},
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_semicolons_separate_cells_if_the_header_has_no_comma(end: str) -> None:
    lines = [
        "email;profile.lastName;metadata;profile.firstName",
        '"a@example.com";"x;\ny, z";"{""a"": [1, 2]}";',
        "b@example.com;Löwe, jun.;;=1",
    ]
    assert users_of(end.join(lines).encode("utf-8-sig"), "csv") == [
        {"email": "a@example.com", "profile": {"lastName": "x;\ny, z"}, "metadata": {"a": [1, 2]}},
        {"email": "b@example.com", "profile": {"lastName": "Löwe, jun.", "firstName": "=1"}},
    ]
    theirs = b"id;primary_email_address;first_name\n1;a@example.com;Ada\n"
    assert [row.user["email"] for row in read(io.BytesIO(theirs), preset="clerk") if isinstance(row, Row)] == [
        "a@example.com"
    ]
    # With a comma in the header, a semicolon is text.
    assert users_of(b"email,metadata.a\na@example.com,x;y\n", "csv")[0]["metadata"] == {"a": "x;y"}


def test_fields_that_only_exports_show_are_left_out() -> None:
    shown: Json = {
        "id": "user_01h455vb4pex5vsknk084sn02q", "email": "a@example.com", "status": "ACTIVE", "version": 3,
        "loginCount": 2, "lastLoginAt": None, "lastLoginIp": None, "updatedAt": "2024-01-02T03:04:05Z",
        "blockedAt": None, "passwordChangeRequired": True, "createdAt": "2024-01-02T03:04:05Z",
        "identities": [{"provider": "x", "providerId": "1", "linkedAt": "2024-01-02T03:04:05Z"}],
    }  # fmt: skip
    unset = ("version", "loginCount", "lastLoginAt", "lastLoginIp")
    kept = {name: value for name, value in shown.items() if name not in unset}
    assert users_of(jsonl([shown]), "jsonl") == [kept]
    assert list(read([shown])) == [Row(1, kept)]


@pytest.mark.parametrize(
    ("name", "data", "format"),
    [
        ("users.jsonl", jsonl([ADA]), "jsonl"),
        ("users.ndjson.gz", jsonl([ADA]), "jsonl"),
        ("users.json", jsonl([ADA, GRACE]), "jsonl"),
        ("users.json", b"x" + jsonl([ADA, GRACE]), "json"),
        ("users.json", array([ADA]), "json"),
        ("users.json", b'{"users":[{}]}', "json"),
        ("users.json", b'{"users": [\n', "json"),
        ("users.json", b'{"@odata.context":"x","value":[{"mail":"a"}]}\n', "json"),
        ("users.json", b'{"Resources": [ {"emails": []}]}', "json"),
        ("users.json", b'{"email":"a","data":[{"x":1}]}', "jsonl"),
        ("users.json", b'{"data":[{"x":1}]}\n{"data":[{"x":1}]}', "jsonl"),
        ("people.ldif.gz", b"", "ldif"),
        ("", b"# a comment\n\nversion: 1\n", "ldif"),
        ("", b"\n" * 16000 + b"# x", "csv"),
        ("dump.sql", b"", "sql"),
        ("", b"--\n-- PostgreSQL database dump\n--\n", "sql"),
        ("realm.json", b'{\n  "realm": "x"', "json"),
        ("USERS.CSV", table([ADA]), "csv"),
        ("", array([ADA]), "json"),
        ("", b" \n[" + jsonl([ADA]), "json"),
        ("", jsonl([ADA | {"metadata": {"x": "y" * 20_000}}])[: 1 << 14], "jsonl"),
        ("", table([ADA]), "csv"),
        ("", b"", "csv"),
    ],
)
def test_format_is_guessed_from_name_and_content(name: str, data: bytes, format: Format) -> None:
    assert guessed(name, data) == format


@pytest.mark.parametrize("format", WRITERS)
def test_every_kind_of_source_is_read(format: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = WRITERS[format]([ADA, GRACE])
    path = tmp_path / f"users.{format}.gz"
    path.write_bytes(gzip.compress(data[:100]) + gzip.compress(data[100:]))  # As pigz or cat make it.
    assert [row.user for row in read(path) if isinstance(row, Row)] == [ADA, GRACE]
    assert [row.user for row in read(str(path)) if isinstance(row, Row)] == [ADA, GRACE]
    with path.open("rb") as file:
        assert [row.user for row in read(file, format=format) if isinstance(row, Row)] == [ADA, GRACE]
        assert not file.closed


def test_standard_input_is_read_in_pieces() -> None:
    code = "from denizen.importing import read; print(*(row.user['email'] for row in read('-')))"
    reading, writing = os.pipe()
    with subprocess.Popen([sys.executable, "-c", code], stdin=reading, stdout=subprocess.PIPE) as process:
        os.close(reading)
        for octet in gzip.compress(jsonl([ADA, GRACE])):
            os.write(writing, bytes([octet]))
        os.close(writing)
        assert process.communicate()[0] == b"ada@example.com grace@example.com\n"


def test_unreadable_source_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "none.csv"))
    whole = gzip.compress(jsonl([ADA] * 1000))
    for spoilt in (whole[:-20], whole[:40] + bytes(8) + whole[48:]):
        with pytest.raises(OSError, match=r"gzip|CRC"):
            list(read(io.BytesIO(spoilt), format="jsonl"))
    with pytest.raises(ValueError, match="no such preset"):
        read("-", preset="okta")
    with pytest.raises(ValueError, match="no such format"):
        read("-", format="xml")  # pyright: ignore[reportArgumentType]


def test_iterable_of_dicts_yields_rows() -> None:
    assert list(read(iter([ADA, GRACE]))) == [Row(1, ADA), Row(2, GRACE)]


def test_rows_that_were_read_are_passed_on() -> None:
    rows = list(read(io.BytesIO(jsonl([ADA]) + b"x\n"), format="jsonl"))
    assert list(read(iter(rows))) == rows


def test_repr_of_a_row_hides_its_values() -> None:
    assert repr(Row(1, ADA)) == "Row(line=1)"
