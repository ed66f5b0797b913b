"""Opens the source of an import (file, standard input, gzip), and guesses its format."""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import zlib
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from denizen.importing.encodings import Decoded, Octets, check_utf8, marked
from denizen.importing.rows import RefusedFile

Format = Literal["jsonl", "json", "csv", "ldif", "sql"]

CHUNK = 1 << 18
"""Octets that are read at once."""
_HEAD = 1 << 14
_USERS = re.compile(
    rb'"users"\s*:\s*\[|\{\s*"(?:Users|value|result)"\s*:\s*\['
    rb'|\{\s*"identities"\s*:\s*\[.*?"schema_(?:id|url)"'
    rb'|\{\s*"(?:@odata\.\w+|details|total|dataOrgs|data_orgs|orgs)"\s*:.*?"(?:value|result|humanUsers)"\s*:\s*\['
)
"""An object around an array of users, which may stand on one line."""
_PAGE = re.compile(rb'"(?:value|resources|results?|data|items|records|accounts|members)"\s*:\s*\[\s*\{', re.IGNORECASE)
"""Where the users of a page of another system's API begin."""
_ADDRESS = re.compile(rb'"(?:e-?mail|user_?name)', re.IGNORECASE)
_LDIF = re.compile(rb"(?:[ \t\r]*\n|[ #][^\n]*\n)*+(?:version:[ ]*1\s|dn::?[ ])", re.IGNORECASE)
_SQL = re.compile(rb"^(?:-- PostgreSQL database dump|COPY [\w.\"]+ \(.*\) FROM stdin;)", re.MULTILINE)
_OTHERS = (
    (b"PGDMP", "pg_dump's custom format: make plain SQL of it with `pg_restore --data-only --file users.sql FILE`"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook: unpack it, or save it as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook: save it as CSV UTF-8"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ", "compressed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"\x1f\x8b", "compressed with gzip twice: unpack it once"),
    (b"SQLite format 3\0", "a database of SQLite: export the table of users as CSV with its header"),
    (b"Obj\x01", "Avro: export the users as JSON or CSV"),
    (b"PAR1", "Parquet: export the users as JSON or CSV"),
    (b"%PDF", "a PDF document: export the users as JSON or CSV"),
    (b"<", "HTML or XML: export the users as JSON or CSV"),
    (b"- model: ", "YAML: export with `manage.py dumpdata --format json`"),
    (b"---", "YAML: export the users as JSON or CSV"),
    (b"-- MySQL dump", "a dump of MySQL: export the table of users as CSV with its header"),
    (b"-- MariaDB dump", "a dump of MariaDB: export the table of users as CSV with its header"),
)
"""What a file begins with that holds no rows we read, and what to do."""


class _Source(io.RawIOBase):
    """Some octets, and then those of a file, which it leaves open."""

    def __init__(self, head: bytes, file: Octets) -> None:
        super().__init__()
        self._head = head
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        octets = self._head[: len(buffer)] or self._read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(octets)] = octets
        return len(octets)

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size) or b""
        except (EOFError, zlib.error):
            raise gzip.BadGzipFile("the gzip data is damaged or cut off") from None


@contextmanager
def opened(
    source: str | os.PathLike[str] | Octets, encoding: str | None = None, format: Format | None = None
) -> Generator[tuple[BinaryIO, Format]]:
    """The octets of a source as UTF-8, decompressed and without byte order mark, and its format.

    encoding: of the source; a byte order mark names it too, and without either it is UTF-8. A file that can be read
        twice is read to its end first, so that nothing is taken from one that is damaged or in another encoding. JSON
        is always UTF-8: there, a row that is not is damaged, and costs itself only.

    A file object is left open. Raises RefusedFile, and OSError, then and while reading: it cannot be read, or its gzip
    data is damaged.
    """
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    named = name if isinstance(name, str) else ""
    with ExitStack() as stack:
        file: Octets = source if not isinstance(source, str | os.PathLike) else _file(source, stack)
        if isinstance(file, io.BufferedReader) and file.seekable():
            whole = cast(BinaryIO, file)
            begin = whole.tell()
            with ExitStack() as first:
                text = _text(whole, encoding, first)
                begun = _first(text)
                is_json = (format or guessed(named, begun)) in ("json", "jsonl")
                _check(_Source(begun, text), is_utf8=not is_json and not isinstance(text, Decoded))
            whole.seek(begin)
        text = _text(cast(Octets, file), encoding, stack)
        head = _first(text)
        yield stack.enter_context(io.BufferedReader(_Source(head, text), CHUNK)), format or guessed(named, head)


