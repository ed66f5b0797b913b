"""A file of 200 MB is read in little memory, and so is a row that never ends."""

import gzip
import io
import itertools
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from denizen.importing import BadRow, Format, Preset, Row, read

pytestmark = pytest.mark.slow

MOST = 12 << 20
TOTAL = 200 << 20


class Stream(io.RawIOBase):
    """What pieces make, as they are asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while len(self._left) < len(buffer) and (piece := next(self._pieces, b"")):
            self._left += piece
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def read_in_little_memory(
    pieces: Iterator[bytes], format: Format, preset: Preset | None = None
) -> tuple[int, list[BadRow]]:
    """How many good rows there are, and the bad ones."""
    good, bad = 0, list[BadRow]()
    tracemalloc.start()
    try:
        for row in read(io.BufferedReader(Stream(pieces)), format=format, preset=preset):
            if isinstance(row, Row):
                good += 1
            else:
                bad.append(row)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()
    return good, bad


USER = json.dumps({"email": "ada@example.com", "metadata": {"text": "x" * 8000}}).encode()
CELLS = b'ada@example.com,"' + b"x, y " * 1600 + b'"'
BEGIN = {"jsonl": b"", "json": b"[", "csv": b"email,metadata.text"}
BETWEEN = {"jsonl": b"\n", "json": b",\n", "csv": b"\n"}
END = {"jsonl": b"\n", "json": b"]", "csv": b"\n"}


@pytest.mark.parametrize("format", ["jsonl", "json", "csv"])
def test_long_file_is_read_in_bounded_memory(format: Format) -> None:
    row = CELLS if format == "csv" else USER
    count = TOTAL // len(row)
    rows = itertools.repeat(row + BETWEEN[format], count - 1)
    begin = BEGIN[format] + (b"\n" if format == "csv" else b"")
    assert read_in_little_memory(itertools.chain([begin], rows, [row, END[format]]), format) == (count, [])


@pytest.mark.parametrize("format", ["jsonl", "json", "csv"])
@pytest.mark.parametrize(
    "filling",
    [b"x" * 65536, b'\\"' * 32768, b"[" * 65536, b'"' * 65535, b'"[{' * 20000],
    ids=["text", "escapes", "brackets", "quotes", "mixed"],
)
def test_endless_row_is_read_in_bounded_memory(format: Format, filling: bytes) -> None:
    """6 MB of one row; in an array, the next one is known by its line."""
    good = b'ada@example.com,""' if format == "csv" else b'{"email": "ada@example.com"}'
    start = b'bob@example.com,"' if format == "csv" else b'{"email": "'
    between = b",\n" if format == "json" else b"\n"
    pieces = itertools.chain(
        [BEGIN[format], b"\n", good, between, start],
        itertools.repeat(filling, 100),
        [between, good, b"\n", END[format]],
    )
    assert read_in_little_memory(pieces, format) == (2, [BadRow(3, "malformed_message", _too_long(format))])


@pytest.mark.parametrize("format", ["ldif", "sql"])
def test_long_export_of_a_server_is_read_in_bounded_memory(format: Format) -> None:
    """Of LDIF and of a dump; SQLite's own memory is bounded by its cache."""
    text = b"x" * 8000
    row = b"dn: uid=a\nmail: a@example.com\ncn: %b\n\n" % text if format == "ldif" else b"a@example.com\t%b\n" % text
    count = (TOTAL // 2) // len(row)
    begin = b"COPY users (email, x) FROM stdin;\n" if format == "sql" else b"version: 1\n"
    pieces = itertools.chain([begin], itertools.repeat(row, count), [b"\\.\n" if format == "sql" else b""])
    good, bad = read_in_little_memory(pieces, format, preset=lambda raw: {"email": raw.get("email") or raw["mail"]})
    assert (good, bad) == (count, [])


@pytest.mark.parametrize(
    ("format", "begin", "filling", "end"),
    [
        ("ldif", b"dn: uid=a\ncn: ", b"x" * 65536, b"\n\n"),
        ("ldif", b"dn: uid=a\ncn: x\n", b" xxxxxxxxxxxxxxx\n" * 4096, b"\n"),
        ("ldif", b"dn: uid=a\n", b"cn: xxxxxxxxxxx\n" * 4096, b"\n"),
        ("ldif", b"# ", b"x" * 65536, b"\n"),
        ("sql", b"COPY users (email, x) FROM stdin;\na@example.com\t", b"x" * 65536, b"\n\\.\n"),
        ("sql", b"COPY users (email, x) FROM stdin;\n\\.\nSELECT '", b"(" * 65536, b"';\n"),
        ("csv", b"sep=;\n", b"email;" * 10000, b"\n"),
    ],
)
def test_endless_line_of_an_export_is_read_in_bounded_memory(
    format: Format, begin: bytes, filling: bytes, end: bytes
) -> None:
    pieces = itertools.chain([begin], itertools.repeat(filling, 500), [end])
    good, bad = read_in_little_memory(pieces, format, preset=lambda raw: {"email": raw.get("email") or "a"})
    assert good == 0
    assert all("longer than" in row.message for row in bad)


def _too_long(format: Format) -> str:
    return (
        f"the row is longer than {1 << 20} characters"
        if format == "json"
        else f"the line is longer than {1 << 20} octets"
    )


def test_rows_inside_an_open_quote_stay_in_bounded_memory() -> None:
    """Behind an open quote, lines are looked at until a row cannot be so long, and then read again."""
    lines = itertools.repeat(b"ada@example.com,x\n", 200_000)
    good, bad = read_in_little_memory(itertools.chain([b"email,metadata.text\n", b'bob@example.com,"\n'], lines), "csv")
    assert (good, [row.line for row in bad]) == (200_000, [2])


def test_record_of_ever_more_fields_is_read_in_bounded_memory() -> None:
    pieces = itertools.chain([b"email\n"], itertools.repeat(b'"\n",' * 10_000, 30))
    _, bad = read_in_little_memory(pieces, "csv")
    assert bad[0] == BadRow(2, "malformed_message", f"the row is longer than {1 << 20} characters")


def test_gzip_bomb_is_read_in_bounded_memory() -> None:
    packed = gzip.compress(b"[" + b" " * TOTAL + b"]")
    assert read_in_little_memory(iter([packed]), "json") == (0, [])
