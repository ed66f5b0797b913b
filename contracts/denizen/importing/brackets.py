"""Counts brackets in pieces of JSON, to find the end of a value, well-formed or not."""

from __future__ import annotations

import re

_OUTSIDE = re.compile(r'"|[{\[]+|[}\]]')
_FILLED = re.compile(r'(?:[^"{}\[\]]++|"(?:[^"\\\n]++|\\[^\n])*+")*+')
"""What is no bracket, whole strings with theirs included."""
_ALONE = re.compile(r'["}\],\n]|[{\[]+')
"""Where no bracket is open, a comma or a line's end ends the value."""
_QUOTED = re.compile(r'(?:[^"\\\n]++|\\[^\n])*+')
"""No string of JSON holds a line's end: one that was not closed ends there."""


class Brackets:
    """Counts brackets, to find the end of a value, well-formed or not. Its text comes in pieces."""

    def __init__(self) -> None:
        self.done = False
        self._depth = 0
        self._quoted = self._escaped = False

    def pass_over(self, text: str, at: int, limit: int) -> int:
        """Where the value ends; `limit` where it does not end before."""
        while at < limit and not self.done:
            at = self._in_string(text, at, limit) if self._quoted else self._outside(text, at, limit)
        return at

    def _in_string(self, text: str, at: int, limit: int) -> int:
        if self._escaped:
            self._escaped = False
            if text[at] != "\n":
                return at + 1
        if match := _QUOTED.match(text, at, limit):
            at = match.end()
        if at >= limit:
            return limit
        if text[at] == "\\" and at + 1 == limit:
            self._escaped = True  # What it escapes is not there yet.
        else:
            self._quoted = False
            self.done = self._depth == 0
        return at + 1

    def _outside(self, text: str, at: int, limit: int) -> int:
        if self._depth and (filled := _FILLED.match(text, at, limit)):
            at = filled.end()
        token = (_OUTSIDE if self._depth else _ALONE).search(text, at, limit)
        if token is None:
            return limit
        if token[0][0] in "{[":
            self._depth += len(token[0])
        elif token[0] == '"':
            self._quoted = True
        elif self._depth == 0:
            self.done = True
            return token.start()
        else:
            self._depth -= 1
            self.done = self._depth == 0
        return token.end()
