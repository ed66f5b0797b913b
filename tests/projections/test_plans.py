"""The queries that run hottest use their indexes: their plans at 10,000 users."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, LiteralString

import orjson
import psycopg
import pytest
from denizen import messages as m
from denizen.messages import Sort

import projections
from services.directory.lookups import LOOKUPS
from services.directory.search import pages as listing
from services.directory.search import planner as way
from services.directory.search.pages import PLANS, list_users
from services.eventstore.log.reader import IN_ORDER
from services.platform import sql
from services.platform.database import Database, Parameters, ResultRow
from services.projector import checkpoints
from tests.support import log
from tests.support.read_side import USER_ID, WORDS
from tests.support.servers import PostgresServer, copied
from tests.support.statements import numbered

_USERS = f"""
insert into users (user_id, status, doc, email, name, search)
select {USER_ID}, case when n %% 100 = 0 then 'BLOCKED' else 'ACTIVE' end,
       '{{"version":1}}'::json, n || '@example.com', md5(n::text),
       ' ' || n || '@example.com ' || md5(n::text) || ' ' || n || ' example com'
from generate_series(%s::int, %s::int) n;
""".encode()
_FILL = """
set search_path to denizen;
insert into user_counts select status, count(*) from users group by status;
insert into by_email select email, user_id from users;
insert into by_external_id select split_part(email, '@', 1), user_id from users;
analyze;
"""


def _add_users(owner: psycopg.Connection[Any], first: int, last: int) -> None:
    owner.execute("set search_path to denizen")
    owner.execute(_USERS, [first, last])
    owner.execute(WORDS)


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer) -> Iterator[str]:
    """The name of a database with 10,000 users, which each test copies."""

    async def prepare(url: str) -> None:
        database = Database(log.settings(url), "plans")
        async with database.connection() as connection:
            await checkpoints.prepare(connection, projections.ALL)
        await database.close()

    with copied(postgres) as url:
        asyncio.run(prepare(url))
        with psycopg.connect(url, autocommit=True) as owner:
            _add_users(owner, 1, 10_000)
            owner.execute(_FILL)
        yield url.rpartition("/")[2]


@pytest.fixture
def database_url(postgres: PostgresServer, filled: str) -> Iterator[str]:
    with copied(postgres, filled) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """10,000 users, and the settings that services connect with."""
    made = Database(log.settings(database_url), "plans")
    yield made
    await made.close()


async def plan(database: Database, query: str) -> str:
    """How the server runs a query whatever its parameters are, as our connections want it; a step a line."""
    async with database.connection() as connection:
        rows = await connection.execute(f"explain (generic_plan, costs off) {numbered(query)}".encode())
        return "\n".join(str(row[0]) for row in await rows.fetchall())


@pytest.mark.parametrize("lookup", LOOKUPS.values(), ids=[kind.__name__ for kind in LOOKUPS])
async def test_look_ups_read_by_index(database: Database, lookup: Any) -> None:
    steps = await plan(database, lookup.statement)
    for table in ("users", "by_email", "by_external_id"):
        assert f"Seq Scan on {table}" not in steps, steps
    assert "users_pkey" in steps


class Explaining(Database):
    """Notes how each query was run."""

    def __init__(self, url: str) -> None:
        super().__init__(log.settings(url), "plans of lists", options=PLANS)
        self.steps = ""

    async def fetch(self, query: LiteralString, parameters: Parameters, *, binary: bool = False) -> list[ResultRow]:
        if "explain" not in query:
            rows = await super().fetch(
                "explain (analyze, costs off, timing off, buffers off, summary off) " + query, parameters
            )
            self.steps += "\n".join(str(step) for (step,) in rows)
        return await super().fetch(query, parameters, binary=binary)


_STATUSES = [None, "ACTIVE", "BLOCKED", "DEACTIVATED"]
_KEYS = {"createdAt": "users_pkey", "email": "users_email", "name": "users_name"}
_SORTS: list[Sort] = ["createdAt", "-createdAt", "email", "-email", "name", "-name"]


async def listed(url: str, **asked: Any) -> str:
    """The steps in which a page is found, the first one and the one behind it."""
    explaining = Explaining(url)
    page = orjson.loads((await list_users(explaining, m.ListUsers(**asked)))[1])
    if page["nextCursor"] is not None:
        await list_users(explaining, m.ListUsers(**asked, cursor=page["nextCursor"]))
    await explaining.close()
    for table in ("users", "user_words", "words"):
        assert f"Seq Scan on {table}" not in explaining.steps, explaining.steps
    return explaining.steps


async def test_lists_read_a_page_of_an_index(database: Database, database_url: str) -> None:
    for sort, status in product(_SORTS, _STATUSES):
        steps = await listed(database_url, sort=sort, status=status)
        if status is None or sort.endswith("createdAt"):
            assert ("users_status" if status else _KEYS[sort.removeprefix("-")]) in steps, steps
            assert all(float(rows) <= 51 for rows in re.findall(r"rows=(\S+) loops", steps)), steps
            assert "Removed by Filter" not in steps, steps


_WORDS_OF_A_PART = r"using words_pkey on words|Bitmap Index Scan on words_pkey|Bitmap Index Scan on words_parts"


async def test_rare_terms_are_looked_up(database: Database, database_url: str) -> None:
    """Rare, short, absent, several, across words: words by their parts, and then who has them."""
    searches = ["777", "c4ca4238a0", "zz", "77@e", "nobody", "99 ab", "777@exam"]
    for sort, status, search in product(_SORTS, _STATUSES, searches):
        steps = await listed(database_url, search=search, sort=sort, status=status)
        assert re.search(_WORDS_OF_A_PART, steps), steps
        assert "Index Only Scan using user_words_pkey" in steps, steps
        assert "Index Only Scan using user_words_sampled" in steps, steps


async def test_partial_words_are_searched_in_indexes_only(database: Database, database_url: str) -> None:
    """But for those on the page."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("vacuum denizen.users, denizen.user_words")
    steps = await listed(database_url, search="777", count=1)
    read = re.findall(
        r"(?:Heap Scan|Index Scan)(?: Backward)?(?: using \w+)? on (users|user_words)\b.*rows=(\S+) ", steps
    )
    assert read, steps
    assert all(table == "users" and float(rows) <= 2 for table, rows in read), steps
    assert all(int(fetches) == 0 for fetches in re.findall(r"Heap Fetches: (\d+)", steps)), steps


