"""Text that others wrote, made safe for a terminal: no escape sequence, no change of direction, nothing invisible."""

import re

_UNPRINTABLE = re.compile(r"[^\n\t -~]")


def plain(text: str) -> str:
    """Text as one line: every character that is not printable is replaced."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def lines(text: str) -> str:
    """Text of more than one line: line feeds and tabs stay."""
    return _UNPRINTABLE.sub(lambda found: plain(found[0]), text)


def escaped(json: str) -> str:
    """A JSON text of the same meaning, in which every character that is not printable is written as its escape.

    Encoders escape what JSON demands (up to U+001F), and let DEL, C1 and the marks of direction through.
    """
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0].isprintable() else _escape(found[0]), json)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
