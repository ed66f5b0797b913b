"""The end of a block beside other commands on its user, and beside services of the version before."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest_asyncio

from services.accounts.block_ends import BlockEnds
from services.eventstore.credentials.store import SecretStore
from tests.store.conftest import OpenStore
from tests.support.accounts import Accounts, Json, ask
from tests.support.log import ring, settings, until, user_id

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@pytest_asyncio.fixture
async def onlooker(database_url: str) -> AsyncGenerator[Connection]:
    async with await psycopg.AsyncConnection.connect(
        database_url, options="-c search_path=denizen", autocommit=True
    ) as connection:
        yield connection


@asynccontextmanager
async def ending(url: str) -> AsyncGenerator[None]:
    """One process that ends blocks."""

    async def appended(_: bool) -> None:
        """Tell no service of it."""

    secrets = SecretStore(settings(url), ring(), "ending")
    blocks = BlockEnds(settings(url), ring(), secrets, appended)
    task = asyncio.create_task(blocks.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await blocks.close()
        await secrets.close()


async def blocked(accounts: Accounts, end: datetime) -> Json:
    user: Json = (await accounts.one(ask("CreateUser", {"email": "ada@example.com"})))["user"]
    body = {"userId": user["id"], "until": end.isoformat()}
    return await accounts.one(prepared(body))


def prepared(body: Json) -> Any:
    """A block as accounts has prepared it: its end is written as the log has it."""
    call = ask("BlockUser", body)
    end = datetime.fromisoformat(body["until"]).astimezone(UTC)
    vars(call.request)["until"] = end.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return call


async def waiting(onlooker: Connection, name: str) -> int:
    """How many connections of stores of this name wait for a lock."""
    cursor = await onlooker.execute(
        "select count(*)::int from pg_stat_activity where application_name like %s and wait_event_type = 'Lock'",
        [f"denizen {name} %"],
    )
    (count,) = await cursor.fetchone() or (0,)
    return int(count)


async def due(onlooker: Connection) -> int:
    (count,) = await (await onlooker.execute("select count(*) from block_ends")).fetchone() or (0,)
    return int(count)


async def are_left(onlooker: Connection, number: int) -> None:
    """Wait until so many blocks have an end that is still to come, or that could not be dealt with."""

    async def left() -> bool:
        return await due(onlooker) == number

    await until(left, f"{number} ends are left")


@asynccontextmanager
async def locked_head(owner: Connection) -> AsyncGenerator[None]:
    """Nothing is appended until the block ends: appends wait for each other in the order in which they came."""
    await owner.execute("begin")
    await owner.execute("select from log_head for update")
    yield
    await owner.execute("commit")


async def test_block_that_comes_before_the_end_of_the_earlier_one_stays(
    database_url: str, open_store: OpenStore, owner: Connection, onlooker: Connection
) -> None:
    """The end is decided on the earlier block, and finds at its append that a later block was first."""
    accounts = Accounts(open_store("a"))
    user = (await blocked(accounts, datetime.now(UTC) - timedelta(seconds=1)))["user"]
    later = {"userId": user["id"], "until": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    async with AsyncExitStack() as stack:
        async with locked_head(owner):
            block = asyncio.create_task(accounts.one(prepared(later)))
            await until(lambda: waiting(onlooker, "a"), "the later block waits")
            await stack.enter_async_context(ending(database_url))
            await until(lambda: waiting(onlooker, "accounts block ends"), "the end waits")
        assert (await block)["version"] == 3

        async def tried() -> bool:
            return not await waiting(onlooker, "accounts block ends")

        await until(tried, "the end was tried")
        other = await accounts.one(ask("CreateUser", {"email": "eve@example.com"}))
        end = {"userId": other["user"]["id"], "until": datetime.now(UTC).isoformat()}
        await accounts.one(prepared(end))
        await are_left(onlooker, 1)
    again = await accounts.one(ask("DeactivateUser", {"userId": user["id"]}))
    assert (again["version"], again["user"]["blockedUntil"] is None) == (4, False)


async def test_two_processes_end_a_block_once(
    database_url: str, open_store: OpenStore, owner: Connection, onlooker: Connection
) -> None:
    accounts = Accounts(open_store("a"))
    user = (await blocked(accounts, datetime.now(UTC) - timedelta(seconds=1)))["user"]

    async def both() -> bool:
        return await waiting(onlooker, "accounts block ends") == 2

    async with AsyncExitStack() as stack:
        async with locked_head(owner):
            for _ in range(2):
                await stack.enter_async_context(ending(database_url))
            await until(both, "both wait")
        await are_left(onlooker, 0)
        assert (await accounts.one(ask("UpdateUser", {"userId": user["id"]})))["version"] == 3


async def test_end_that_an_earlier_version_left_behind_is_dropped(
    database_url: str, open_store: OpenStore, onlooker: Connection
) -> None:
    """It unblocked the user, and knew of no end."""
    accounts = Accounts(open_store("a"))
    user = (await blocked(accounts, datetime.now(UTC) + timedelta(hours=1)))["user"]
    await accounts.one(ask("UnblockUser", {"userId": user["id"]}))
    left = [user["id"], user_id()]  # The second one is of a user who is gone.
    await onlooker.execute("insert into block_ends select unnest(%s::text[]), now()", [left])
    async with ending(database_url):
        await are_left(onlooker, 0)
    assert (await accounts.one(ask("UpdateUser", {"userId": user["id"]})))["version"] == 3


async def test_deleted_user_leaves_no_end(open_store: OpenStore, onlooker: Connection) -> None:
    accounts = Accounts(open_store("a"))
    user = (await blocked(accounts, datetime.now(UTC) + timedelta(hours=1)))["user"]
    assert await due(onlooker) == 1
    await accounts.one(ask("DeleteUser", {"userId": user["id"]}))
    assert await due(onlooker) == 0


async def test_user_who_cannot_be_read_holds_up_no_other_end(
    database_url: str, open_store: OpenStore, onlooker: Connection
) -> None:
    accounts = Accounts(open_store("a"))
    end = datetime.now(UTC) - timedelta(seconds=1)
    users = [
        (await accounts.one(ask("CreateUser", {"email": f"{name}@example.com"})))["user"]["id"]
        for name in ("ada", "eve")
    ]
    for user in users:
        await accounts.one(prepared({"userId": user, "until": end.isoformat()}))
    await onlooker.execute("update data_keys set wrapped = %s where user_id = %s", [bytes(60), users[0]])
    async with ending(database_url):
        await are_left(onlooker, 1)
    left = await (await onlooker.execute("select user_id from block_ends")).fetchall()
    assert left == [(users[0],)]
