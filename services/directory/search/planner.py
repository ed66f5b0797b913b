"""How a page of a list is found: the SQL files of it, chosen by how many have the words that are searched for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from denizen import messages as m

from services.directory.search import selectivity as finding
from services.directory.search.selectivity import Part
from services.directory.search.terms import Condition
from services.platform import sql
from services.platform.database import Database

NEAR = 5_000
"""Users next in the order who are looked at where a page can be filled of them (list_near.sql, list_matching.sql)."""
_FEW = 64
"""Users of the sample up to which all who may be found, some 2,000, are gathered at once, and counted."""
_COMPARED = 10_000
"""Users, about, who are compared with the search for one page by time; the next page goes on behind them."""
_SOME = 5_000
"""Users that the planner expects up to which they are gathered, where nothing better is known."""
_MANY = 100_000
"""So many are not gathered where there is a rarer word."""
_READING = 12
"""Users who are read from the index of words as soon as one is compared."""
_SAMPLE_COMPARED = 300
"""Users of the sample who are compared with the search for an estimate."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a page is found.

    Attributes:
        page, total: the SQL files of it and of the number of all.
        match: that `u` is found, and not listed apart from the others.
        found: all that are, as what comes behind FROM.
    """

    page: LiteralString
    total: LiteralString
    match: LiteralString
    found: LiteralString = ""


async def way(
    database: Database,
    request: m.ListUsers,
    searched: Condition,
    parameters: Mapping[str, object],
    *,
    beyond_cursor: bool,
    near: bool,
) -> tuple[Way, Mapping[str, Any]]:
    """The way, and the parameters that are its own: `estimate`, of the number of all, and `edge`.

    `near`: among the next users, where there may be enough. The edge is the user up to whom those are looked at who
    have the words, where that is not all of them.
    """
    others: LiteralString = "u.user_id <> all(%(apart)s)"
    match = f"(%(status)s::text is null or u.status = %(status)s) and {others} and {searched.sql}"
    if searched.parts:
        search = _Search(database, request, searched.plain and request.status is None, match)
        return await search.way(searched.parts, parameters, beyond_cursor=beyond_cursor, near=near)
    if request.status is None:
        return Way("list_users", "list_total", match), {}
    page = "list_with_status" if request.sort.endswith("createdAt") else "list_matching"
    return Way(page, "list_total", match, f"users u where {match}"), {"edge": None}


@dataclass(frozen=True, slots=True)
class _Search:
    """A search that is to be answered; `words_tell`: whoever has a word like its one part is found."""

    database: Database
    request: m.ListUsers
    words_tell: bool
    match: LiteralString

    async def way(
        self, patterns: Sequence[str], parameters: Mapping[str, object], *, beyond_cursor: bool, near: bool
    ) -> tuple[Way, Mapping[str, Any]]:
        by_time = self.request.sort.endswith("createdAt")
        beyond, until, order = ("<", ">=", "desc") if self.request.sort.startswith("-") else (">", "<=", "asc")
        after: LiteralString = f"user_id {beyond} %(last)s" if by_time and beyond_cursor else "true"
        edge = sql.load("services.directory.search", "edge").replace("{after}", after).replace("{order}", order)
        parameters = {**parameters, "rank": self._rank()}
        parts = await finding.weigh(
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
            return Way("list_few", "list_total_few", self.match, found), {}
        estimate = await self._about(parts, parameters) if planned is None else planned
        values: dict[str, Any] = {"estimate": estimate, "edge": None}
        # Who counts in offsets needs full pages, one after another in the order of all.
        if not by_time or "offset" in self.request.model_fields_set or not rarest.whole:
            return Way("list_matching", "list_total_matching", self.match, _found(all_found, parts, _MANY)), values
        if near and estimate * NEAR > 3 * self.request.count * rarest.everybody:
            return Way("list_near", "list_total_estimated", self.match), values
        if self.words_tell:
            values["edge"] = rarest.edge
        elif rows := await self.database.fetch(edge.replace("{sample}", rarest.sample()), parameters):
            values["edge"] = rows[0][0]
        window = f"{after} and user_id {until} %(edge)s" if values["edge"] else after
        in_order: LiteralString = "found_by_words" if self.words_tell else "found_in_order"
        found = _found(in_order, parts, _READING * rarest.users, window)
        return Way("list_few", "list_total_estimated", self.match, found), values

    def _rank(self) -> int:
        """Of the edge among the sample: far enough for a page of those whom words tell, else what can be compared."""
        if self.words_tell:
            return 10 + self.request.count * 3 // 2 // finding.SAMPLED
        return _COMPARED // finding.SAMPLED

    async def _about(self, parts: Sequence[Part], parameters: Mapping[str, object]) -> int:
        """How many match, by those of the sample who have the rarer words."""
        if self.words_tell:
            return parts[0].users
        if parts[0].sampled > _SAMPLE_COMPARED:
            return min(parts[0].users, await self._planned(parameters))
        sample = _all_of([part.sample() for part in _rarer(parts, _READING * parts[0].users)])
        statement = sql.load("services.directory.search", "sampled_matches").replace("{sampled}", sample)
        ((count,),) = await self.database.fetch(statement.replace("{match}", self.match), parameters)
        return finding.SAMPLED * count

    async def _planned(self, parameters: Mapping[str, object]) -> int:
        """How many match, as the planner thinks."""
        statement = sql.load("services.directory.search", "list_estimate").replace("{match}", self.match)
        (((plan,),),) = await self.database.fetch(statement, parameters)
        return int(plan["Plan"]["Plan Rows"])


def _rarer(parts: Sequence[Part], than: int) -> list[Part]:
    """The rarest, and others: who has all these words is read from indexes sooner than texts are compared."""
    return [part for part in parts if part is parts[0] or (part.whole and part.users < than)]


def _found(source: LiteralString, parts: Sequence[Part], than: int, window: LiteralString = "true") -> LiteralString:
    holders = _all_of([part.holders() for part in _rarer(parts, than)]).replace("{window}", window)
    return sql.load("services.directory.search", source).replace("{holders}", holders)


def _all_of(queries: Sequence[LiteralString]) -> LiteralString:
    """The ids that each of these queries gives."""
    return "\nintersect\n".join([f"({query})" for query in queries])
