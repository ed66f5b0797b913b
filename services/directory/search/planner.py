"""Chooses how a page of a list is read: its SQL files, by how many users have the words of the search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from denizen import messages as m

from services.directory.search import selectivity
from services.directory.search.selectivity import Part
from services.directory.search.terms import Condition
from services.platform import sql
from services.platform.database import Database

NEAR = 5_000
"""Users next in the order that are read where they can fill a page (list_near.sql, list_matching.sql)."""
_FEW = 64
"""Matches in the sample up to which all candidates, some 2,000, are gathered at once and counted."""
_COMPARED = 10_000
"""About how many users are compared with the search for one page by time; the next page goes on behind them."""
_SOME = 5_000
"""Matches that PostgreSQL's planner expects up to which they are gathered, where there is no better estimate."""
_MANY = 100_000
"""A word of so many users is not read where there is a rarer one."""
_READING = 12
"""Users that can be read from the index of words in the time in which one is compared."""
_SAMPLE_COMPARED = 300
"""Users of the sample that are compared with the search for an estimate."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a page is read.

    Attributes:
        page, total: the SQL files of the page and of the number of matches.
        match: the condition that `u` matches, and is not listed apart from the others.
        found: all matches, as the source of a FROM clause.
    """

    page: LiteralString
    total: LiteralString
    match: LiteralString
    found: LiteralString = ""


async def choose_plan(
    database: Database,
    request: m.ListUsers,
    searched: Condition,
    parameters: Mapping[str, object],
    *,
    beyond_cursor: bool,
    near: bool,
) -> tuple[Plan, Mapping[str, Any]]:
    """The plan, and parameters of its own: `estimate`, of the number of matches, and `edge`.

    `near`: among the next users, where there may be enough. The edge is the user up to whom those are looked at who
    have the words, where that is not all of them.
    """
    others: LiteralString = "u.user_id <> all(%(apart)s)"
    match = f"(%(status)s::text is null or u.status = %(status)s) and {others} and {searched.sql}"
    if searched.parts:
        search = _Search(database, request, searched.plain and request.status is None, match)
        return await search.plan(searched.parts, parameters, beyond_cursor=beyond_cursor, near=near)
    if request.status is None:
        return Plan("list_users", "list_total", match), {}
    page = "list_with_status" if request.sort.endswith("createdAt") else "list_matching"
    return Plan(page, "list_total", match, f"users u where {match}"), {"edge": None}


@dataclass(frozen=True, slots=True)
class _Search:
    """A search to plan; `words_tell`: every user who has a word like its one part matches."""

    database: Database
    request: m.ListUsers
    words_tell: bool
    match: LiteralString

    async def plan(
        self, patterns: Sequence[str], parameters: Mapping[str, object], *, beyond_cursor: bool, near: bool
    ) -> tuple[Plan, Mapping[str, Any]]:
        by_time = self.request.sort.endswith("createdAt")
        beyond, until, order = ("<", ">=", "desc") if self.request.sort.startswith("-") else (">", "<=", "asc")
        after: LiteralString = f"user_id {beyond} %(last)s" if by_time and beyond_cursor else "true"
        edge = sql.load("services.directory.search", "edge").replace("{after}", after).replace("{order}", order)
        parameters = {**parameters, "rank": self._rank()}
        parts = await selectivity.weigh(
            self.database,
            patterns,
            edge.replace("{sample}", "table sampled") if self.words_tell else "null",
            parameters,
        )
        rarest = parts[0]
        all_found: LiteralString = "found_by_words" if self.words_tell and by_time else "found_among"
        planned = None if rarest.whole else await self._planned(parameters)
        if rarest.sampled < _FEW if planned is None else planned < _SOME:
            found = _found(all_found, parts, max(_SOME, _READING * rarest.users))
            return Plan("list_few", "list_total_few", self.match, found), {}
        estimate = await self._about(parts, parameters) if planned is None else planned
        values: dict[str, Any] = {"estimate": estimate, "edge": None}
        # A caller that counts in offsets needs full pages, one after another in the order of all.
        if not by_time or "offset" in self.request.model_fields_set or not rarest.whole:
            return Plan("list_matching", "list_total_matching", self.match, _found(all_found, parts, _MANY)), values
        if near and estimate * NEAR > 3 * self.request.count * rarest.all_users:
            return Plan("list_near", "list_total_estimated", self.match), values
        if self.words_tell:
            values["edge"] = rarest.edge
        elif rows := await self.database.fetch(edge.replace("{sample}", rarest.sample()), parameters):
            values["edge"] = rows[0][0]
        window = f"{after} and user_id {until} %(edge)s" if values["edge"] else after
        in_order: LiteralString = "found_by_words" if self.words_tell else "found_in_order"
        found = _found(in_order, parts, _READING * rarest.users, window)
        return Plan("list_few", "list_total_estimated", self.match, found), values

    def _rank(self) -> int:
        """The rank of the edge in the sample: enough for a page where words tell, else as many as can be compared."""
        if self.words_tell:
            return 10 + self.request.count * 3 // 2 // selectivity.SAMPLED
        return _COMPARED // selectivity.SAMPLED

    async def _about(self, parts: Sequence[Part], parameters: Mapping[str, object]) -> int:
        """How many users match, estimated from the users of the sample who have the rarer words."""
        if self.words_tell:
            return parts[0].users
        if parts[0].sampled > _SAMPLE_COMPARED:
            return min(parts[0].users, await self._planned(parameters))
        sample = _all_of([part.sample() for part in _rarer(parts, _READING * parts[0].users)])
        statement = sql.load("services.directory.search", "sampled_matches").replace("{sampled}", sample)
        ((count,),) = await self.database.fetch(statement.replace("{match}", self.match), parameters)
        return selectivity.SAMPLED * count

    async def _planned(self, parameters: Mapping[str, object]) -> int:
        """How many users match, as PostgreSQL's planner expects."""
        statement = sql.load("services.directory.search", "list_estimate").replace("{match}", self.match)
        (((plan,),),) = await self.database.fetch(statement, parameters)
        return int(plan["Plan"]["Plan Rows"])


def _rarer(parts: Sequence[Part], than: int) -> list[Part]:
    """The rarest part, and others: reading these from the index is faster than comparing texts."""
    return [part for part in parts if part is parts[0] or (part.whole and part.users < than)]


def _found(source: LiteralString, parts: Sequence[Part], than: int, window: LiteralString = "true") -> LiteralString:
    holders = _all_of([part.holders() for part in _rarer(parts, than)]).replace("{window}", window)
    return sql.load("services.directory.search", source).replace("{holders}", holders)


def _all_of(queries: Sequence[LiteralString]) -> LiteralString:
    """The ids that each of these queries gives."""
    return "\nintersect\n".join([f"({query})" for query in queries])