async def test_terms_in_other_scripts_have_trigrams(database: Database, database_url: str) -> None:
    """Whatever the locale of the database takes for a letter."""
    for search in ("\u043c\u0430\u0440\u0438\u044f", "\u738b", "\u738b\u4f1f\u738b\u4f1f"):
        steps = await listed(database_url, search=search)
        assert re.search(f"(?:{_WORDS_OF_A_PART}) \\(actual rows=0.00", steps), steps


async def test_frequent_terms_fill_a_page_in_order(database: Database, database_url: str) -> None:
    """Those that match are not all gathered and sorted."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        _add_users(owner, 10_001, 30_000)
        owner.execute("analyze users")
    for sort, search in product(_SORTS, ["example", "e", "com"]):
        steps = await listed(database_url, search=search, sort=sort)
        assert f"using {_KEYS[sort.removeprefix('-')]} on users" in steps, steps
        gathered = re.findall(r"CTE Scan on found .*", steps)
        assert gathered or sort.endswith("createdAt"), steps
        assert all("never executed" in step for step in gathered), steps


async def test_search_of_frequent_words_reads_a_bounded_number(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By time, and not all who have them."""
    monkeypatch.setattr(way, "_COMPARED", 640)
    monkeypatch.setattr(listing, "_PATIENCE_SECONDS", 0)
    for sort in ("createdAt", "-createdAt"):
        steps = await listed(database_url, search="com.exa", sort=sort)
        looked_at = re.findall(r"Index Scan using users_pkey on users users_\d+ .*loops=(\d+)", steps)
        assert [640 < int(number) <= 672 for number in looked_at] == [True, True], steps
        assert not re.search(r"user_words.*rows=[1-9]\d{4}", steps), steps


