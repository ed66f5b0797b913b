"""Two on one log, step by step: who waits for whom is looked up in the server, never slept for."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from services.domain.claim_kinds import Claim
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import Append, Appended, ClaimTaken, Repeated, Result, StaleVersion
from tests.store.conftest import OpenStore
from tests.support.log import append, ring, streams, until, user_id

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
X: Claim = ("email", "x@example.com")
A, B = user_id(), user_id()


@pytest_asyncio.fixture
async def onlooker(database_url: str) -> AsyncGenerator[Connection]:
    """Looks into the server while others wait."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


async def waits(onlooker: Connection, name: str, use: str = "append") -> None:
    """Until a connection of the store `name`, by default the one that appends, waits for a lock."""

    async def waiting() -> bool:
        cursor = await onlooker.execute(
            "select from pg_stat_activity where application_name = %s and wait_event_type = 'Lock'",
            [f"denizen {name} {use}"],
        )
        return await cursor.fetchone() is not None

    await until(waiting, f"{name} waits")


def start(store: PostgresEventStore, *batch: Append) -> asyncio.Task[list[Result]]:
    return asyncio.create_task(store.append(batch))


INSERT = """
    insert into events (position, event_id, stream, version, type, schema_version, public, metadata, recorded_at, hash)
    values (%s, gen_random_uuid(), %s, %s, 'UserBlocked', 1, '{}', '{}', now(), '')
"""


async def test_reader_never_sees_a_position_before_a_lower_one(
    open_store: OpenStore, owner: Connection, onlooker: Connection
) -> None:
    a, reader = open_store("a"), open_store("reader")
    await owner.execute("begin")
    await owner.execute("select from log_head for update")
    await owner.execute(INSERT, [1, B, 1])
    task = start(a, append(A))
    await waits(onlooker, "a")
    # Position 1 is written and not committed; the append that would be 2 has not even been given it.
    assert (await reader.read(0, 10), await reader.head()) == ([], 0)
    await owner.execute("update log_head set position = 1")
    await owner.execute("commit")
    assert await task == [Appended(2)]
    assert [(each.position, each.stream) for each in await reader.read(0, 10)] == [(1, B), (2, A)]


async def test_rolled_back_position_is_used_again(
    open_store: OpenStore, owner: Connection, onlooker: Connection
) -> None:
    a = open_store("a")
    await owner.execute("begin")
    await owner.execute("select from log_head for update")
    await owner.execute(INSERT, [1, B, 1])
    await owner.execute("update log_head set position = 1")
    task = start(a, append(A))
    await waits(onlooker, "a")
    await owner.execute("rollback")
    assert await task == [Appended(1)]
    assert await a.head() == 1


async def test_readers_never_wait(open_store: OpenStore, owner: Connection) -> None:
    a = open_store("a")
    await a.append([append(A, command_id="c1")])
    await owner.execute("begin")
    await owner.execute("select from log_head for update")
    async with asyncio.timeout(5):
        assert await a.head() == 1
        assert len(await a.read(0, 10)) == len((await streams(a, [A]))[A]) == 1
        assert await a.outcomes(["c1"])


async def test_head_is_locked_last(open_store: OpenStore, owner: Connection, onlooker: Connection) -> None:
    """An append that waits for a claim delays no other."""
    a, b = open_store("a"), open_store("b")
    await owner.execute("begin")
    await owner.execute("insert into claims values (%s, 'other')", [ring().claim(*X)])
    task = start(a, append(A, take=[X]))
    await waits(onlooker, "a")
    async with asyncio.timeout(5):
        assert await b.append([append(B)]) == [Appended(1)]
    await owner.execute("rollback")
    assert await task == [Appended(2)]


async def test_claims_are_locked_in_one_order(open_store: OpenStore, owner: Connection, onlooker: Connection) -> None:
    """Two batches that want the same two in opposite orders cannot wait for each other."""
    claims: list[Claim] = [("email", str(number)) for number in range(20)]
    low, *_, high = sorted(claims, key=lambda claim: ring().claim(*claim))
    await owner.execute("begin")
    await owner.execute("insert into claims values (%s, 'other')", [ring().claim(*low)])
    task = start(open_store("a"), append(A, take=[high]), append(B, take=[low]))
    await waits(onlooker, "a")
    # It waits for the lower, and so it has not taken the higher yet. (Asked before the server looks for deadlocks.)
    await owner.execute("set local lock_timeout = '200ms'")
    await owner.execute("insert into claims values (%s, 'other')", [ring().claim(*high)])
    await owner.execute("rollback")
    assert await task == [Appended(1), Appended(2)]


