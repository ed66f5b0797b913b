"""Stores to test: in memory and on PostgreSQL, and several on one database."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from services.eventstore.credentials.store import SecretStore
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.log.memory import MemoryEventStore
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import EventStore, Log
from services.transfer.rehearsal import Rehearsal
from tests.support.log import ring, settings

OpenStore = Callable[..., PostgresEventStore]
"""`open_store(name="a", url=…, ring=…)`: a store of its own connections on the test's database."""


@pytest_asyncio.fixture
async def open_store(database_url: str) -> AsyncGenerator[OpenStore]:
    opened: list[PostgresEventStore] = []

    def open_one(name: str = "a", url: str = database_url, keys: KeyRing | None = None) -> PostgresEventStore:
        opened.append(PostgresEventStore(settings(url), keys or ring(), name))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


@pytest_asyncio.fixture(params=["memory", "postgres"])
async def log(request: pytest.FixtureRequest) -> AsyncGenerator[Log]:
    """Each of the logs there are, empty."""
    if request.param == "memory":
        yield MemoryEventStore()
        return
    opened = PostgresEventStore(settings(request.getfixturevalue("database_url")), ring(), "contract")
    yield opened
    await opened.close()


@pytest_asyncio.fixture(params=["memory", "postgres", "rehearsal"])
async def store(request: pytest.FixtureRequest) -> AsyncGenerator[EventStore]:
    """Each of the stores there are, empty; the dry run of an import over an empty log among them."""
    if request.param == "memory":
        yield MemoryEventStore()
        return
    of = settings(request.getfixturevalue("database_url"))
    opened, claims = PostgresEventStore(of, ring(), "contract"), SecretStore(of, ring(), "contract")
    yield opened if request.param == "postgres" else Rehearsal(opened, claims)
    await opened.close()
    await claims.close()


@pytest_asyncio.fixture
async def owner(database_url: str) -> AsyncGenerator[psycopg.AsyncConnection[tuple[Any, ...]]]:
    """Another process's connection; each statement is a transaction until `begin`."""
    async with await psycopg.AsyncConnection.connect(
        database_url, options="-c search_path=denizen", autocommit=True
    ) as connection:
        yield connection
