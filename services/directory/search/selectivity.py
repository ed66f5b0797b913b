"""Estimates how many users match each part of a search, from the word index alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

from services.platform import sql
from services.platform.database import Database

SAMPLED = 32
"""How many users there are for each one in the sample."""
_MOST_WORDS = 3_000
_MOST_SAMPLED = 32_000
"""How many words like a part, and how many users of the sample who have them, are read for an estimate."""
_PARTS: tuple[LiteralString, ...] = ("part1", "part2", "part3", "part4", "part5", "part6", "part7", "part8")
_INDEXES: tuple[LiteralString, ...] = ("0", "1", "2", "3", "4", "5", "6", "7")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a search, and how many users it matches.

    Attributes:
        index: its place among the parts.
        beginning: words begin with it.
        words: how many are like it, of the first 3,000.
        holding: words like it of users of the sample, of the first 32,000.
        sampled: the users of the sample who have one.
        edge: one of these users, where that was asked for and there are enough.
        all_users: the number of all users.
    """

    index: int
    beginning: bool
    words: int
    holding: int
    sampled: int
    edge: str | None
    all_users: int

    @property
    def users(self) -> int:
        """About how many users have a word like it; at least so many, where it is not `whole`."""
        return SAMPLED * self.sampled

    @property
    def whole(self) -> bool:
        """Whether all these users of the sample were counted."""
        return self.holding < _MOST_SAMPLED and (self.beginning or self.words < _MOST_WORDS)

    def holders(self) -> LiteralString:
        """SQL: the ids of users within {window} who have a word like it, once for each such word."""
        many = self.beginning and self.words == _MOST_WORDS
        return _load("holders_beginning" if many else "holders", _PARTS[self.index])

    def sample(self) -> LiteralString:
        """SQL: the ids of users of the sample who have a word like it."""
        return _load("sampled_beginning" if self.beginning else "sampled", _PARTS[self.index])


def parameters(parts: Sequence[str]) -> Mapping[str, str | int]:
    """The named parameters of these parts."""
    return {**dict(zip(_PARTS, parts, strict=False)), "most_words": _MOST_WORDS, "most_sampled": _MOST_SAMPLED}


async def weigh(
    database: Database, parts: Sequence[str], edge: LiteralString, values: Mapping[str, object]
) -> list[Part]:
    """The parts, the rarest first. `edge`: SQL of one of `sampled`; `values`: the parameters."""
    beginning = [not part.startswith("%") for part in parts]
    query = "\nunion all\n".join(
        [
            _load("weigh_beginning" if begins else "weigh", name).replace("{index}", index)
            for begins, name, index in zip(beginning, _PARTS, _INDEXES, strict=False)
        ]
    )
    rows = await database.fetch(query.replace("{edge}", edge), values)
    weighed = [Part(index, beginning[int(index)], *rest) for index, *rest in rows]
    return sorted(weighed, key=lambda part: (not part.whole, part.sampled))


def _load(name: str, part: LiteralString) -> LiteralString:
    return sql.load("services.directory.search", name).strip().replace("{part}", "%(" + part + ")s")