def _check(text: Octets, *, is_utf8: bool) -> None:
    """Reads a source to its end. Raises RefusedFile, OSError."""
    if is_utf8:
        check_utf8(text)
    while text.read(CHUNK):
        pass


def _text(file: Octets, encoding: str | None, stack: ExitStack) -> Octets:
    """A source as UTF-8. Raises RefusedFile, OSError."""
    head = _first(file)
    if head.startswith(b"\x1f\x8b"):
        packed = io.BufferedReader(_Source(head, file), CHUNK)
        file = _Source(b"", stack.enter_context(gzip.GzipFile(fileobj=packed)))
        head = _first(file)
    _check_head(head, encoding)
    found = encoding or marked(head) or "utf-8"
    whole = stack.enter_context(io.BufferedReader(_Source(head, file), CHUNK))
    if found != "utf-8":
        return Decoded(whole, found)
    if mark := marked(head) and len(head) - len(head.removeprefix(b"\xef\xbb\xbf")):
        whole.read(mark)
    return whole


def _check_head(head: bytes, encoding: str | None) -> None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, what in _OTHERS:
        if start.startswith(magic):
            raise RefusedFile(f"the file is {what}")
    if b'"type":"header"' in start[:200] and b"PHPMyAdmin" in start[:400]:
        raise RefusedFile(
            "the file is phpMyAdmin's JSON of a database: export the table of users alone, as CSV with names"
        )
    if head[257:262] == b"ustar":
        raise RefusedFile("the file is a tar archive: unpack it first")
    if head and not head.strip(b"\0"):
        raise RefusedFile("the file holds only zeros: it is damaged, export or copy it again")
    if encoding is None and marked(head) is None and len(head) > 3:
        even, odd = head[::2].count(0), head[1::2].count(0)
        if max(even, odd) > len(head) // 4 and min(even, odd) < len(head) // 16:
            order = "le" if odd > even else "be"
            raise RefusedFile(f"the file looks like UTF-16 without a byte order mark: add --encoding utf-16-{order}")


def _file(path: str | os.PathLike[str], stack: ExitStack) -> Octets:
    return sys.stdin.buffer if path == "-" else stack.enter_context(Path(path).open("rb"))


def _first(file: Octets) -> bytes:
    """The first octets of a file; a pipe gives them in pieces."""
    head = b""
    while len(head) < _HEAD and (piece := file.read(_HEAD - len(head))):
        head += piece
    return head


def guessed(name: str, head: bytes) -> Format:
    """The format, by a file's name and its first octets."""
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    if suffix == ".csv":
        return "csv"
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    if suffix in (".ldif", ".ldi") or _LDIF.match(head):
        return "ldif"
    if suffix == ".sql" or _SQL.search(head):
        return "sql"
    start = head.lstrip()
    if start.startswith(b"{"):
        # Auth0 calls its JSONL .json. Keycloak and Firebase write an object around the array, on many lines or on one.
        first = start.partition(b"\n")[0].rstrip()
        whole = first.endswith(b"}") or len(first) == len(start)
        return "jsonl" if whole and not _USERS.search(first) and not _is_page(first, start) else "json"
    return "json" if suffix == ".json" or start.startswith(b"[") else "csv"


def _is_page(first: bytes, start: bytes) -> bool:
    """Whether a file of one line is an object around an array of users, and no user who has an array."""
    page = _PAGE.search(first)
    return page is not None and len(first) == len(start.rstrip()) and not _ADDRESS.search(first, 0, page.start())
