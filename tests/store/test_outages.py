"""PostgreSQL goes away in the middle of an append: what was stored is known, once, and the store goes on by itself."""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from services.eventstore.log import postgres
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import Append, Appended, Outcome, OutcomeUnknown, Repeated
from services.platform.database import Database, DatabaseUnavailable
from tests.store.conftest import OpenStore
from tests.support.log import append, settings, until, user_id
from tests.support.proxy import Fault, Proxy

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
A = user_id()


@pytest_asyncio.fixture
async def proxy(database_url: str) -> AsyncGenerator[Proxy]:
    async with Proxy(database_url).running() as proxy:
        yield proxy


@pytest.fixture
def through(proxy: Proxy, open_store: OpenStore) -> PostgresEventStore:
    """A store whose connections go through the proxy."""
    return open_store("through", proxy.url)


async def terminate(onlooker: Connection, name: str, *, waiting: bool = False) -> None:
    """End the sessions of a name, once they are there (and wait for a lock)."""

    async def ended() -> bool:
        cursor = await onlooker.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s"
            " and (wait_event_type = 'Lock' or not %s)",
            [name, waiting],
        )
        return await cursor.fetchone() is not None

    await until(ended, f"{name} is there")


# --- before the commit ------------------------------------------------------------------------------------------


async def test_session_ended_in_mid_append_stores_nothing(
    open_store: OpenStore, owner: Connection, database_url: str
) -> None:
    store = open_store("a")
    async with await psycopg.AsyncConnection.connect(database_url, options="-c search_path=denizen") as holder:
        await holder.execute("select from log_head for update")
        task = asyncio.create_task(store.append([append(A, 0, take=[("email", "x")], command_id="c1")]))
        await terminate(owner, "denizen a append", waiting=True)
        with pytest.raises(DatabaseUnavailable):
            await task
        await holder.rollback()
    assert (await store.head(), await store.outcomes(["c1"])) == (0, {})
    assert await store.append([append(A, 0, take=[("email", "x")], command_id="c1")]) == [Appended(1)]


async def test_ended_idle_session_is_opened_again(open_store: OpenStore, owner: Connection) -> None:
    """As after a restart of the server: they had been asked nothing."""
    store = open_store("a")
    await store.append([append(A)])
    await store.head()
    for name in ("denizen a append", "denizen a read"):
        await terminate(owner, name)
        await until(partial(_is_gone, owner, name), f"{name} is gone")
    assert await store.append([append(A, 1)]) == [Appended(2)]
    assert await store.head() == 2


async def _is_gone(onlooker: Connection, name: str) -> bool:
    cursor = await onlooker.execute("select from pg_stat_activity where application_name = %s", [name])
    return await cursor.fetchone() is None


async def test_append_to_a_read_only_server_is_an_outage(open_store: OpenStore, owner: Connection) -> None:
    """As after a failover: the connection is not kept, for the next one may find the primary."""
    await owner.execute(b'alter database "%b" set default_transaction_read_only = on' % owner.info.dbname.encode())
    store = open_store("a")
    with pytest.raises(DatabaseUnavailable):
        await store.append([append(A, command_id="c1")])
    await owner.execute(b'alter database "%b" reset default_transaction_read_only' % owner.info.dbname.encode())
    assert await store.append([append(A, command_id="c1")]) == [Appended(1)]


# --- in mid-commit ----------------------------------------------------------------------------------------------

APPENDS: dict[str, list[Append]] = {
    "an event": [append(A)],
    "an event and its command": [append(A, command_id="c1")],
    "a refusal alone": [append("", 0, 0, command_id="c1", refusal={"error": {"code": "no"}})],
    "nothing first": [append("", 0, 0), append(A, 0, 2, command_id="c1")],
}


@pytest.mark.parametrize("batch", APPENDS.values(), ids=APPENDS.keys())
async def test_lost_answer_to_a_commit_is_looked_up(
    through: PostgresEventStore, proxy: Proxy, batch: list[Append]
) -> None:
    proxy.fault = "after"
    events = sum(len(each.events) for each in batch)
    assert (await through.append(batch))[-1] == Appended(events)
    assert proxy.faults == 1
    assert await through.head() == len(await through.read(0, 10)) == events
    if batch[-1].command_id:
        assert (await through.outcomes(["c1"])).keys() == {"c1"}
        assert (await through.append(batch))[-1] == Repeated()
    assert await through.head() == events


@pytest.mark.parametrize("batch", APPENDS.values(), ids=APPENDS.keys())
async def test_lost_commit_stored_nothing(through: PostgresEventStore, proxy: Proxy, batch: list[Append]) -> None:
    proxy.fault = "before"
    with pytest.raises(DatabaseUnavailable):
        await through.append(batch)
    assert proxy.faults == 1
    assert (await through.head(), await through.outcomes(["c1"])) == (0, {})
    assert (await through.append(batch))[-1] == Appended(sum(len(each.events) for each in batch))


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_lost_commit_without_events_succeeds(through: PostgresEventStore, proxy: Proxy, fault: Fault) -> None:
    """Its outcome leaves no trace to look up, and needs none."""
    proxy.fault = fault
    assert await through.append([append("", 0, 0)]) == [Appended(0)]
    assert proxy.faults == 1


async def test_unknown_outcome_is_found_by_a_repeat(
    through: PostgresEventStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_RESOLVE_SECONDS", 0.3)
    command = append(A, 0, 1, take=[("email", "x")], command_id="c1")
    proxy.fault, proxy.reachable_after_fault = "after", False
    with pytest.raises(OutcomeUnknown):
        await through.append([command])
    proxy.reachable = True
    assert await through.outcomes(["c1"]) == {"c1": Outcome(A, 1, None)}
    assert await through.append([command]) == [Repeated()]
    assert await through.head() == 1


async def _true(value: bool) -> bool:
    return value


# --- a process that stops while it holds the log ----------------------------------------------------------------


async def test_stopped_process_delays_the_log_for_seconds_only(
    through: PostgresEventStore, proxy: Proxy, open_store: OpenStore
) -> None:
    """Its transaction has the head: the server ends it, and it learns that it stored nothing.

    The idle time-out would not: it never comes after a pipeline of psycopg (seen with 3.3 on PostgreSQL 18).
    """
    proxy.fault = "stall"
    stalled = asyncio.create_task(through.append([append(A, command_id="c1")]))
    await until(lambda: _true(proxy.faults == 1), "the stall")
    other = open_store("other")
    async with asyncio.timeout(15):
        # Its own transaction may be given up just before: it is told so, and asks again.
        while True:
            try:
                assert await other.append([append(user_id())]) == [Appended(1)]
                break
            except DatabaseUnavailable:
                continue
        with pytest.raises(DatabaseUnavailable):
            await stalled
    assert await through.append([append(A, command_id="c1")]) == [Appended(2)]


async def test_every_connection_has_timeouts(database_url: str) -> None:
    database = Database(settings(database_url), "test", transaction_seconds=7)
    names = ["statement_timeout", "lock_timeout", "transaction_timeout", "role", "search_path"]
    values = [(await database.fetch("select current_setting(%s)", [name]))[0][0] for name in names]
    await database.close()
    assert values == ["30s", "7s", "7s", "denizen_app", "denizen"]