def _add_events(database_url: str, users: int) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            f"""set search_path to denizen;
            create temporary table new as
                select n, 'user_' || lpad(n::text, 26, '0') as user_id from generate_series(1, {users}) n;
            insert into events
                (position, event_id, stream, version, type, schema_version, public, metadata, recorded_at, hash)
            select n, gen_random_uuid(), user_id, 1, 'UserCreated', 1, '{{}}', '{{}}', now(), '' from new;
            insert into data_keys select user_id, 1, '' from new;
            insert into commands select n::text, null, null, null, now() from new;""".encode()
        )


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("services.eventstore.log", "read_log"),
        ("services.eventstore.log", "middle_user"),
        ("services.relay", "read_public"),
        ("services.eventstore.log", "load_streams"),
        ("services.eventstore.log", "stream_tips"),
        ("services.eventstore.log", "find_commands"),
    ],
)
async def test_log_is_read_by_index(database: Database, database_url: str, package: str, name: str) -> None:
    _add_events(database_url, 10_000)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("analyze")
    steps = await plan(database, sql.load(package, name))
    for table in ("events", "commands", "data_keys"):
        assert f"Seq Scan on {table}" not in steps, steps


def test_outcome_look_up_cost_is_independent_of_logins(database: Database, database_url: str) -> None:
    """Also of a command that added none: it is not looked for among them."""
    with psycopg.connect(database_url, autocommit=True, options="-c search_path=denizen") as owner:
        owner.execute(
            """insert into events
                (position, event_id, stream, version, type, schema_version, public, metadata, recorded_at, hash)
            select n, gen_random_uuid(), 'user_a/logins', n, 'LoginSucceeded', 1, '{}', '{}', now(), ''
            from generate_series(1, 10000) n;
            insert into commands (command_id, user_id, version, logins, recorded_at)
            values ('change', 'user_a', 1, null, now()), ('login', 'user_a', 1, 5, now());
            analyze;"""
        )
        statement = sql.load("services.eventstore.log", "find_commands")
        ids = ["change", "login"]
        found = owner.execute(statement, [ids], prepare=False).fetchall()
        steps = str(owner.execute("explain (analyze, costs off, timing off) " + statement, [ids]).fetchall())
    assert {(command_id, position, logins) for command_id, _, _, _, position, _, _, logins in found} == {
        ("change", None, 0),
        ("login", 5, 5),
    }
    assert "events_stream_version_key on events" in steps, steps
    assert "Removed by Filter" not in steps, steps


