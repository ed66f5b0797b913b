"""Appends through the store's own interface, and what the same PostgreSQL can do: COPY, and commits of one row."""

import asyncio
import secrets
import time
from datetime import UTC, datetime
from itertools import count

import psycopg
import uvloop
from psycopg import sql
from psycopg.types.json import Jsonb
from pydantic import SecretStr
from typeid import TypeID

from services.domain.streams import NewEvent
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import Append, Appended
from services.eventstore.migrations.migrate import migrate
from services.platform.batching import Batcher
from services.platform.ids import new_event_id
from services.platform.settings import Settings

CELL = "bench"
_PRIVATE = {
    "email": "user@example.com",
    "profile": {"firstName": "John", "lastName": "Doe"},
    "metadata": {"plan": "pro"},
}
_PUBLIC = {
    "userId": "user_01h455vb4pex5vsknk084sn02q",
    "version": 1,
    "status": "ACTIVE",
    "changed": ["email", "status"],
}
_BATCH = 256
_Waiting = tuple[Append, asyncio.Future[None]]


def prepare(owner_url: str) -> None:
    """A log of the bench's own, and beside it a table of the same columns for the limits."""
    migrate(owner_url, CELL)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("drop table if exists bench.probe")
        owner.execute(
            "create table bench.probe (position bigint primary key, event_id uuid, stream text, version integer,"
            " type text, public jsonb, private bytea, recorded_at timestamptz, unique (stream, version))"
        )


def appends(owner_url: str, in_flight: int, seconds: float) -> float:
    """Appends of one event a second, `in_flight` of them waiting at any time, grouped as the service groups them."""
    return uvloop.run(_appends(owner_url, in_flight, seconds))


async def _appends(owner_url: str, in_flight: int, seconds: float) -> float:
    settings = Settings(database_url=SecretStr(owner_url), cell=CELL)
    store = PostgresEventStore(settings, KeyRing({1: bytes(32)}, bytes(32)), "bench")

    async def work(batch: list[_Waiting]) -> None:
        for (_, done), result in zip(batch, await store.append([append for append, _ in batch]), strict=True):
            assert isinstance(result, Appended)
            done.set_result(None)

    batcher = Batcher[_Waiting](work, most=_BATCH, capacity=10_000)
    working = asyncio.create_task(batcher.run())
    stored = 0
    began = time.perf_counter()

    async def client() -> None:
        nonlocal stored
        while time.perf_counter() - began < seconds:
            done = asyncio.get_running_loop().create_future()
            assert batcher.put((_append(), done))
            await done
            stored += 1

    await asyncio.gather(*(client() for _ in range(in_flight)))
    elapsed = time.perf_counter() - began
    working.cancel()
    await store.close()
    return stored / elapsed


def _append() -> Append:
    stream = str(TypeID("user"))
    event = NewEvent("UserCreated", 1, _PUBLIC, _PRIVATE, new_event_id())
    claim = frozenset([("email", f"{secrets.token_hex(8)}@example.com")])
    return Append(stream, 0, [event], {"commandId": secrets.token_hex(16)}, datetime.now(UTC), take=claim)  # type: ignore[arg-type]


_positions = count(1)


def _row() -> tuple[object, ...]:
    now = datetime.now(UTC)
    return (
        next(_positions),
        new_event_id(),
        str(TypeID("user")),
        1,
        "UserCreated",
        Jsonb(_PUBLIC),
        b"x" * 200,
        now,
    )


def copied(owner_url: str, rows: int) -> float:
    """Event-like rows a second by one COPY."""
    prepared = [_row() for _ in range(rows)]
    with psycopg.connect(owner_url) as connection:
        began = time.perf_counter()
        with connection.cursor().copy("copy bench.probe from stdin") as copy:
            for row in prepared:
                copy.write_row(row)
        connection.commit()
        return rows / (time.perf_counter() - began)


def committed(owner_url: str, seconds: float) -> float:
    """Event-like rows a second on one connection, a commit each."""
    insert = sql.SQL("insert into bench.probe values (%s, %s, %s, %s, %s, %s, %s, %s)")
    with psycopg.connect(owner_url, autocommit=True) as connection:
        began = time.perf_counter()
        rows = 0
        while (elapsed := time.perf_counter() - began) < seconds:
            connection.execute(insert, _row())
            rows += 1
        return rows / elapsed
