"""Reads the entries of LDIF (RFC 2849): a dict each, keys in lower case; several values of an attribute are a list."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from denizen.importing.lines import lines
from denizen.importing.rows import BadRow, Json
from denizen.importing.strict import LONGEST

_LINE = 100
"""Octets that a line takes in memory beside its text."""


_ESSENTIAL = frozenset({"changetype", "dn", "mail", "objectclass", "userpassword"})
"""Attributes without which an entry would become another user, or one without their password."""


class _Fault(Exception):
    """Why an entry cannot be read."""


def rows(stream: BinaryIO) -> Iterator[tuple[int, Json] | BadRow]:
    """The entries, without what is none: the version, comments, and the result that ldapsearch writes at the end."""
    for entry in _entries(stream):
        if entry.bad is not None:
            yield entry.bad
            continue
        try:
            found = _attributes(entry.lines)
        except _Fault as fault:
            yield BadRow(entry.line, "malformed_message", str(fault))
        else:
            if found is not None:
                yield entry.line, found


@dataclass(slots=True)
class _Entry:
    """The unfolded lines of an entry, without comments; `line` is its first, 0 if there is none yet."""

    line: int = 0
    lines: list[str] = field(default_factory=list[str])
    bad: BadRow | None = None
    size: int = 0
    comment: bool = False

    def add(self, number: int, text: str) -> None:
        folded = text[0] == " "
        self.comment = self.comment if folded else text[0] == "#"
        if self.comment or self.bad is not None:
            return
        self.line = self.line or number
        self.size += len(text) + _LINE
        if "\0" in text:
            self.spoil(f"line {number} holds NUL: export the entries again")
        elif self.size > LONGEST:
            self.spoil(_TOO_LONG)
        elif not folded:
            self.lines.append(text)
        elif self.lines:
            self.lines[-1] += text[1:]
        else:
            self.spoil("the entry begins with a continued line: export the entries again")

    def spoil(self, message: str) -> None:
        """The entry cannot be read: the first fault counts."""
        self.bad = self.bad or BadRow(self.line, "malformed_message", message)
        self.lines.clear()


def _entries(stream: BinaryIO) -> Iterator[_Entry]:
    """A bad line costs its entry, and no other."""
    entry = _Entry()
    for line in lines(stream):
        if isinstance(line, BadRow):
            entry.line = entry.line or line.line
            entry.spoil(line.message)
        elif text := line[1].rstrip("\r\n"):
            entry.add(line[0], text)
        else:
            if entry.line:
                yield entry
            entry = _Entry()
    if entry.line:
        yield entry


_TOO_LONG = f"the entry is longer than {LONGEST} characters: export it without its photos and certificates"


def _attributes(text: list[str]) -> Json | None:
    if text[0].lower().startswith("version:"):
        text = text[1:]
    found: Json = {}
    for line in text:
        name, value = _attribute(line)
        if name == "changetype" and value != "add":
            raise _Fault(
                "the file holds changes (its changetype is not add), not entries: export the entries with "
                "ldapsearch -LLL or slapcat"
            )
        if name in ("changetype", "control") or value == "":
            continue
        _add(found, name, value)
    if not found or ("dn" not in found and found.keys() <= {"search", "result", "ref"}):
        return None
    if not isinstance(found.get("dn"), str):
        raise _Fault("the entry does not begin with one dn: export the entries with ldapsearch -LLL or slapcat")
    return found


def _attribute(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or " " in name:
        raise _Fault("a line of the entry is no `attribute: value`: export the entries with ldapsearch -LLL or slapcat")
    if value.startswith("<"):
        if name.lower() in _ESSENTIAL:
            raise _Fault(
                f"the value of {name.lower()} is in another file (a URL): export it with the values in the file"
            )
        # No preset reads a name of this form, so the report tells it as not taken, and the entry stays a user.
        return f"{name.lower()} in another file", "-"
    if not value.startswith(":"):
        return name.lower(), value.lstrip(" ")
    encoded = value[1:].strip(" ")
    try:
        octets = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _Fault("the value of an attribute is not base64: export the entries again") from None
    try:
        decoded = octets.decode("utf-8")
    except UnicodeDecodeError:
        return name.lower(), encoded
    return name.lower(), encoded if "\0" in decoded else decoded


def _add(found: dict[str, Any], name: str, value: str) -> None:
    before = found.get(name)
    if before is None:
        found[name] = value
    elif isinstance(before, list):
        before.append(value)  # pyright: ignore[reportUnknownMemberType]
    else:
        found[name] = [before, value]
