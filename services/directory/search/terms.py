"""Search terms as SQL conditions: the words of a search. Lists and exports take the same."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

from projections import search_text
from services.domain import email_address, refusals

_LETTER = re.compile(r"[^\W_]")
_ANYWHERE = re.compile(r"[^\W_]{3}|[^\W_]{2}[\W_]|[\W_][^\W_]")
"""Text that has a trigram wherever it stands: pg_trgm puts two spaces before each word, and one behind. Matched against
text as the index has it, where one letter that is not ASCII is several."""
_RUN = re.compile("[0-9A-Za-z]+")
_NAMES: tuple[LiteralString, ...] = ("term1", "term2", "term3", "term4", "term5", "term6", "term7", "term8")
"""The names of the parameters, one for each word of a search."""
_MOST_PARTS = 8


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition that a user matches a search.

    Attributes:
        sql: true of `u`, a row of `users`, where it holds every word of the search.
        parameters: the values of its named parameters.
        parts: what words of `user_words` are like, one for each pattern, of all who are found: what an index can tell.
        plain: every user who has a word like the one part matches.
    """

    sql: LiteralString
    parameters: Mapping[str, str]
    parts: tuple[str, ...] = ()
    plain: bool = False


def condition(search: str, field: str = "search") -> Condition:
    """The condition that a user has every word of a search.

    A word is part of a field; one or two letters or digits of ASCII, too short for a trigram, begin a word there. One
    letter of another script can be anywhere: Chinese, Japanese or Thai names have no spaces between their parts. Words
    without a letter or digit are left out. Raises Refusal, of `field`.
    """
    words = _words(search, field)
    named = dict(zip(_NAMES, words, strict=False))
    parts = sorted((part for word in words for part in _parts(word)), key=len, reverse=True)
    return Condition(
        " and ".join(["u.search like %(" + name + ")s" for name in _NAMES[: len(words)]]),
        {name: f"%{' ' * _begins(word)}{_escaped(word)}%" for name, word in named.items()},
        tuple(dict.fromkeys(parts))[:_MOST_PARTS],
        len(words) == 1 and not _LETTER.sub("", words[0]),
    )


def exactly(search: str) -> Mapping[str, str | None]:
    """The `email_key` and the `external_id` that a user has whose address or external id is exactly the search."""
    text = search.strip()
    try:
        email_key = email_address.canonical(text)
    except email_address.InvalidEmail:
        email_key = None
    return {"email_key": email_key, "external_id": text}


def _words(search: str, field: str) -> list[str]:
    if any(unicodedata.category(character) == "Cc" for character in search):
        raise refusals.invalid("must not hold control characters", field)
    found = [word for word in dict.fromkeys(search_text.normalize(search).split()) if _LETTER.search(word)]
    if not found:
        raise refusals.invalid("must hold a letter or digit", field)
    if len(found) > len(_NAMES):
        raise refusals.invalid(f"must not hold more than {len(_NAMES)} words", field)
    return found


def _begins(word: str) -> bool:
    """Whether a word is searched for at the beginning of words alone."""
    indexed = search_text.indexable(word)
    return len(indexed) < 3 or not _ANYWHERE.search(indexed)


def _parts(word: str) -> list[str]:
    """Patterns of LIKE: a user who has this word in a field has a word in `user_words` (projections) that is like each.

    Only those that an index of trigrams can look up; there is one at least.
    """
    begins = _begins(word)
    local, at, _ = word.partition("@")
    # Many users have the words of a domain: looking them up finds no fewer.
    return (at and _runs(f"{local}@", begins=begins)) or _runs(word, begins=begins)


def _runs(text: str, *, begins: bool) -> list[str]:
    text = search_text.indexable(text)
    patterns: list[str] = []
    for run in _RUN.finditer(text):
        before = "%" if run.start() == 0 and not begins else ""
        behind = "%" if run.end() == len(text) else ""
        if not before or len(run[0]) + (not behind) >= 3:
            patterns.append(f"{before}{run[0]}{behind}")
    return patterns


def _escaped(text: str) -> str:
    return re.sub(r"[\\%_]", r"\\\g<0>", search_text.indexable(text))
