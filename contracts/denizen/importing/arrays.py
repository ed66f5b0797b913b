"""The rows of a JSON array, read as it streams by: of the array that is the file, or of one that is within its object.

A row is decoded where it stands in the text, by the decoder of the standard library. Only for a row that it cannot take
are brackets counted, to find where the next one begins.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from denizen.importing.brackets import Brackets
from denizen.importing.rows import BadRow, Json, LeftOutRow
from denizen.importing.sources import CHUNK
from denizen.importing.strict import DECODER, LONGEST, Malformed, vetted, why

_BETWEEN = re.compile(r"[ \t\r\n,]*")
_COLON = re.compile(r"[ \t\r\n:]*")
_ROWS = frozenset(
    [
        "users",
        "Users",
        "value",
        "result",
        "results",
        "humanUsers",
        "Resources",
        "resources",
        "data",
        "items",
        "records",
        "accounts",
        "members",
    ]
)
"""Arrays of users: `Users` of Cognito, `value` of Microsoft Graph, `Resources` of SCIM, `results` of Parse, `result`
and, for each organization, `humanUsers` of Zitadel."""
_WITHIN = frozenset({"dataOrgs", "data_orgs", "orgs", "data"})
"""Where such an array stands further inside: Zitadel's organizations, and `{"data": {"users": […]}}` of clients."""
_SEVERAL = "humanUsers"
_KRATOS = "identities"
"""Where it comes first, the array that Kratos's command line lists: users of other systems have one of their own."""
_OF_USERS = re.compile(r"\w{0,40}(?:user|account|identit|member)\w{0,40}", re.IGNORECASE | re.ASCII)
"""Names of arrays that hold something of users, and are told where they are not read."""
_EMPTY = 4
"""Characters of an array with nothing in it, at most."""
_LONGEST_KEY = 1 << 10
_STEP = 1 << 12
_NO_MARK = "\0"  # Which no JSON holds.


