"""Lines of a file, and the rows of JSONL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from denizen.importing.rows import BadRow, Json
from denizen.importing.strict import LONGEST, Malformed, parsed

_PIECE = 1 << 16


def lines(stream: BinaryIO) -> Iterator[tuple[int, str] | BadRow]:
    """The number and the text of each line, its end included."""
    number = 0
    while octets := stream.readline(LONGEST + 1):
        number += 1
        if len(octets) > LONGEST and not octets.endswith(b"\n"):
            while (octets := stream.readline(_PIECE)) and not octets.endswith(b"\n"):
                pass
            yield BadRow(number, "malformed_message", f"the line is longer than {LONGEST} octets")
            continue
        try:
            text = octets.decode("utf-8")
        except UnicodeDecodeError:
            yield BadRow(number, "malformed_message", "the line is not UTF-8")
        else:
            yield number, text


def rows(stream: BinaryIO) -> Iterator[tuple[int, Json] | BadRow]:
    """JSONL: an object a line; empty lines say nothing."""
    for line in lines(stream):
        if isinstance(line, BadRow):
            yield line
            continue
        number, text = line
        try:
            value = parsed(text)
        except Malformed as malformed:
            if not text.isspace():
                yield BadRow(number, "malformed_message", str(malformed))
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            yield BadRow(number, "malformed_message", "the row is not an object")
