"""A plan that was made while tables were small is kept until they are analyzed, and reads no more when they are not."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
import psycopg
import pytest

import projections
from services.domain.snapshots import FORM
from services.eventstore.log.tails import NEWEST, PAGE
from services.platform import sql
from services.platform.database import Connection, Database
from services.projector import checkpoints
from tests.support import log
from tests.support.read_side import WORDS
from tests.support.statements import Parameters, ordered, prepared

_GROW = """
set search_path to denizen;
create temporary table new on commit drop as
    select n, 'user_' || lpad(n::text, 26, '0') as user_id, sha256(n::text::bytea) as key, n || '@example.com' as email
    from generate_series({first}, {last}) n;
insert into events (position, event_id, stream, version, type, schema_version, public, metadata, recorded_at, hash)
    select n, gen_random_uuid(), user_id, 1, 'UserCreated', 1, '{{}}', '{{}}', now(), '' from new;
insert into data_keys select user_id, 1, '' from new;
insert into snapshots select user_id, 1, 1, n, now(), '' from new;
insert into claims select key, user_id from new;
insert into passwords select user_id, '$' from new;
insert into codes select user_id, p, sha256((p || n)::bytea), 0, now() + interval '1 h'
    from new, unnest(array['verify', 'reset']) p;
insert into sessions
    select 'sess_' || lpad(n::text, 26, '0'), user_id, n, '', 0, n::text, now(), now(), now() + interval '1 h', ''
    from new;
insert into throttles select key, now() + interval '1 h' from new;
insert into commands select n::text, null, null, null, now() from new;
insert into mails (mail_id, user_id, private, due_at, expires_at)
    select gen_random_uuid(), user_id, '', now(), now() + interval '1 h' from new;
