"""How many have a word like a part of what is searched for, by the index of words alone."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

from services import sql
from services.database import Database

_PARTS: tuple[LiteralString, ...] = ("part1", "part2", "part3", "part4", "part5", "part6", "part7", "part8")


def parameters(parts: Sequence[str]) -> Mapping[str, str]:
    """The named parameters of these parts."""
    return dict(zip(_PARTS, parts, strict=False))


def holders(chosen: Sequence[int]) -> LiteralString:
    """SQL: the ids of those who have a word like each of the chosen parts; of one part, again for each such word."""
    return "\nintersect\n".join([_load("holders", _PARTS[index]) for index in chosen])


async def count(database: Database, parts: Sequence[str], most: int) -> list[int]:
    """How many users have a word like each part, by at most so many of their words."""
    counts = ", ".join([f"({_load('count_holders', name)})" for name in _PARTS[: len(parts)]])
    (row,) = await database.fetch("select " + counts, {**parameters(parts), "most": most})
    return list(row)


def _load(name: str, part: LiteralString) -> LiteralString:
    return sql.load("services.directory", name).strip().replace("{part}", "%(" + part + ")s")
