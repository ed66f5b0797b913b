"""The SQL of each query, and the keys that it looks for."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from denizen import messages as m

from services.directory.search.pages import PLANS, UserSearch, list_users
from services.domain import email_address
from services.endpoint.answer_size import fitting, listed
from services.endpoint.call import Call
from services.platform import sql
from services.platform.database import Database

_LAST = 2**63 - 1
"""The largest position that PostgreSQL can store; a cursor has room for more."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Users by one kind of key: any number of keys, one statement."""

    statement: LiteralString
    key: Callable[[Any], str]
    """The key that a request asks for. Raises email_address.InvalidEmail."""
    field: str


def _sql(name: str) -> LiteralString:
    return sql.load("services.directory", name)


def _id(request: m.GetUser) -> str:
    return request.user_id


def _email(request: m.GetUserByEmail) -> str:
    return email_address.canonical(request.email)


def _external_id(request: m.GetUserByExternalId) -> str:
    return request.external_id


LOOKUPS: Mapping[type[m.Request], Lookup] = {
    m.GetUser: Lookup(_sql("get_users"), _id, "userId"),
    m.GetUserByEmail: Lookup(_sql("get_users_by_email"), _email, "email"),
    m.GetUserByExternalId: Lookup(_sql("get_users_by_external_id"), _external_id, "externalId"),
}


async def look_up(database: Database, lookup: Lookup, keys: Sequence[str]) -> tuple[int, dict[str, str]]:
    """The position that the projections show, and the users found: their JSON, by key."""
    rows = await database.fetch(lookup.statement, [list(keys)])
    position = rows[0][0] if rows else 0
    return int(position or 0), {key: document for _, key, document in rows if key is not None}


async def login_history(database: Database, call: Call) -> tuple[int, bytes | None]:
    """The position that the projections show, and the page as JSON; its cursor as the caller may see positions."""
    request = call.request
    assert isinstance(request, m.GetLoginHistory)
    before = min(int(request.cursor), _LAST) if request.cursor else None
    parameters = {"user_id": request.user_id, "before": before, "count": request.count}
    rows = await database.fetch(_sql("login_history"), parameters)
    position, exists = rows[0][:2]
    if not exists:
        return int(position or 0), None
    found = [(at, login.encode()) for _, _, at, login in rows if at is not None]
    shown = fitting([login for _, login in found[: request.count]])
    cursor = str(call.shown(found[len(shown) - 1][0])) if len(found) > len(shown) else None
    return int(position), listed(shown, nextCursor=cursor)


async def _identities(database: Database, request: m.ListIdentities) -> tuple[int, bytes | None]:
    rows = await database.fetch(_sql("list_identities"), [request.user_id])
    position, data = rows[0] if rows else (0, None)
    return int(position), None if data is None else f'{{"data":{data}}}'.encode()


SINGLES: Mapping[type[m.Request], Callable[[Database, Any], Awaitable[tuple[int, bytes | None]]]] = {
    m.ListUsers: list_users,
    UserSearch: list_users,
    m.ListIdentities: _identities,
}
"""By query: the function that answers one at a time, with the position that the projection shows and the body; None
where there is no such user."""

OPTIONS: Mapping[str, Mapping[str, str]] = {kind.__name__: PLANS for kind in (m.ListUsers, UserSearch)}
"""By the name of a request: options of its connection beside those that all connections have."""


async def tables_exist(database: Database) -> bool:
    """Whether the projector has made its tables."""
    return await database.fetch(_sql("tables_exist"), []) == [(True,)]
