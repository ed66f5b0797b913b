"""Hypothesis: whatever is commanded, the projections and the queries show the fold of the log."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import pairwise

import orjson
import psycopg
import pytest
from denizen import messages as m
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.errors import UniqueViolation

import projections
from services.directory.lookups import LOOKUPS, SINGLES, look_up
from services.domain.streams import StoredEvent
from services.domain.user import UserAggregate
from services.projector import checkpoints
from tests.support.accounts import Json
from tests.support.log import until
from tests.support.read_side import BATCHES, ReadSide, commanded, folded, logins, shown


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES, data=st.data())
def test_projections_equal_the_fold_of_the_log(
    runner: asyncio.Runner, database_url: str, batches: list[list[tuple[str, Json]]], data: st.DataObject
) -> None:
    stored = runner.run(commanded(batches))
    cuts = data.draw(st.sets(st.integers(0, len(stored))))
    edges = sorted({0, len(stored)} | cuts)
    runner.run(_check(ReadSide(database_url), stored, list(pairwise(edges))))


async def _check(read_side: ReadSide, stored: list[StoredEvent], splits: list[tuple[int, int]]) -> None:
    await read_side.empty()
    for first, last in splits:
        await read_side.apply(stored[first:last])
    users = folded(stored)
    expected = (
        {user.id: shown(stored, user) for user in users},
        {user.email_key: user.id for user in users},
        {user.external_id: user.id for user in users if user.external_id is not None},
        sorted(
            (
                (user.id, event.position, event.public.get("reason", "succeeded"), (event.private or {}).get("ip"))
                for user in users
                for event in logins(stored, user)
            ),
            key=lambda row: row[1],
        ),
    )
    assert await read_side.tables() == expected
    for first, last in splits[-1:]:
        await read_side.apply_again(stored[first:last])
    assert await read_side.tables() == expected
    await _check_queries(read_side, users, stored)
    await read_side.close()


async def _check_queries(read_side: ReadSide, users: Sequence[UserAggregate], stored: Sequence[StoredEvent]) -> None:
    position = len(stored)
    for kind, keys in (
        (m.GetUser, {user.id: user for user in users}),
        (m.GetUserByEmail, {user.email_key: user for user in users}),
        (m.GetUserByExternalId, {user.external_id: user for user in users if user.external_id is not None}),
    ):
        at, found = await look_up(read_side.database, LOOKUPS[kind], [*keys, "nobody"])
        assert at == position
        assert {key: orjson.loads(document) for key, document in found.items()} == {
            key: shown(stored, user) for key, user in keys.items()
        }
    for status in (None, "BLOCKED", "ACTIVE"):
        at, page = await SINGLES[m.ListUsers](read_side.lists, m.ListUsers(status=status, count=500))
        wanted = sorted((u for u in users if status in (None, u.status)), key=lambda user: user.id, reverse=True)
        assert at == position
        assert page is not None
        assert orjson.loads(page) == {
            "data": [shown(stored, u) for u in wanted],
            "total": len(wanted),
            "totalIsEstimate": False,
            "nextCursor": None,
        }


async def test_batch_and_checkpoint_share_a_transaction(database_url: str) -> None:
    read_side = ReadSide(database_url)
    await read_side.empty()
    stored = await commanded([[("CreateUser", {"email": f"{number}@example.com"}) for number in range(10)]])
    await read_side.apply(stored[:5])
    before = await read_side.tables()
    stale = ReadSide(database_url)
    stale.positions = dict.fromkeys(read_side.positions, 0)
    with pytest.raises(checkpoints.CheckpointMoved):
        await stale.apply(stored)
    assert await read_side.tables() == before, "a second projector's batch is undone"
    await read_side.apply(stored[5:])
    assert len((await read_side.tables())[0]) == 10
    for each in (read_side, stale):
        await each.close()


async def test_overlapping_projectors_apply_each_event_once(database_url: str) -> None:
    """The second waits for the first one's rows, which it has too."""
    stored = await commanded([[("CreateUser", {"email": f"{number}@example.com"}) for number in range(10)]])
    async with ReadSide(database_url) as one:
        second = ReadSide(database_url)
        second.positions = dict(one.positions)
        with psycopg.connect(database_url, autocommit=True) as watch:

            async def waits() -> bool:
                return watch.execute("select from pg_locks where not granted").fetchone() is not None

            async with one.database.connection() as connection, connection.transaction():
                one.positions = await checkpoints.advance(connection, projections.ALL, one.positions, stored)
                advancing = asyncio.create_task(second.apply(stored))
                await until(waits, "the second projector waits")
        with pytest.raises(checkpoints.CheckpointMoved):
            await advancing
        assert len((await one.tables())[0]) == 10
        # That a row is there which the log did not put there is a fault, and not taken for another projector.
        with psycopg.connect(database_url) as owner:
            owner.execute("update denizen.projections set position = 0")
            owner.execute("delete from denizen.users")
        second.positions = dict.fromkeys(second.positions, 0)
        with pytest.raises(UniqueViolation):
            await second.apply(stored)
        await second.close()


async def test_tables_of_a_later_form_are_not_touched(database_url: str) -> None:
    read_side = ReadSide(database_url)
    await read_side.empty()
    with psycopg.connect(database_url) as owner:
        owner.execute("update denizen.projections set version = 1000 where name = 'users'")
    async with read_side.database.connection() as connection:
        with pytest.raises(checkpoints.ProjectionNewer):
            await checkpoints.prepare(connection, projections.ALL)
    await read_side.close()
