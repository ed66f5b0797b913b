"""Projections rebuilt beside the live ones: the same as those, whatever goes on meanwhile and whatever fails."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from ctypes import c_int64
from typing import Any
from zlib import crc32

import orjson
import psycopg
import pytest
from denizen import messages as m
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import projections
from services.directory.lookups import LOOKUPS, look_up
from services.domain.streams import ReplayedEvent, StoredEvent
from services.eventstore.log import memory
from services.eventstore.log.memory import MemoryEventStore
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import END
from services.platform import sql
from services.platform.database import DatabaseUnavailable
from services.projector import checkpoints, filling, rebuild
from services.projector.filling import Half, SecondProcessEnded
from services.projector.rebuild import Rebuild, RebuildRunning, TableInUse, leftovers
from tests.support import log
from tests.support.accounts import Accounts, Json, ask
from tests.support.read_side import BATCHES, ReadSide, commanded, task

Hook = Callable[[], Awaitable[None]]


class Watched(MemoryEventStore):
    """A log in memory; `hook` runs when a reader has what it read, and before it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.hook: Hook | None = None

    async def read(self, after: int, limit: int) -> list[StoredEvent]:
        found = await super().read(after, limit)
        if self.hook is not None:
            await self.hook()
        return found

    async def users(self, until: int, first: str = "", end: str = END) -> AsyncGenerator[list[StoredEvent]]:
        async for found in super().users(until, first, end):
            if self.hook is not None:
                await self.hook()
            yield found


