"""ListUsers: pages in any order, of all users or of those with a status or found by a search."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import LiteralString

from denizen import messages as m
from denizen.messages import Sort

from services import email_address, sql
from services.database import Database, Row
from services.directory.cursor import Cursor, decode
from services.directory.search import terms
from services.refusal import Refusal

PLANS: Mapping[str, str] = {
    # Which index is right depends on the term. Tables are read from memory, and never from end to end.
    "plan_cache_mode": "force_custom_plan",
    "random_page_cost": "1.1",
    "enable_seqscan": "off",
    # The worst that a hostile term can cost; without it those behind it would wait longer.
    "statement_timeout": "3s",
}
"""What the connections of lists are to be opened with."""

_TERMS: tuple[LiteralString, ...] = ("term1", "term2", "term3", "term4", "term5", "term6", "term7", "term8")
_WHOLES: tuple[LiteralString, ...] = (
    *("whole1", "whole2", "whole3", "whole4", "whole5", "whole6", "whole7", "whole8"),
)
_EXACT_TOTAL = 10_000
"""Found users up to which their number is counted, however many the planner expects."""
_FEW = 10_000
"""Where the planner expects fewer, all are gathered and counted at once."""
_TOO_MANY = 100_000
"""Where the planner expects so many, at least a tenth of them are there, and none is counted."""
_COLUMNS: Mapping[str, LiteralString] = {"createdAt": "user_id", "email": "email", "name": "name"}
"""Ids are UUIDv7, which sort by time."""


class Search(m.ListUsers):
    """ListUsers with a search: answered beside lists, which then need not wait for it."""


async def list_users(database: Database, request: m.ListUsers) -> tuple[int, bytes]:
    """The position that the projections show, and the page as JSON. `database` is opened with PLANS. Raises Refusal."""
    if request.cursor is not None and request.offset:
        raise Refusal("validation_failed", "cannot be given together with a cursor", field="offset")
    cursor = Cursor(request.sort, "", "") if request.cursor is None else decode(request.cursor, request.sort)
    searched = [] if request.search is None else terms(request.search)
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
        **{name: term.pattern for name, term in zip(_TERMS, searched, strict=False)},
        **{name: term.whole for name, term in zip(_WHOLES, searched, strict=False)},
    }
    estimate = await _estimate(database, len(searched), parameters) if searched else None
    names = _names(request, estimate)
    statement = _statement(*names, request.sort, len(searched), bool(cursor.user_id))
    rows = await database.fetch(statement, {**parameters, "estimate": estimate})
    position, total = (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)
    found = [row[2:] for row in rows if row[2] is not None]
    estimated = names[0] == "list_matching" and bool(searched) and total > _EXACT_TOTAL
    shown = found[: request.count]
    following = _after(cursor, exact, shown) if len(found) > request.count else None
    return position, _body(shown, total, estimated, following)


def _names(request: m.ListUsers, estimate: int | None) -> tuple[str, str]:
    """The SQL files of a page and of the number of all; `estimate`: of those found by a search."""
    if estimate is None:
        by_index = request.status is None or request.sort.endswith("createdAt")
        page = "list_matching" if not by_index else "list_users" if request.status is None else "list_with_status"
        return page, "list_total"
    if estimate < _FEW:
        return "list_few", "list_total_few"
    return "list_matching", "list_total_matching" if estimate < _TOO_MANY else "list_total_estimated"


async def _exact(database: Database, search: str | None, cursor: Cursor) -> list[str]:
    """The users that are exactly what is searched for and not shown yet, while no others are."""
    if search is None or cursor.user_id:
        return []
    try:
        email_key = email_address.canonical(search.strip())
    except email_address.InvalidEmail:
        email_key = None
    keys = {"email_key": email_key, "external_id": search.strip()}
    rows = await database.fetch(sql.load("services.directory", "list_exact"), keys)
    return [user_id for user_id in dict.fromkeys(user_id for (user_id,) in rows) if user_id not in cursor.first]


async def _estimate(database: Database, count: int, parameters: Mapping[str, object]) -> int:
    statement = sql.load("services.directory", "list_estimate").replace("{match}", _match(count))
    (((plan,),),) = await database.fetch(statement, parameters)
    return int(plan["Plan"]["Plan Rows"])


def _after(cursor: Cursor, exact: Sequence[str], shown: Sequence[Row]) -> Cursor:
    """The cursor behind those that were shown or skipped, the exact ones of whom come first."""
    last, key, _ = shown[-1]
    if last in exact:
        return Cursor(cursor.sort, "", "", (*cursor.first, *exact[: exact.index(last) + 1]))
    return Cursor(cursor.sort, key, last, (*cursor.first, *exact))


def _body(shown: Sequence[Row], total: int, estimated: bool, following: Cursor | None) -> bytes:
    data = ",".join(document for _, _, document in shown)
    cursor = "null" if following is None else f'"{following.encode()}"'
    estimate = "true" if estimated else "false"
    return f'{{"data":[{data}],"total":{total},"totalIsEstimate":{estimate},"nextCursor":{cursor}}}'.encode()


@cache
def _statement(name: str, total: str, sort: Sort, count: int, beyond_cursor: bool) -> LiteralString:
    """The SQL of a page: the files of these names with their parts in place."""
    descending = sort.startswith("-")
    if not beyond_cursor:
        after = "true"
    elif name == "list_few":
        after = "(key, user_id) {beyond} (%(key)s, %(last)s)"
    elif name == "list_with_status":
        after = "(status, user_id) {beyond} (%(status)s, %(last)s)"
    else:
        after = "({key}, user_id) {beyond} (%(key)s, %(last)s)"
    return (
        sql.load("services.directory", name)
        .replace("{total}", sql.load("services.directory", total))
        .replace("{match}", _match(count))
        .replace("{after}", after)
        .replace("{beyond}", "<" if descending else ">")
        .replace("{order}", "desc" if descending else "asc")
        .replace("{key}", _COLUMNS[sort.removeprefix("-")])
    )


def _match(count: int) -> LiteralString:
    """That a user is found: by status and every term, and not listed apart from the others."""
    parts: list[LiteralString] = ["(%(status)s::text is null or status = %(status)s)", "user_id <> all(%(apart)s)"]
    for term, whole in zip(_TERMS[:count], _WHOLES[:count], strict=True):
        parts.append("search like %(" + term + ")s")
        parts.append("(%(" + whole + ")s = '' or strpos(search, %(" + whole + ")s) > 0)")
    return " and ".join(parts)
