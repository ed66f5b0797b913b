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
from typing import Any, BinaryIO, Literal, Protocol

Format = Literal["jsonl", "json", "csv"]

CHUNK = 1 << 18
"""Octets that are read at once."""
_HEAD = 1 << 14
_BOM = b"\xef\xbb\xbf"
_USERS = re.compile(rb'"users"\s*:\s*\[')


class Octets(Protocol):
    """A binary file."""

    def read(self, size: int, /) -> bytes | None: ...


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
def opened(source: str | os.PathLike[str] | Octets) -> Generator[tuple[BinaryIO, bytes]]:
    """The octets of a source, decompressed and without byte order mark, and the first of them.

    A file object is left open. Raises OSError, then and while reading: it cannot be read, or its gzip data is damaged.
    """
    with ExitStack() as stack:
        file = source if not isinstance(source, str | os.PathLike) else _file(source, stack)
        head = _first(file)
        if head.startswith(b"\x1f\x8b"):
            packed = io.BufferedReader(_Source(head, file), CHUNK)
            file = _Source(b"", stack.enter_context(gzip.GzipFile(fileobj=packed)))
            head = _first(file)
        head = head.removeprefix(_BOM)
        yield stack.enter_context(io.BufferedReader(_Source(head, file), CHUNK)), head


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
    start = head.lstrip()
    if start.startswith(b"{"):
        # Auth0 calls its JSONL .json. Keycloak and Firebase write an object around the array, on many lines or on one.
        first = start.partition(b"\n")[0].rstrip()
        whole = first.endswith(b"}") or len(first) == len(start)
        return "jsonl" if whole and not _USERS.search(first) else "json"
    return "json" if suffix == ".json" or start.startswith(b"[") else "csv"