class _Text:
    """The text of a stream from `at` on. What is not UTF-8 stands in it as half surrogate pairs.

    Attributes:
        mark: what a row begins with, where rows begin lines: the line's end before, the indentation, and a brace.
        beside: the arrays of users that are not read, by name, each with its line.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text = ""
        self.at = 0
        self.ended = False
        self.mark = "\n{"
        self.beside: dict[str, int] = {}
        self._line, self._counted = 1, 0

    def line(self) -> int:
        """The number of the line at `at`."""
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line

    def more(self) -> bool:
        """Whether there was more to read. Forgets what is behind, so that places in the text change."""
        self.line()
        octets = self._stream.read(CHUNK)
        self.ended = not octets
        self.text = self.text[self.at :] + self._decoder.decode(octets, final=self.ended)
        self.at = self._counted = 0
        return not self.ended

    def hold(self, size: int) -> None:
        """Reads on until so many characters are there."""
        while len(self.text) - self.at < size and not self.ended:
            self.more()

    def skip(self, blank: re.Pattern[str]) -> str:
        """Moves behind what `blank` matches, and gives the character there; an empty one at the end."""
        passed = ""
        while True:
            if match := blank.match(self.text, self.at):
                passed = (passed + match[0])[-_LONGEST_KEY:]
                self.at = match.end()
            if self.at < len(self.text) or not self.more():
                break
        _, end, indentation = passed.rpartition("\n")
        if end:
            self.mark = f"\n{indentation}{{"
        return self.text[self.at : self.at + 1]


_NO_ARRAY = (
    "the file is no JSON array, and no object with an array `users` (or value, Resources, results, data, items, "
    "records, accounts, members): export the users as an array, or as one object a line"
)


def rows(stream: BinaryIO) -> Iterator[tuple[int, Json] | BadRow | LeftOutRow]:
    """The objects of the array, and the arrays beside it that are not read."""
    text = _Text(stream)
    yield from _rows(text)
    for name, line in text.beside.items():
        yield LeftOutRow(line, f"the array {name}, which stands beside the users and is not read")


def _rows(text: _Text) -> Iterator[tuple[int, Json] | BadRow]:
    first = text.skip(_BETWEEN)
    key = _enter(text) if first == "{" else None
    if key is None and first != "[":
        yield BadRow(text.line(), "malformed_message", _NO_ARRAY)
        return
    text.at += 1
    closed = False
    while character := text.skip(_BETWEEN):
        if character == "]":
            closed = True
            if key == _SEVERAL and (key := _enter(text)):
                closed = False
            elif first == "{":
                _pass_rest(text)
                return
            text.at += 1
            continue
        line = text.line()
        try:
            value = _value(text)
        except Malformed as malformed:
            yield BadRow(line, "malformed_message", str(malformed))
            continue
        if isinstance(value, dict):
            yield line, value
        else:
            yield BadRow(line, "malformed_message", "the row is not an object")
    if not closed:
        yield BadRow(text.line(), "malformed_message", "the file ends before its array does")


def _pass_rest(text: _Text) -> None:
    """Moves behind what the object holds besides the users, and notes which arrays of users that were."""
    while key := _enter(text):
        _pass_array(text, key)
        text.at -= 1


def _pass_array(text: _Text, name: str) -> None:
    line = text.line()
    if _pass(text, _NO_MARK) > _EMPTY and _OF_USERS.fullmatch(name) and len(text.beside) < _MOST_BESIDE:
        text.beside.setdefault(name, line)


_MOST_BESIDE = 100


def _enter(text: _Text) -> str | None:
    """Moves from a bracket to the next array of users behind it; returns its name, or None where there is none."""
    text.at += 1
    is_first = True
    while character := text.skip(_BETWEEN):
        if character in "{}]":
            text.at += 1  # One of the organizations begins, or they end.
            continue
        if character != '"':
            return None
        text.hold(_LONGEST_KEY)
        try:
            key, end = DECODER.raw_decode(text.text, text.at)
        except ValueError:
            return None
        text.at = end
        value = text.skip(_COLON)
        if value == "[" and (key in _ROWS or (is_first and key == _KRATOS)):
            return key
        is_first = False
        if value in ("[", "{") and key in _WITHIN:
            text.at += 1
        elif value == "[":
            _pass_array(text, key)
        else:
            _pass(text, _NO_MARK)
    return None


def _value(text: _Text) -> Any:
    """The value at `text.at`; moves behind it, or behind what it can be in its place. Raises Malformed."""
    fault: Malformed | None = None
    while fault is None:
        left = len(text.text) - text.at
        try:
            value, end = DECODER.raw_decode(text.text, text.at)
        except (ValueError, RecursionError) as error:
            if text.ended or left > LONGEST:
                fault = why(error)
        else:
            if end - text.at > LONGEST:
                fault = _TOO_LONG
            else:
                row = text.text[text.at : end]
                text.at = end
                _check_encoding(row)
                return vetted(row, value)
        if fault is None:
            text.hold(left + CHUNK if left <= CHUNK else LONGEST + 1)
    if _pass(text, text.mark) > LONGEST:
        fault = _TOO_LONG
    raise fault


def _check_encoding(row: str) -> None:
    if not row.isascii():
        try:
            row.encode("utf-8")
        except UnicodeEncodeError:
            raise Malformed("the row is not UTF-8") from None


def _pass(text: _Text, mark: str) -> int:
    """Moves behind a value that is well-formed or not, or to what `mark` begins; how many characters that were."""
    brackets, passed = Brackets(), 0
    while True:
        begin = text.at
        found = text.text.find(mark, begin, begin + _STEP + len(mark))
        # A mark can lie across the end of what is there.
        end = len(text.text) - (0 if text.ended else len(mark))
        limit = found + 1 if found >= 0 else min(begin + _STEP, end)
        if limit <= begin:
            if text.ended:
                break
            text.more()
            continue
        text.at = brackets.pass_over(text.text, begin, limit)
        passed += text.at - begin
        if brackets.done or found >= 0:
            break
    if passed == 0:
        text.at += 1  # A stray bracket.
    return passed


_TOO_LONG = Malformed(f"the row is longer than {LONGEST} characters")
