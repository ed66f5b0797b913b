"""ListUsers: pages in any order, of all users or of those with a status or found by a search."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import LiteralString

from denizen import messages as m
from denizen.messages import Sort

from services.directory.search import selectivity
from services.directory.search.cursor import ListCursor, decode
from services.directory.search.planner import NEAR, Plan, choose_plan
from services.directory.search.terms import Condition, condition, exactly
from services.domain import refusals
from services.endpoint.answer_size import fitting, listed
from services.platform import sql
from services.platform.database import Database, DatabaseUnavailable, ResultRow

_SECONDS = 3
"""The most time that a hostile term can take, in all its statements: later searches wait behind it."""

PLANS: Mapping[str, str] = {
    # Which index is right depends on the term. Tables are read from memory.
    "plan_cache_mode": "force_custom_plan",
    "random_page_cost": "1.1",
    # Where the process that would break it off is gone.
    "statement_timeout": f"{_SECONDS}s",
}
"""Options of the connections of lists."""

_PATIENCE_SECONDS = 0.05
"""How long more users are searched while a page is empty."""
_COLUMNS: Mapping[str, LiteralString] = {"createdAt": "user_id", "email": "email", "name": "name"}
"""Ids are UUIDv7, which sort by time."""
_ALL_USERS = Condition("true", {})


class UserSearch(m.ListUsers):
    """ListUsers with a search: answered beside lists, which then need not wait for it."""


async def list_users(database: Database, request: m.ListUsers) -> tuple[int, bytes]:
    """The position that the projections show, and the page as JSON. `database` is opened with PLANS.

    Raises Refusal, and DatabaseUnavailable, also where it takes longer than 3 s.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            return await _listed(database, request)
    except TimeoutError as error:
        raise DatabaseUnavailable("PostgreSQL took too long") from error


async def _listed(database: Database, request: m.ListUsers) -> tuple[int, bytes]:
    if request.cursor is not None and request.offset:
        raise refusals.invalid("cannot be given together with a cursor", "offset")
    cursor = ListCursor(request.sort, "", "") if request.cursor is None else decode(request.cursor, request.sort)
    page = first = await _page(database, request, cursor)
    until = time.monotonic() + _PATIENCE_SECONDS
    while not page.found and page.behind is not None and time.monotonic() < until:
        page = await _page(database, request, page.behind)
    documents = [row[2].encode() for row in page.found[: request.count]]
    shown = fitting(documents)
    behind = page.behind
    if len(page.found) > len(shown):
        behind = _after(page.cursor, page.exact, page.found[len(shown) - 1])
    total, estimated = first.total, first.estimated
    if estimated:
        total = max(total, len(page.found))
        if behind is None and request.cursor is None and not request.offset:
            total, estimated = len(page.found), False  # All are shown.
    following = behind.encode() if behind else None
    cut = {"truncated": True} if len(shown) < len(documents) else {}
    return first.position, listed(shown, total=total, totalIsEstimate=estimated, nextCursor=following, **cut)


@dataclass(frozen=True, slots=True)
class _Page:
    """The users found behind a cursor, one more than asked for where there are more.

    Attributes:
        found: id, sort key and document of each.
        exact: those who are exactly what is searched for.
        behind: where others may be, where not all were looked at.
    """

    cursor: ListCursor
    exact: Sequence[str]
    position: int
    total: int
    estimated: bool
    found: Sequence[ResultRow]
    behind: ListCursor | None


async def _page(database: Database, request: m.ListUsers, cursor: ListCursor, *, near: bool = True) -> _Page:
    searched = _ALL_USERS if request.search is None else condition(request.search)
    exact = await _exact(database, request.search, cursor)
    apart = [*cursor.first, *exact]
    parameters = {
        "status": request.status,
        "key": cursor.key,
        "last": cursor.user_id,
        "offset": request.offset,
        "count": request.count + 1,
        "most": request.offset + request.count + 1,
        "near": NEAR,
        "exact": exact,
        "apart": apart,
        **searched.parameters,
        **selectivity.parameters(searched.parts),
    }
    chosen, values = await choose_plan(
        database, request, searched, parameters, beyond_cursor=bool(cursor.user_id), near=near
    )
    statement = _statement(chosen, request.sort, beyond_cursor=bool(cursor.user_id))
    rows = await database.fetch(statement, {**parameters, **values})
    position, total, estimated = rows[0][:3] if rows else (0, 0, False)
    found = [row[3:] for row in rows if row[3] is not None]
    if chosen.page == "list_near" and len(found) <= request.count:
        return await _page(database, request, cursor, near=False)
    edge = values.get("edge")
    behind = ListCursor(cursor.sort, edge, edge, tuple(apart)) if edge else None
    return _Page(cursor, exact, position, total, estimated, found, behind)


async def _exact(database: Database, search: str | None, cursor: ListCursor) -> list[str]:
    """The users whose address or external id is exactly the search, where they are not shown yet."""
    if search is None or cursor.user_id:
        return []
    rows = await database.fetch(sql.load("services.directory.search", "list_exact"), exactly(search))
    return [user_id for user_id in dict.fromkeys(user_id for (user_id,) in rows) if user_id not in cursor.first]


def _after(cursor: ListCursor, exact: Sequence[str], shown: ResultRow) -> ListCursor:
    """The cursor behind the last one that is shown, those before, and those skipped; exact ones come first."""
    last, key, _ = shown
    if last in exact:
        return ListCursor(cursor.sort, "", "", (*cursor.first, *exact[: exact.index(last) + 1]))
    return ListCursor(cursor.sort, key, last, (*cursor.first, *exact))


@lru_cache(256)
def _statement(plan: Plan, sort: Sort, *, beyond_cursor: bool) -> LiteralString:
    """The SQL of a page: the files that are named, with their parts in place."""
    descending = sort.startswith("-")
    after_key = "(key, user_id) {beyond} (%(key)s, %(last)s)" if beyond_cursor else "true"
    after = after_key.replace("key,", "{key},")
    if beyond_cursor and plan.page == "list_with_status":
        after = "(status, user_id) {beyond} (%(status)s, %(last)s)"
    return (
        sql.load("services.directory.search", plan.page)
        .replace("{total}", sql.load("services.directory.search", plan.total))
        .replace("{found}", plan.found)
        .replace("{match}", plan.match)
        .replace("{after}", after)
        .replace("{after_key}", after_key)
        .replace("{beyond}", "<" if descending else ">")
        .replace("{order}", "desc" if descending else "asc")
        .replace("{key}", _COLUMNS[sort.removeprefix("-")])
    )