@pytest.mark.parametrize(("end", "result"), [("commit", ClaimTaken("email")), ("rollback", Appended(1))])
async def test_claim_taken_concurrently_is_lost(
    open_store: OpenStore, owner: Connection, onlooker: Connection, end: str, result: Result
) -> None:
    await owner.execute("begin")
    await owner.execute("insert into claims values (%s, 'other')", [ring().claim(*X)])
    task = start(open_store("a"), append(A, take=[X]))
    await waits(onlooker, "a")
    await (owner.commit() if end == "commit" else owner.rollback())
    assert await task == [result]


@pytest.mark.parametrize(("end", "result"), [("commit", Repeated()), ("rollback", Appended(1))])
async def test_command_run_concurrently_is_not_repeated(
    open_store: OpenStore, owner: Connection, onlooker: Connection, end: str, result: Result
) -> None:
    await owner.execute("begin")
    await owner.execute("insert into commands values ('c1', %s, 1, null, now())", [B])
    task = start(open_store("a"), append(A, command_id="c1"))
    await waits(onlooker, "a")
    await (owner.commit() if end == "commit" else owner.rollback())
    assert await task == [result]


async def test_user_changed_concurrently_conflicts(
    open_store: OpenStore, owner: Connection, onlooker: Connection
) -> None:
    a = open_store("a")
    await a.append([append(A)])
    await owner.execute("begin")
    await owner.execute("select from log_head for update")
    task = start(a, append(A, 1), append(B))
    await waits(onlooker, "a")
    await owner.execute(INSERT, [2, A, 2])
    await owner.execute("update log_head set position = 2")
    await owner.execute("commit")
    assert await task == [StaleVersion(), Appended(3)]


async def test_concurrent_claims_of_two_stores_one_wins(
    open_store: OpenStore, owner: Connection, onlooker: Connection
) -> None:
    """The first has the claim and waits for the head; the second waits for the first."""
    await owner.execute("begin")
    await owner.execute("select from log_head for update")
    first = start(open_store("a"), append(A, take=[X], command_id="c1"))
    await waits(onlooker, "a")
    second = start(open_store("b"), append(B, take=[X], command_id="c2"), append(user_id()))
    await waits(onlooker, "b")
    await owner.execute("rollback")
    assert await first == [Appended(1)]
    assert await second == [ClaimTaken("email"), Appended(2)]


async def test_concurrent_batches_leave_no_gap(open_store: OpenStore) -> None:
    """With conflicts, and a reader who follows live."""
    stores = [open_store(name) for name in "abcd"]
    reader = open_store("reader")
    shared = [user_id() for _ in range(4)]
    done = asyncio.Event()
    seen: list[int] = []

    async def write(store: PostgresEventStore, number: int) -> int:
        stored = 0
        for turn in range(15):
            versions = {user: len(events) for user, events in (await streams(store, shared)).items()}
            claim: Claim = ("email", f"{turn}")
            batch = [append(user, versions.get(user, 0)) for user in shared]
            batch.append(append(user_id(), 0, 2, take=[claim, ("externalId", f"{turn + number}")]))
            batch.append(append(user_id(), 0, 1, command_id=f"c{turn}"))
            results = await store.append(batch)
            sizes = [len(each.events) for each in batch]
            stored += sum(size for size, result in zip(sizes, results, strict=True) if isinstance(result, Appended))
        return stored

    async def follow() -> None:
        while True:
            last = done.is_set()
            events = await reader.read(seen[-1] if seen else 0, 7)
            seen.extend(event.position for event in events)
            if last and not events:
                return

    following = asyncio.create_task(follow())
    stored = await asyncio.gather(*(write(store, number) for number, store in enumerate(stores)))
    done.set()
    await following
    assert sum(stored) == len(seen)
    assert seen == list(range(1, len(seen) + 1))
    assert sum(stored) < 4 * 15 * 7, "there was no conflict"


async def test_key_checks_of_two_services_that_start_at_once_agree(
    open_store: OpenStore, owner: Connection, onlooker: Connection
) -> None:
    await owner.execute("begin")
    for name, value in ring().checks.items():
        await owner.execute("insert into key_checks (name, value) values (%s, %s)", [name, value])
    checking = asyncio.create_task(open_store("late").check_keys())
    await waits(onlooker, "late", "read")
    await owner.execute("commit")
    await checking
