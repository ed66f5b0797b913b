"""A file in another encoding, packed or damaged is refused whole, with a sentence that says what to do, or read."""

import bz2
import gzip
import io
import lzma
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from denizen.importing import BadRow, RefusedFile, Row, read
from hypothesis import given, settings
from hypothesis import strategies as st

USERS = "email;profile.firstName\r\nj@example.com;Jürgen\r\na@example.com;Anna\r\n"


def names(path: Path, encoding: str | None = None) -> list[str]:
    rows = list(read(path, encoding=encoding))
    assert not [row for row in rows if isinstance(row, BadRow)]
    return [row.user["profile"]["firstName"] for row in rows if isinstance(row, Row)]


def written(tmp_path: Path, data: bytes, name: str = "users.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def refusal(path: Path, encoding: str | None = None) -> str:
    with pytest.raises(RefusedFile) as refused:
        next(iter(read(path, encoding=encoding)))  # Not one row was given before.
    return str(refused.value)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("rows", [0, 50_000])
def test_windows_1252_is_refused_before_the_first_row(tmp_path: Path, rows: int, packed: bool) -> None:
    data = b"email\n" + b"a@example.com\n" * rows + "jürgen@example.com\n".encode("windows-1252")
    path = written(tmp_path, gzip.compress(data) if packed else data)
    message = refusal(path)
    assert message.startswith(f"line {rows + 2} is not UTF-8: ")
    assert "--encoding windows-1252" in message


@pytest.mark.parametrize("encoding", ["windows-1252", "cp1252", "iso-8859-15", "utf-16-le", "mac_roman", "utf-8"])
def test_named_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    assert names(written(tmp_path, USERS.encode(encoding)), encoding) == ["Jürgen", "Anna"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_byte_order_mark_names_the_encoding(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, USERS.encode(encoding))
    assert names(path) == names(path, encoding) == ["Jürgen", "Anna"]
    assert names(written(tmp_path, gzip.compress(path.read_bytes()))) == ["Jürgen", "Anna"]


def test_wrong_named_encoding_is_refused(tmp_path: Path) -> None:
    assert "is not shift_jis: name" in refusal(written(tmp_path, b"email\na\xff@x\n"), "Shift-JIS")
    path = written(tmp_path, b"email\n" + b"a@example.com\n" * 10 + b"\x81@example.com\n")
    assert "is not cp1252: name" in refusal(path, "windows-1252")
    assert "is not utf-16-le: name" in refusal(written(tmp_path, b"email\na\n\n"), "utf-16-le")


@pytest.mark.parametrize(
    "name", ["", "klingon", "rot13", "base64", "idna", "undefined", "zlib", "unicode_escape", "a\0b"]
)
def test_unknown_encoding_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="there is no encoding"):
        read("-", encoding=name)


def test_damaged_line_of_utf8_costs_itself_only(tmp_path: Path) -> None:
    lines = [
        b'{"email": "a@example.com", "profile": {"firstName": "Zo\xc3\xab"}}',
        b'{"email": "\xff"}',
        b'{"email": "b"}',
    ]
    good, bad, other = read(written(tmp_path, b"\n".join(lines), "users.jsonl"))
    assert isinstance(good, Row)
    assert isinstance(bad, BadRow)
    assert isinstance(other, Row)


def test_line_of_json_that_is_not_utf8_costs_itself_only(tmp_path: Path) -> None:
    lines = b'{"email": "a@example.com"}\n{"email": "\xfc@example.com"}\n{"email": "b@example.com"}\n'
    kinds = [type(row) for row in read(written(tmp_path, lines, "users.jsonl"))]
    assert kinds == [Row, BadRow, Row]
    array = b"[" + b",\n".join(lines.splitlines()) + b"]"
    assert [type(row) for row in read(written(tmp_path, gzip.compress(array), "users.json.gz"))] == kinds


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zipped(), "ZIP archive or an Excel workbook"),
        (bz2.compress(b"email\n"), "bzip2: unpack"),
        (lzma.compress(b"email\n"), "xz: unpack"),
        (gzip.compress(gzip.compress(b"email\n", mtime=0), mtime=0), "gzip twice"),
        (b"PGDMP\x01\x0e\x00", "pg_restore --data-only"),
        (b"\xef\xbb\xbf <html>", "HTML"),
        (b"-- MySQL dump 10.13\n", "CSV"),
        (b"SQLite format 3\0", "SQLite"),
        (bytes(100_000), "only zeros"),
        ("email\na@example.com\n".encode("utf-16-le"), "--encoding utf-16-le"),
        ("email\na@example.com\n".encode("utf-16-be"), "--encoding utf-16-be"),
        (b"users.csv".ljust(257, b"\0") + b"ustar", "tar archive"),
        (b"email\ra@example.com\rb@example.com\r", "save the file as CSV UTF-8"),
    ],
)
@pytest.mark.parametrize("name", ["users.csv", "users.json", "users"])
def test_file_of_no_rows_says_what_to_do(tmp_path: Path, data: bytes, words: str, name: str) -> None:
    if b"\r" in data and name == "users.json":
        return  # JSON has no lines.
    assert words in refusal(written(tmp_path, data, name))


def test_damaged_gzip_raises_before_the_first_row(tmp_path: Path) -> None:
    whole = gzip.compress(b"email\n" + b"".join(b"%d@example.com\n" % number for number in range(100_000)))
    with pytest.raises(OSError, match="gzip"):
        next(iter(read(written(tmp_path, whole[:-20]))))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([None, "utf-16", "windows-1252", "shift_jis", "utf-8-sig", "gb18030"]))
def test_random_octets_in_any_encoding_yield_only_rows(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, encoding: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "random"
    path.write_bytes(b"email\n" + data)
    with suppress(RefusedFile, OSError):
        assert all(isinstance(row, Row | BadRow) for row in read(path, encoding=encoding))