async def test_users_are_read_in_index_order(database_url: str) -> None:
    """Also where their events lie far apart, and where many do not count."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            """set search_path to denizen;
            insert into events
                (position, event_id, stream, version, type, schema_version, public, metadata, recorded_at, hash)
            select n, gen_random_uuid(), 'user_' || substr(md5(n::text), 1, 26), 1, 'UserCreated', 1, '{}', '{}', now(),
                   ''
            from generate_series(1, 10000) n;
            insert into data_keys select user_id, 1, '' from events;
            analyze;"""
        )
    database = Database(log.settings(database_url), "plans", options=IN_ORDER)
    steps = await plan(database, sql.load("services.eventstore.log", "read_users"))
    assert "Index Scan using events_stream_version_key" in steps, steps
    assert "Index Scan using data_keys_pkey" in steps, steps
    assert "Sort" not in steps, steps
    await database.close()


@pytest.mark.parametrize(
    ("package", "name", "indexes"),
    [
        ("services.tokens", "session_alive", ["sessions_pkey"]),
        ("services.eventstore.credentials", "find_session", ["sessions_pkey"]),
        ("services.eventstore.credentials", "find_sessions", ["sessions_user_command", "data_keys_pkey"]),
        ("services.eventstore.credentials", "find_begun", ["sessions_user_command"]),
        ("services.eventstore.credentials", "refresh_session", ["sessions_pkey"]),
        (
            "services.eventstore.credentials",
            "secrets_by_email",
            ["claims_pkey", "passwords_pkey", "events_stream_version_key"],
        ),
        ("services.eventstore.credentials", "secret_by_id", ["passwords_pkey", "events_stream_version_key"]),
        ("services.eventstore.credentials", "find_token", ["codes_reset", "events_stream_version_key"]),
        ("services.eventstore.credentials", "attempt_code", ["codes_pkey", "events_stream_version_key"]),
        ("services.eventstore.credentials", "find_long_code", ["codes_pkey", "events_stream_version_key"]),
    ],
)
async def test_secrets_are_found_by_index(
    database: Database, database_url: str, package: str, name: str, indexes: list[str]
) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            """set search_path to denizen;
            insert into events
                (position, event_id, stream, version, type, schema_version, public, metadata, recorded_at, hash)
            select n, gen_random_uuid(), 'user_' || lpad(n::text, 26, '0'), 1, 'UserCreated', 1, '{}', '{}', now(), ''
            from generate_series(1, 10000) n;
            insert into data_keys select 'user_' || lpad(n::text, 26, '0'), 1, '' from generate_series(1, 10000) n;
            insert into claims select sha256(n::text::bytea), 'user_' || lpad(n::text, 26, '0')
            from generate_series(1, 10000) n;
            insert into passwords select 'user_' || lpad(n::text, 26, '0'), '$' from generate_series(1, 10000) n;
            insert into codes
            select 'user_' || lpad(n::text, 26, '0'), p, sha256((p || n)::bytea), 0, now() + interval '1 h'
            from generate_series(1, 10000) n, unnest(array['verify', 'reset']) p;
            insert into sessions
            select 'sess_' || lpad(n::text, 26, '0'), 'user_' || lpad((n / 3)::text, 26, '0'), n, '', 0, null, now(),
                   now(), now() + interval '1 h', ''
            from generate_series(1, 30000) n;
            analyze;"""
        )
    steps = await plan(database, sql.load(package, name))
    assert "Seq Scan" not in steps, steps
    for index in indexes:
        assert index in steps, steps


def test_session_of_a_command_is_found_among_thousands(database_url: str) -> None:
    """As `authenticate` looks for it: the other sessions of the user are not read."""
    with psycopg.connect(database_url, options="-c search_path=denizen", autocommit=True) as owner:
        owner.execute(
            """insert into sessions
            select 'sess_' || lpad(n::text, 26, '0'), 'user_a', n, '', 0, 'c' || n, now(), now(),
                   now() + interval '1 h', ''
            from generate_series(1, 5000) n"""
        )
        owner.execute("analyze sessions")
        statement = sql.load("services.eventstore.credentials", "find_begun")
        explained = owner.execute(f"explain (analyze, buffers, format json) {statement}", [["user_a"], ["c7"]])
        ((plan,),) = explained.fetchall()
    assert plan[0]["Plan"]["Actual Rows"] == 1
    assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] < 10


async def test_page_of_logins_is_read_from_an_index_unsorted(database: Database, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            """set search_path to denizen;
            insert into login_history
            select 'user_' || lpad((n % 10)::text, 26, '0'), n, now(), 'succeeded', null, null, n / 10
            from generate_series(1, 30000) n;
            analyze;"""
        )
    steps = await plan(database, sql.load("services.directory", "login_history"))
    assert "Index Scan Backward using login_history_pkey" in steps, steps
    assert "Seq Scan on login_history" not in steps, steps


@pytest.mark.parametrize(("minute", "count"), [(0, 0), (1, 1), (50_000, 25_000), (200_000, 100_000)])
async def test_logins_as_of_a_time_are_read_as_one_row_of_100_000(database_url: str, minute: int, count: int) -> None:
    """Every other attempt was refused, and so were the 100,000 after the last login."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            """set search_path to denizen;
            insert into login_history
            select 'user_a', n, '2026-01-01 00:00Z'::timestamptz + n * interval '1 minute',
                   case when n % 2 = 1 and n < 200000 then 'succeeded' else 'invalid_credentials' end, n, null,
                   least(100000, (n + 1) / 2)
            from generate_series(1, 300000) n;
            analyze login_history;"""
        )
        statement = sql.load("services.directory", "logins_as_of")
        values = ["user_a", datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)]
        ((_, found, _, ip),) = owner.execute(statement, values).fetchall()
        assert found == count
        assert ip == (str(2 * count - 1) if count else None)
        ((plan,),) = owner.execute(f"explain (analyze, buffers, format json) {statement}", values).fetchall()
    assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] < 20
