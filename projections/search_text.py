"""Text as searches and sorted lists see it: without case, accents and forms of writing."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)
"""Letters that people write without their stroke, though Unicode does not take them apart."""
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\u3005-\u30ff\u3105-\u312f\u31f0-\u31ff"  # Korean, taken apart; Japanese; Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+"  # Chinese characters
)
"""A part of a name in a script in which whole names are written without a space: \u738b\u5c0f\u660e."""
_INDEXED = re.compile("[0-9A-Za-z]+")
_FIELD_LENGTH = 350
"""Characters of a field that are searched: compatibility forms grow up to 18 times as long. A word of so many, in seven
letters each, is an entry of an index, which holds 2,700 octets at most."""
_KEY_LENGTH = 128
"""Characters that a list is sorted by: an entry of an index, too."""
_SHORT = 12 * 13**3
"""Code points below it are four capital letters; the others seven, the first of which is M."""
_NO_NAME = "\U0010ffff"
"""Sorts behind every name."""


class _Marks(dict[int, int | None]):
    """A table of str.translate that drops marks; it learns as it goes, and Unicode is finite."""

    def __missing__(self, code: int) -> int | None:
        mark = unicodedata.category(chr(code)).startswith("M")
        return self.setdefault(code, None if mark else code)


_MARKS = _Marks()


def normalize(text: str) -> str:
    """`Łukasz Müller` as `lukasz muller`: NFKD, marks dropped, casefold. Normalizing it again changes nothing."""
    # Folding can undo the normal form, and what comes of it can be folded again (Unicode 3.13): twice.
    for _ in range(2):
        if text.isascii():
            return text.lower()
        text = unicodedata.normalize("NFKD", text).translate(_MARKS).casefold().translate(_LETTERS)
    return text


def indexable(normalized: str) -> str:
    """Normalized text as the index has it: what is not ASCII becomes capital letters, one of A to M and then N to Z.

    pg_trgm knows as letters those of the database's locale, which may be ASCII's alone. A text is part of another where
    that is so of these.
    """
    return normalized if normalized.isascii() else normalized.translate(_LETTERS_OF)


class _Letters(dict[int, str]):
    """A table of str.translate that spells what is not ASCII; it learns as it goes."""

    def __missing__(self, code: int) -> str:
        return self.setdefault(code, _letters(code))


_LETTERS_OF = _Letters()


def _letters(number: int) -> str:
    if number < 128:
        return chr(number)
    short = number < _SHORT
    digits = ""
    for _ in range(3 if short else 6):
        number, digit = divmod(number, 13)
        digits = chr(ord("N") + digit) + digits
    return ("ABCDEFGHIJKL"[number] if short else "M") + digits


class SearchText(NamedTuple):
    """A user as searches and sorted lists see them.

    Attributes:
        email: what a list by e-mail is sorted by.
        name: what a list by name is: the display name, else first and last name; users without a name come last.
        search: the pieces of e-mail and names between white space, and the words in them, a space before each:
            ` ada.lovelace@example.com ada lovelace example com`. So a term without white space is part of a field
            where it is part of this text, and begins a word where it follows a space. Names that may be written
            without a space are in it so, too, the family name in front and behind. In `indexable` form.
        words: the words of `search`.
    """

    email: str
    name: str
    search: str
    words: Iterable[str]


def search_text(document: dict[str, Any]) -> SearchText:
    """The search text of a user, from the document that queries show."""
    profile = document["profile"]
    get = profile.get
    email = _field(document["email"])
    first, last, display = _field(get("firstName")), _field(get("lastName")), _field(get("displayName"))
    name = " ".join((display or f"{first} {last}").split())
    text = f"{email} {first} {last} {display}"
    if not text.isascii():
        text = " ".join([text, *_unspaced([*last.split(), *first.split()]), *_unspaced(display.split())])
    found = _WORD.findall(text)
    search = " ".join(dict.fromkeys(text.split() + found))
    return SearchText(
        email[:_KEY_LENGTH],
        name[:_KEY_LENGTH] or _NO_NAME,
        indexable(f" {search}"),
        # What is not ASCII is letters in there, also where it was none.
        set(found) if text.isascii() else words(indexable(search)),
    )


def _field(text: str | None) -> str:
    return normalize(text)[:_FIELD_LENGTH] if text else ""


def _unspaced(parts: list[str]) -> Iterator[str]:
    """Neighbouring parts of a name as one word, in each order that people write: ab and ba are both in aba."""
    for unspaced, group in groupby(parts, lambda part: _UNSPACED.fullmatch(part) is not None):
        joined = list(group)
        if unspaced and len(joined) > 1:
            yield "".join(joined + joined[:-1])[:_FIELD_LENGTH]


def words(search: str) -> set[str]:
    """The words of what a user is searched by: letters and digits that follow each other."""
    return set(_INDEXED.findall(search))
