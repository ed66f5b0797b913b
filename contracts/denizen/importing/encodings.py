"""Checks that a file is UTF-8 before anything is taken from it, and turns other encodings into UTF-8."""

from __future__ import annotations

import codecs
import io
from typing import Any, Protocol

from denizen.importing.rows import RefusedFile

_PIECE = 1 << 16
_NO_TEXT = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7"})
"""Encodings of Python in which no file of users is written."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Octets(Protocol):
    """A binary file."""

    def read(self, size: int, /) -> bytes | None: ...


def known(name: str) -> str:
    """The name of an encoding as Python spells it. Raises ValueError."""
    try:
        found = codecs.lookup(name).name
        "".encode(found)
    except (LookupError, ValueError):
        found = ""
    if not found or found in _NO_TEXT:
        raise ValueError(f"there is no encoding {name!r}; common ones are windows-1252, utf-16, iso-8859-1, shift_jis")
    return found


def marked(head: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def check_utf8(file: Octets) -> None:
    """Read a file to its end. Raises RefusedFile where it has text of another encoding.

    A file that has other characters of UTF-8 too is in UTF-8 and damaged: its rows are refused one by one.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, wrong, proved = 1, 0, False
    while not proved:
        octets = file.read(_PIECE) or b""
        try:
            text = decoder.decode(octets, final=not octets)
            proved = not octets.isascii() and not text.isascii()
        except UnicodeDecodeError as error:
            wrong = wrong or line + error.object[: error.start].count(b"\n")
            proved = _has_utf8(error.object)
            decoder.reset()
        if not octets:
            break
        line += octets.count(b"\n")
    if wrong and not proved:
        raise RefusedFile(
            f"line {wrong} is not UTF-8: save the file as CSV UTF-8, or name its encoding with --encoding, such as "
            "--encoding windows-1252 for files of Excel"
        )


def _has_utf8(octets: bytes) -> bool:
    """Whether a line of it is UTF-8 beyond ASCII."""
    for line in octets.splitlines():
        if not line.isascii():
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                continue
            return True
    return False


class Decoded(io.RawIOBase):
    """A file in another encoding, as UTF-8. Reading raises RefusedFile where it is not in that encoding."""

    def __init__(self, file: Octets, encoding: str) -> None:
        super().__init__()
        self._file = file
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._line = 1
        self._left = b""
        self._begun = self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and not self._ended:
            self._more()
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _more(self) -> None:
        octets = self._file.read(_PIECE) or b""
        self._ended = not octets
        try:
            text = self._decoder.decode(octets, final=self._ended)
            self._left = text.encode()
        except UnicodeError:
            raise RefusedFile(
                f"the text at or behind line {self._line} is not {self._encoding}: name the file's encoding with "
                "--encoding"
            ) from None
        self._line += text.count("\n")
        if not self._begun and text:
            self._begun = True
            self._left = self._left.removeprefix(codecs.BOM_UTF8)