class World:
    """A log, commands on it, live projections, and rebuilds of them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = Watched()
        self.accounts = Accounts(self.store)
        self.read_side = ReadSide(url)

    async def create(self, count: int, word: str = "x") -> list[str]:
        tasks = [ask("CreateUser", {"email": f"{word}{n}.{log.user_id()}@example.com"}) for n in range(count)]
        return [reply["user"]["id"] for reply in await self.accounts.run(*tasks)]

    async def catch_up(self) -> None:
        """As the projector does."""
        position = min(self.read_side.positions.values())
        events = await MemoryEventStore.read(self.store, position, 10_000)
        if events:
            await self.read_side.apply(events)

    async def rebuild(self, *names: str) -> rebuild.Rebuilt:
        chosen = [each for each in projections.ALL if not names or each.name in names]
        return await Rebuild(log.settings(self.url), self.store).run(chosen)

    async def positions(self) -> dict[str, int]:
        async with self.read_side.database.connection() as connection:
            return await checkpoints.read(connection, projections.ALL)

    async def scratch(self) -> list[str]:
        async with self.read_side.database.connection() as connection:
            return await leftovers(connection, "denizen")


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    made = World(database_url)
    async with made.read_side:
        yield made


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES, data=st.data())
def test_rebuilt_tables_equal_the_live_ones(
    runner: asyncio.Runner, database_url: str, batches: list[list[tuple[str, Json]]], data: st.DataObject
) -> None:
    """Wherever the live ones stand, also while the log is read in small batches."""

    async def check(world: World) -> None:
        stored = await commanded(batches, world.store)
        await world.catch_up()
        live = await world.read_side.tables()
        await world.read_side.empty()
        cut = data.draw(st.integers(0, len(stored)))
        if cut:
            await world.read_side.apply(stored[:cut])
        names = data.draw(st.sets(st.sampled_from([each.name for each in projections.ALL])))
        rebuilt = await world.rebuild(*names)
        assert rebuilt.position == len(stored)
        expected = {each.name: len(stored) if each.name in rebuilt.names else cut for each in projections.ALL}
        assert await world.positions() == expected
        world.read_side.positions = expected
        await world.catch_up()
        assert await world.read_side.tables() == live
        assert await world.scratch() == []

    async def run() -> None:
        world = World(database_url)
        async with world.read_side:
            await check(world)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(memory, "_PAGE", data.draw(st.integers(1, 5)))
        patched.setattr(rebuild, "_BATCH", data.draw(st.integers(1, 5)))
        runner.run(run())


async def test_rebuild_counts_logins_across_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    active = ask("CreateUser", {"email": "ada@example.com", "emailVerified": True})
    user_id = (await world.accounts.one(active))["user"]["id"]
    await world.create(2)
    for last in range(5):
        await world.accounts.one(task("LogIn", {"userId": user_id, "ip": f"192.0.2.{last}"}))
    await world.catch_up()
    live = await world.read_side.tables()
    assert (live[0][user_id]["loginCount"], live[0][user_id]["lastLoginIp"]) == (5, "192.0.2.4")
    monkeypatch.setattr(memory, "_PAGE", 2)
    await world.rebuild()
    assert await world.read_side.tables() == live


async def test_rebuild_follows_a_growing_log(world: World) -> None:
    """After each read, also after the last one before the swap, which finds the live ones ahead and catches up."""
    await world.create(10)
    await world.catch_up()
    grown = reads_in_swap = 0

    async def grow() -> None:
        nonlocal grown, reads_in_swap
        unlocked = "select from projections for update skip locked"
        if len(await world.read_side.database.fetch(unlocked, [])) < len(projections.ALL):
            reads_in_swap += 1
        elif grown < 5:
            grown += 1
            await world.create(3)
            await world.catch_up()

    world.store.hook = grow
    rebuilt = await world.rebuild()
    world.store.hook = None
    assert (grown > 1, reads_in_swap) == (True, len(projections.ALL))
    assert rebuilt.position == await world.store.head() == 10 + 3 * grown
    assert set((await world.positions()).values()) == {rebuilt.position}
    await world.create(1)
    await world.catch_up()  # From where it was: nothing has moved under it.
    page = await world.read_side.page(count=500)
    assert page["total"] == len(page["data"]) == rebuilt.position + 1


async def test_rebuild_that_is_ahead_moves_the_checkpoint(world: World) -> None:
    """The projector sees it at its next batch, reads where everything is, and applies nothing twice."""
    names = [projection.name for projection in projections.ALL]
    await world.create(3)
    await world.rebuild("users")
    with pytest.raises(checkpoints.CheckpointMoved):
        await world.catch_up()
    world.read_side.positions = await world.positions()
    assert world.read_side.positions == dict.fromkeys(names, 0) | {"users": 3}
    await world.read_side.apply(await world.store.read(0, 2))
    assert await world.positions() == dict.fromkeys(names, 2) | {"users": 3}
    await world.create(1)
    await world.catch_up()
    assert set((await world.positions()).values()) == {4}
    assert (await world.read_side.page())["total"] == 4


async def test_rebuild_does_not_interrupt_reads(world: World) -> None:
    """Through ten swaps every answer is whole: prepared statements find the new tables, with all their rows."""
    ids = await world.create(50)
    await world.catch_up()
    done = asyncio.Event()

    async def read() -> int:
        answers = 0
        while not done.is_set():
            position, found = await look_up(world.read_side.database, LOOKUPS[m.GetUser], ids)
            page = await world.read_side.page(search="example", count=100)
            assert (position, len(found), page["total"], len(page["data"])) == (50, 50, 50, 50)
            answers += 1
        return answers

    reading = asyncio.create_task(read())
    for _ in range(10):
        await world.rebuild()
    done.set()
    assert await reading > 10


async def test_stopped_rebuild_leaves_nothing_and_a_second_is_refused(world: World) -> None:
    await world.create(3)
    await world.catch_up()
    reached = asyncio.Event()

    async def stay() -> None:
        reached.set()
        await asyncio.Event().wait()

    before = await world.read_side.tables()
    world.store.hook = stay
    first = asyncio.create_task(world.rebuild())
    await reached.wait()
    world.store.hook = None
    assert await world.scratch() != []
    with pytest.raises(RebuildRunning):
        await world.rebuild("users")
    await Rebuild(log.settings(world.url), world.store).tidy()
    assert await world.scratch() != [], "tidying leaves alone what is under way"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await world.scratch() == []
    assert await world.read_side.tables() == before
    assert (await world.rebuild()).position == 3


async def test_killed_rebuild_leaves_the_live_tables_and_is_cleared(world: World) -> None:
    await world.create(3)
    await world.catch_up()
    before = await world.read_side.tables()

    async def kill() -> None:
        if await world.scratch():
            world.store.hook = None
            with psycopg.connect(world.url, autocommit=True) as owner:
                owner.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'denizen rebuild'"
                )

    for clear in (True, False):
        world.store.hook = kill
        with pytest.raises((psycopg.OperationalError, DatabaseUnavailable)):
            await world.rebuild()
        assert await world.scratch() != []
        assert await world.read_side.tables() == before
        if clear:
            await Rebuild(log.settings(world.url), world.store).tidy()
            assert await world.scratch() == []
    with psycopg.connect(world.url) as owner:
        owner.execute("insert into denizen_rebuild.by_email values ('ghost', 'ghost')")
    assert (await world.rebuild()).position == 3
    assert await world.read_side.tables() == before
    assert await world.scratch() == []


async def test_failed_rebuild_leaves_the_live_tables(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.create(3)
    await world.catch_up()
    before, positions = await world.read_side.tables(), await world.positions()

    async def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(rebuild, "_share", fail)
    with pytest.raises(ZeroDivisionError):
        await world.rebuild()
    assert (await world.read_side.tables(), await world.positions(), await world.scratch()) == (before, positions, [])


async def test_long_read_delays_the_swap_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.create(3)
    await world.catch_up()
    with psycopg.connect(world.url) as reader:
        reader.execute("select count(*) from denizen.users")
        monkeypatch.setattr(rebuild, "_SWAPS", 1)
        with pytest.raises(TableInUse):
            await world.rebuild()
        assert (await world.read_side.page())["total"] == 3
        monkeypatch.setattr(rebuild, "_SWAPS", 20)
        monkeypatch.setattr(rebuild, "_PAUSE_SECONDS", 0)
        waiting = asyncio.create_task(world.rebuild())
        await log.until(lambda: _waits(world), "the swap waits")
        await world.create(1)
        reader.rollback()
        assert (await waiting).position >= 3
    assert len(await world.scratch()) == 0


async def _waits(world: World) -> bool:
    query = "select from pg_stat_activity where application_name = 'denizen rebuild' and wait_event_type = 'Lock'"
    with psycopg.connect(world.url) as owner:  # Others are not shown what a session waits for.
        return owner.execute(query).fetchone() is not None


async def test_waiting_projector_does_not_delay_the_swap(world: World) -> None:
    """A swap lets the readers of a table go first: a projector that had read it would never let it pass."""
    await world.create(2)
    with psycopg.connect(world.url) as swap, psycopg.connect(world.url, autocommit=True) as watch:
        swap.execute("lock table denizen.users in share row exclusive mode")
        projecting = asyncio.create_task(world.catch_up())

        async def waits() -> bool:
            return watch.execute("select from pg_locks where not granted").fetchone() is not None

        await log.until(waits, "the projector waits")
        swap.execute("set local lock_timeout = '1s'")
        swap.execute("lock table denizen.users in access exclusive mode")
        swap.commit()
        await projecting
    assert len((await world.read_side.tables())[0]) == 2


async def test_tables_of_an_earlier_version_serve_until_the_swap(world: World) -> None:
    ids = await world.create(3)
    await world.catch_up()
    with psycopg.connect(world.url) as owner:
        owner.execute("update denizen.projections set version = version - 1 where name = 'users'")
        owner.execute("alter table denizen.users drop column search")
        owner.execute("drop table denizen.user_counts, denizen.user_words, denizen.words")
    async with world.read_side.database.connection() as connection:
        positions = await checkpoints.prepare(connection, projections.ALL)
    assert "users" not in positions, "today's code does not write to them"
    world.read_side.positions = positions
    await world.create(1)
    await world.catch_up()
    position, found = await look_up(world.read_side.database, LOOKUPS[m.GetUser], ids)
    assert (position, sorted(found)) == (3, sorted(ids)), "they show what they did, and say so"
    with pytest.raises((psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)):
        await world.read_side.page(search="example")
    await world.rebuild("users")
    assert set((await world.positions()).values()) == {4}
    assert (await world.read_side.page(search="example"))["total"] == 4


async def test_new_projection_on_an_old_log_is_built(world: World) -> None:
    with psycopg.connect(world.url) as owner:
        owner.execute("update denizen.log_head set position = 1")
        owner.execute("delete from denizen.projections where name = 'by_email'")
        owner.execute("drop table denizen.by_email")
    await world.create(2)
    async with world.read_side.database.connection() as connection:
        assert "by_email" not in await checkpoints.prepare(connection, projections.ALL)
    await world.rebuild("by_email")
    assert (await world.positions())["by_email"] == 2


async def test_tables_of_a_later_version_are_not_touched(world: World) -> None:
    with psycopg.connect(world.url) as owner:
        owner.execute("update denizen.projections set version = 1000 where name = 'users'")
    with pytest.raises(checkpoints.ProjectionNewer):
        await world.rebuild()


async def test_rebuild_restores_nothing_of_an_erased_user(database_url: str) -> None:
    """Neither of one erased before, nor of one erased after the rebuild had read them."""
    store = PostgresEventStore(log.settings(database_url), log.ring(), "test")
    accounts = Accounts(store)
    async with ReadSide(database_url):
        pass
    users = [
        (await accounts.one(ask("CreateUser", {"email": f"canary{n}@example.com", "externalId": f"canary{n}"})))["user"]
        for n in range(3)
    ]
    await accounts.one(task("DeleteUser", {"userId": users[0]["id"]}))
    deleting = _Deleting(log.settings(database_url), log.ring(), "deleting")
    deleting.accounts, deleting.user_id = accounts, users[1]["id"]
    assert (await Rebuild(log.settings(database_url), deleting).run(projections.ALL)).position == 5
    dump = await _everything(database_url)
    assert "canary2" in dump
    assert "canary0" not in dump
    assert "canary1" not in dump
    await deleting.close()
    await store.close()


class _Deleting(PostgresEventStore):
    """A log in which a user is deleted after they were read."""

    accounts: Accounts
    user_id: str

    async def users(self, until: int, first: str = "", end: str = END) -> AsyncGenerator[list[ReplayedEvent]]:
        async for found in super().users(until, first, end):
            if any(event.user_id == self.user_id and event.private for event in found):
                await self.accounts.one(task("DeleteUser", {"userId": self.user_id}))
            yield found


async def test_two_processes_build_what_one_builds(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = log.with_keys(database_url)
    store = PostgresEventStore(settings, log.ring(), "test")
    created = [
        ("CreateUser", {"email": f"{n}@example.com", "externalId": str(n), "emailVerified": True}) for n in range(9)
    ]
    changed = [("ChangeEmail", {"userId": n, "email": f"{n + 1}@example.com"}) for n in (8, 7, 1, 0)]
    others = [("BlockUser", {"userId": 3}), ("DeleteUser", {"userId": 5}), ("LogIn", {"userId": 1, "ip": "192.0.2.1"})]
    async with ReadSide(database_url) as read_side:
        stored = await commanded([created, *([each] for each in changed), others], store)
        await read_side.apply(stored)
        live = await read_side.tables()
        assert len(live[0]) == 8
        with psycopg.connect(database_url) as owner:
            owner.execute("truncate denizen.users, denizen.by_email, denizen.by_external_id, denizen.login_history")
        monkeypatch.setattr(rebuild, "_MANY", 1)
        seen: list[tuple[int, int]] = []
        await Rebuild(settings, store).run(projections.ALL, lambda done, total: seen.append((done, total)))
        assert await read_side.tables() == live
        assert seen[-1] == (len(stored), len(stored))
    await store.close()


async def test_failed_second_process_leaves_the_live_tables(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it has other keys than we."""
    store = PostgresEventStore(log.settings(database_url), log.ring(), "test")
    async with ReadSide(database_url) as read_side:
        stored = await commanded([[("CreateUser", {"email": f"{n}@example.com"}) for n in range(4)]], store)
        await read_side.apply(stored)
        live = await read_side.tables()
        monkeypatch.setattr(rebuild, "_MANY", 1)
        with pytest.raises(SecondProcessEnded):
            await Rebuild(log.with_keys(database_url, key=1), store).run(projections.ALL)
        assert await read_side.tables() == live
        async with read_side.database.connection() as connection:
            assert await leftovers(connection, "denizen") == []
    await store.close()


async def test_orphaned_second_process_blocks_rebuilds(world: World) -> None:
    await world.create(3)
    lock = crc32(b"denizen/rebuild/second")
    with psycopg.connect(world.url, autocommit=True) as orphan:
        orphan.execute(sql.load("services.projector", "share_lock"), [lock])
        with pytest.raises(RebuildRunning):
            await world.rebuild()
    assert (await world.rebuild()).position == 3
    before = await world.read_side.tables()
    settings = log.with_keys(world.url)
    half = Half(settings, {"search_path": "denizen"}, lock, os.getpid(), [each.name for each in projections.ALL], "", 3)
    with pytest.raises(SecondProcessEnded):
        await filling._fill(half, c_int64())  # pyright: ignore[reportPrivateUsage]
    assert await world.read_side.tables() == before


async def _everything(url: str) -> str:
    """Every row of every table of ours, as text."""
    text: list[Any] = []
    with psycopg.connect(url) as owner:
        tables = owner.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname like 'denizen%'"
        ).fetchall()
        for (table,) in tables:
            text += owner.execute(f"select to_jsonb(t) from {table} t".encode()).fetchall()
    return orjson.dumps(text, default=str).decode()
