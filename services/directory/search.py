"""What is searched for: terms, as patterns of LIKE that an index of trigrams can look up."""

import re
import unicodedata
from dataclasses import dataclass

from projections import folding
from services.refusal import Refusal

_MOST_TERMS = 8
_LETTER = re.compile(r"[^\W_]")
_ANYWHERE = re.compile(r"[^\W_]{3}|[^\W_]{2}[\W_]|[\W_][^\W_]")
"""What trigrams can be made of wherever it stands: pg_trgm thinks two spaces before each word, and one behind."""


@dataclass(frozen=True, slots=True)
class Term:
    """What `users.search` (projections.folding) must hold: `pattern`, by LIKE, and `whole` where that is not empty."""

    pattern: str
    whole: str = ""


def terms(search: str) -> list[Term]:
    """The terms of a search, all of which must match.

    A term is part of a field; one that is too short for a trigram begins a word. Those without a letter or digit are
    left out. Raises Refusal.
    """
    if any(unicodedata.category(character) == "Cc" for character in search):
        raise _refusal("must not hold control characters")
    found = [term for term in dict.fromkeys(folding.fold(search).split()) if _LETTER.search(term)]
    if not found:
        raise _refusal("must hold a letter or digit")
    if len(found) > _MOST_TERMS:
        raise _refusal(f"must not hold more than {_MOST_TERMS} words")
    return [_term(term) for term in found]


def _term(text: str) -> Term:
    if len(text) < 3 or not _ANYWHERE.search(text):
        return Term(f"% {_escaped(text)}%")
    local, at, _ = text.partition("@")
    if at and len(local) > 2 and _ANYWHERE.search(local):
        # Everybody has the trigrams of a domain: looking them up too takes five times as long, and finds no fewer.
        return Term(f"%{_escaped(local)}%", folding.indexable(text))
    return Term(f"%{_escaped(text)}%")


def _escaped(text: str) -> str:
    return re.sub(r"[\\%_]", r"\\\g<0>", folding.indexable(text))


def _refusal(message: str) -> Refusal:
    return Refusal("validation_failed", message, field="search")
