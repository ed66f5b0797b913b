"""ListUsers: pages in any order, of all users or of those with a status or found by a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import LiteralString

from denizen import messages as m
from denizen.messages import Sort

from services import sql
from services.database import Database, Row
from services.directory import finding
from services.directory.cursor import Cursor, decode
from services.endpoint.page import fitting, listed
from services.refusal import Refusal
from services.search import Condition, condition, exactly

PLANS: Mapping[str, str] = {
    # Which index is right depends on the term. Tables are read from memory, and never from end to end.
    "plan_cache_mode": "force_custom_plan",
    "random_page_cost": "1.1",
    "enable_seqscan": "off",
    # The worst that a hostile term can cost; without it those behind it would wait longer.
    "statement_timeout": "3s",
}
"""What the connections of lists are to be opened with."""

_EXACT_TOTAL = 10_000
"""Found users up to which their number is counted, however many the planner expects."""
_FEW = 1_000, _EXACT_TOTAL
"""Found users up to which all are gathered at once; whether there are more is looked up in steps."""
_TOO_MANY = 100_000
"""Where the planner expects so many, at least a tenth of them are there, and none is counted."""
_COLUMNS: Mapping[str, LiteralString] = {"createdAt": "user_id", "email": "email", "name": "name"}
"""Ids are UUIDv7, which sort by time."""
_ANYBODY = Condition("true", {})


@dataclass(frozen=True, slots=True)
class _Way:
    """How a page is found.

    Attributes:
        page, total: the SQL files of it and of the number of all.
        match: that `u` is found, and not listed apart from the others.
        found: all that are, as what comes behind FROM.
        estimate: about how many they are, where they may be too many to count.
    """

    page: LiteralString
    total: LiteralString
    match: LiteralString
    found: LiteralString = ""
    estimate: int | None = None


class Search(m.ListUsers):
    """ListUsers with a search: answered beside lists, which then need not wait for it."""


async def list_users(database: Database, request: m.ListUsers) -> tuple[int, bytes]:
    """The position that the projections show, and the page as JSON. `database` is opened with PLANS. Raises Refusal."""
    if request.cursor is not None and request.offset:
        raise Refusal("validation_failed", "cannot be given together with a cursor", field="offset")
    cursor = Cursor(request.sort, "", "") if request.cursor is None else decode(request.cursor, request.sort)
    searched = _ANYBODY if request.search is None else condition(request.search)
    exact = await _exact(database, request.search, cursor)
    apart = [*cursor.first, *exact]
    parameters = {
        "status": request.status,
        "key": cursor.key,
        "last": cursor.user_id,
        "offset": request.offset,
        "count": request.count + 1,
        "most": request.offset + request.count + 1,
        "exact": exact,
        "apart": apart,
        **searched.parameters,
        **finding.parameters(searched.parts),
    }
    way = await _way(database, request, searched, parameters)
    statement = _statement(way, request.sort, beyond_cursor=bool(cursor.user_id))
    rows = await database.fetch(statement, {**parameters, "estimate": way.estimate})
    position, total = (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)
    found = [row[2:] for row in rows if row[2] is not None]
    estimated = way.estimate is not None and total > _EXACT_TOTAL
    documents = [row[2].encode() for row in found[: request.count]]
    shown = fitting(documents)
    following = _after(cursor, exact, found[len(shown) - 1]).encode() if len(found) > len(shown) else None
    return position, listed(shown, total=total, totalIsEstimate=estimated, nextCursor=following)


async def _way(database: Database, request: m.ListUsers, searched: Condition, parameters: Mapping[str, object]) -> _Way:
    others: LiteralString = "u.user_id <> all(%(apart)s)"
    match = f"(%(status)s::text is null or u.status = %(status)s) and {others} and {searched.sql}"
    if not searched.parts:
        if request.status is None:
            return _Way("list_users", "list_total", match)
        page = "list_with_status" if request.sort.endswith("createdAt") else "list_matching"
        return _Way(page, "list_total", match, f"users u where {match}")
    words_tell = searched.plain and request.status is None

    def found(parts: Sequence[int]) -> LiteralString:
        by_words = words_tell and request.sort.endswith("createdAt")
        found = sql.load("services.directory", "found_by_words" if by_words else "found_among")
        return found.replace("{holders}", finding.holders(parts))

    counts: list[int] = []
    for few in _FEW:
        counts = await finding.count(database, searched.parts, 3 * few)
        if min(counts) <= few:
            # Who has all of the rarer words is read from their index sooner than texts are compared.
            rarer = [index for index, number in enumerate(counts) if number < 3 * few]
            return _Way("list_few", "list_total_few", match, found(rarer))
    estimate = await _estimate(database, match, parameters)
    if words_tell and min(counts, default=0) > _EXACT_TOTAL:
        return _Way("list_matching", "list_total_estimated", match, found([0]), max(estimate, _EXACT_TOTAL + 1))
    counts = await finding.count(database, searched.parts, _TOO_MANY)
    rarer = [index for index, number in enumerate(counts) if number < _TOO_MANY] or list(range(len(counts)))
    total = "list_total_matching" if estimate < _TOO_MANY else "list_total_estimated"
    return _Way("list_matching", total, match, found(rarer), estimate)


async def _exact(database: Database, search: str | None, cursor: Cursor) -> list[str]:
    """The users that are exactly what is searched for and not shown yet, while no others are."""
    if search is None or cursor.user_id:
        return []
    rows = await database.fetch(sql.load("services.directory", "list_exact"), exactly(search))
    return [user_id for user_id in dict.fromkeys(user_id for (user_id,) in rows) if user_id not in cursor.first]


async def _estimate(database: Database, match: LiteralString, parameters: Mapping[str, object]) -> int:
    statement = sql.load("services.directory", "list_estimate").replace("{match}", match)
    (((plan,),),) = await database.fetch(statement, parameters)
    return int(plan["Plan"]["Plan Rows"])


def _after(cursor: Cursor, exact: Sequence[str], shown: Row) -> Cursor:
    """The cursor behind the last one that is shown, those before, and those skipped; exact ones come first."""
    last, key, _ = shown
    if last in exact:
        return Cursor(cursor.sort, "", "", (*cursor.first, *exact[: exact.index(last) + 1]))
    return Cursor(cursor.sort, key, last, (*cursor.first, *exact))


@lru_cache(256)
def _statement(way: _Way, sort: Sort, *, beyond_cursor: bool) -> LiteralString:
    """The SQL of a page: the files that are named, with their parts in place."""
    descending = sort.startswith("-")
    after_key = "(key, user_id) {beyond} (%(key)s, %(last)s)" if beyond_cursor else "true"
    after = after_key.replace("key,", "{key},")
    if beyond_cursor and way.page == "list_with_status":
        after = "(status, user_id) {beyond} (%(status)s, %(last)s)"
    return (
        sql.load("services.directory", way.page)
        .replace("{total}", sql.load("services.directory", way.total))
        .replace("{found}", way.found)
        .replace("{match}", way.match)
        .replace("{after}", after)
        .replace("{after_key}", after_key)
        .replace("{beyond}", "<" if descending else ">")
        .replace("{order}", "desc" if descending else "asc")
        .replace("{key}", _COLUMNS[sort.removeprefix("-")])
    )