insert into import_chunks (import_id, chunk, created, updated, skipped, failed) select n::text, 1, 1, 1, 1, 1 from new;
insert into import_ids (command_id, first) select n::text, gen_random_uuid() from new;
insert into users select user_id, 'ACTIVE', '{{}}', 0, email, email, ' ' || email from new;
insert into by_email select email, user_id from new;
insert into by_external_id select n::text, user_id from new;
insert into login_history select user_id, n, now(), 'succeeded', null, null, 1 from new;
"""


_QUIET = """
set search_path to denizen;
delete from codes; delete from sessions; delete from throttles; delete from mails; delete from commands;
delete from import_chunks; delete from import_ids;
"""
"""A day without requests, after which all that is kept for a while was forgotten."""


def _user(number: int) -> str:
    return f"user_{number:026}"


def _json(*rows: Mapping[str, Any]) -> str:
    return orjson.dumps(rows).decode()


_AT = datetime(2100, 1, 1, tzinfo=UTC)
_USER, _KEY, _ID = _user(7), "0" * 64, UUID(int=7)
_USERS, _OTHER = [_user(7), _user(8)], _json({"user_id": _user(7)}, {"user_id": _user(8)})
_LIMITS = _json(
    *(
        {"request": n, "key": f"{n:064}", "gap": 1, "burst": 5, "spares": True, "known": f"{n:064}", "gets_in": True}
        for n in range(2)
    )
)
_UPDATED = _json(
    {"user_id": _USER, "status": "ACTIVE", "doc": "{}", "login_position": 1, "email": "", "name": "", "search": ""}
)
_ATTEMPTS = _json(
    *({"user_id": _USER, "position": n, "time": _AT, "outcome": "succeeded"} for n in (1_000_000, 1_000_001))
)
_PARAMETERS: Mapping[str, Mapping[str, Parameters]] = {
    "services.eventstore.log": {
        "load_streams": {
            "streams": _USERS,
            "afters": [0, 0],
            "untils": [NEWEST, NEWEST],
            "alone": [False, False],
            "form": FORM,
            "page": PAGE,
        },
        "load_as_of": {"stream": _USER, "after": 0, "at": _AT, "form": FORM, "page": PAGE},
        "drop_snapshots": {"user_ids": _USERS, "versions": [1, 1], "form": FORM},
        "stream_tips": [_USERS],
        "read_log": [5, 20],
        "middle_user": [60],
        "find_commands": [["7", "8"]],
        "is_stored": {"event_id": _ID, "stream": _USER, "command_id": "7"},
        "read_data_keys": [_USERS],
        "release_claims": [_json({"key": _KEY, "user_id": _USER})],
    },
    "services.eventstore.credentials": {
        "held_claims": [[b"7", b"8"]],
        "erase_users": [_OTHER],
        "end_sessions": [_OTHER],
        "spend_codes": [_json({"user_id": _USER, "purpose": "verify"})],
        "find_session": ["sess_7"],
        "find_sessions": [_USER],
        "find_begun": [_USERS, ["7", "8"]],
        "refresh_session": {
            "command_id": "a",
            "digest": b"",
            "at": _AT,
            "expires_at": _AT,
            "session_id": "sess_7",
            "generation": 0,
        },
        "find_token": [b"7"],
        "attempt_code": {"user_id": _USER, "most": 5},
        "find_long_code": {"user_id": _USER},
        "secret_by_id": [_USER],
        "secrets_by_email": [[b"7", b"8"]],
    },
    "services.accounts.guessing": {"admit": {"limits": _LIMITS}, "give_back": {"limits": _LIMITS}},
    "services.tokens": {"session_alive": ["sess_7", _USER]},
    "services.relay": {"read_public": [5, 20]},
    "services.mailer": {
        "take_leases": {"limit": 5, "lease": 60},
        "delete": {"mails": [_ID]},
        "give_back": {"mails": [_ID], "lease": _AT},
        "postpone": {"mail": _ID, "lease": _AT},
    },
    "services.transfer": {
        "begin_message": {"import_id": "7", "chunk": 1, "command_id": "x", "first": _ID, "digest": b""},
        "read_chunks": ["7"],
    },
    "services.directory": {
        "get_users": [_USERS],
        "get_users_by_email": [["7@example.com", "8@example.com"]],
        "get_users_by_external_id": [["7", "8"]],
        "list_identities": [_USER],
        "login_history": {"user_id": _USER, "before": None, "count": 20},
        "logins_as_of": [_USER, _AT],
    },
    "projections": {
        "users_select": [" ".join(_USERS)],
        "users_update": [_UPDATED],
        "users_delete": [_USERS],
        "user_words_delete": [f"7\t{_USER} 8\t{_USER}"],
        "words_forget": ["7 8"],
        "by_email_delete": [_USERS],
        "by_external_id_delete": [_USERS],
        "login_history_delete": [_USERS],
        "login_history_insert": [_ATTEMPTS],
    },
}
_STATEMENTS: Mapping[str, tuple[LiteralString, Parameters]] = {
    f"{package.replace('.', '_')}_{name}": (sql.load(package, name), parameters)
    for package, statements in _PARAMETERS.items()
    for name, parameters in statements.items()
}
_MOST = 300
"""Rows that a step may read: three for each of a hundred events."""


def _grow(owner: psycopg.Connection[Any], first: int, last: int) -> None:
    with owner.transaction():
        owner.execute(_GROW.format(first=first, last=last).encode())
        owner.execute(WORDS)


async def _read(connection: Connection, name: str, parameters: Sequence[Any]) -> tuple[float, str]:
    """The most rows that a step of a prepared statement reads, whether they are wanted or not; and the plan."""
    values = ", ".join(["%s"] * len(parameters))
    async with connection.transaction(force_rollback=True):
        cursor = psycopg.AsyncClientCursor(connection)
        statement = f"explain (analyze, timing off, buffers off, format json) execute {name} ({values})"
        await cursor.execute(statement.encode(), parameters)
        (([plan],),) = await cursor.fetchall()
    return max(_rows(plan["Plan"])), orjson.dumps(plan, option=orjson.OPT_INDENT_2).decode()


def _rows(step: Mapping[str, Any]) -> Iterator[float]:
    removed = sum(rows for name, rows in step.items() if name.startswith("Rows Removed"))
    yield (step["Actual Rows"] + removed) * step["Actual Loops"]
    for each in step.get("Plans", []):
        yield from _rows(each)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A service's, to a database with empty projections."""
    database = Database(log.settings(database_url), "plans")
    async with database.connection() as connection:
        await checkpoints.prepare(connection, projections.ALL)
        connection.prepare_threshold = None  # Else psycopg would drop our statements with its own.
        yield connection
    await database.close()


@pytest.mark.parametrize(("users", "changed"), [(0, None), (60, None), (2, ""), (60, ""), (600, ""), (60, _QUIET)])
async def test_kept_plans_read_grown_tables_by_index(
    connection: Connection, database_url: str, users: int, changed: str | None
) -> None:
    """`changed`: what was done before the tables were analyzed, if they were."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        _grow(owner, 1, users)
        if changed is not None:
            owner.execute(changed.encode())
            owner.execute("vacuum analyze")
        for name, (query, parameters) in _STATEMENTS.items():
            await connection.execute(prepared(name, query, parameters))
            await _read(connection, name, ordered(query, parameters))
        _grow(owner, users + 1, users + 3_000)
    for name, (query, parameters) in _STATEMENTS.items():
        most, plan = await _read(connection, name, ordered(query, parameters))
        assert most <= _MOST, f"{name}: {plan}"
