"""A list that takes too long is broken off as a whole, and refused; the next one is answered."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

import projections
from services.directory.queries import Queries
from services.domain.refusals import Refusal
from services.endpoint.call import Call
from services.eventstore.log.memory import MemoryEventStore
from services.platform.database import Database
from services.projector import checkpoints
from tests.support import log
from tests.support.accounts import ask
from tests.support.quiet import takes_less_than

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
_SEARCH = "denizen directory UserSearch"


class Directory:
    """The queries of the directory without its network: bodies of answers, and codes of refusals."""

    def __init__(self, url: str) -> None:
        self.said: asyncio.Queue[bytes] = asyncio.Queue()
        self.queries = Queries(log.settings(url), MemoryEventStore(), self._answer, self._refuse)

    async def _answer(self, _call: Call, body: bytes, _headers: dict[str, str]) -> None:
        self.said.put_nowait(body)

    async def _refuse(self, _call: Call, refusal: Refusal) -> None:
        self.said.put_nowait(refusal.code.encode())

    def search(self) -> None:
        assert self.queries.accept(ask("ListUsers", {"search": "ada@example.com"}))


@pytest.fixture
async def directory(database_url: str) -> AsyncIterator[Directory]:
    database = Database(log.settings(database_url), "test")
    async with database.connection() as connection:
        await checkpoints.prepare(connection, projections.ALL)
    await database.close()
    made = Directory(database_url)
    working = asyncio.create_task(made.queries.run())
    yield made
    working.cancel()
    await asyncio.wait([working])
    await made.queries.close()


async def _session(onlooker: Connection) -> int | None:
    found = await onlooker.execute("select pid from pg_stat_activity where application_name = %s", [_SEARCH])
    return int(row[0]) if (row := await found.fetchone()) else None


async def _waits_for(onlooker: Connection, table: str) -> bool:
    found = await onlooker.execute(
        "select from pg_locks join pg_stat_activity using (pid)"
        " where not granted and relation = %s::regclass and application_name = %s",
        [table, _SEARCH],
    )
    return await found.fetchone() is not None


async def test_search_statements_share_three_seconds(directory: Directory, database_url: str) -> None:
    """The first waits for 2 s, the second for ever: neither would be too long by itself yet."""

    async def connected() -> Connection:
        return await psycopg.AsyncConnection.connect(database_url, options="-c search_path=denizen", autocommit=True)

    async with await connected() as first, await connected() as second, await connected() as onlooker:
        for holder, table in ((first, "by_email"), (second, "words")):
            await holder.execute("begin")
            await holder.execute(f"lock table {table}".encode())
        began = time.monotonic()
        with takes_less_than(4):
            directory.search()
            await log.until(lambda: _waits_for(onlooker, "by_email"), "the first statement")
            session = await _session(onlooker)
            await asyncio.sleep(began + 2 - time.monotonic())
            await first.rollback()
            await log.until(lambda: _waits_for(onlooker, "words"), "the second statement")
            assert directory.said.empty()
            assert await directory.said.get() == b"overloaded"
            assert time.monotonic() - began > 2.9
        assert not await _waits_for(onlooker, "words"), "PostgreSQL goes on"
        await second.rollback()
        directory.search()
        assert b'"total":0' in await directory.said.get(), "the next is answered"
        assert await _session(onlooker) == session, "by the same session"
