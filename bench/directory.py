"""Look-ups, lists, searches and rebuilds at few and at many users: as the directory's process asks, without NATS."""

import asyncio
import base64
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
import uvloop
from denizen import messages as m
from psycopg import sql
from pydantic import SecretStr

import projections
from bench import population
from bench.system import ROOT
from services.database import Database
from services.directory.listing import PLANS, list_users
from services.directory.lookups import LOOKUPS, look_up
from services.eventstore.keys import KeyRing
from services.eventstore.migrate import migrate
from services.projector import checkpoints
from services.settings import Settings

CELL = "directory"
_RING = KeyRing({1: bytes(32)}, bytes(32))
_READ_SECONDS = 0.01
_PAGE = 10
"""Users on a page of which the 1,000th is asked for; 50 on others."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Events a second, and the p99 in ms of a hundred look-ups a second meanwhile."""

    rate: float
    read_p99: float


def prepare(owner_url: str) -> None:
    """An empty cell of the bench's own."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        for schema in (CELL, f"{CELL}_rebuild"):
            owner.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
    migrate(owner_url, CELL)
    uvloop.run(_make_tables(_settings(owner_url)))


def grow(owner_url: str, users: int) -> None:
    """Add users to the log until there are so many."""
    population.grow(owner_url, CELL, _RING, users)


def rebuild(owner_url: str, names: Sequence[str], users: int) -> Rebuilt:
    """Build these projections anew by the command line, and look users up meanwhile."""
    return uvloop.run(_rebuild(owner_url, names, users))


def measure(owner_url: str, users: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each kind of query, sorted."""
    return uvloop.run(_measure(_settings(owner_url), users, rounds))


def _settings(owner_url: str) -> Settings:
    return Settings(database_url=SecretStr(owner_url), cell=CELL)


async def _make_tables(settings: Settings) -> None:
    database = Database(settings, "bench")
    async with database.connection() as connection:
        await checkpoints.prepare(connection, projections.ALL)
    await database.close()


async def _rebuild(owner_url: str, names: Sequence[str], users: int) -> Rebuilt:
    key = base64.b64encode(bytes(32)).decode()
    settings = {"DATABASE_URL": owner_url, "CELL": CELL, "KEY_ENCRYPTION_KEYS": f"1:{key}", "CLAIM_KEY": key}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "projections", "rebuild", *names, "--json"),
        cwd=ROOT,
        env={**os.environ, **{f"DENIZEN_{name}": value for name, value in settings.items()}},
        stdout=asyncio.subprocess.PIPE,
    )
    database, times, dice = Database(_settings(owner_url), "bench reads"), list[float](), random.Random(1)
    ended = asyncio.create_task(process.communicate())
    while not ended.done():
        times.append(await _timed(lambda: _by_email(database, dice.randrange(users))))
        await asyncio.sleep(_READ_SECONDS)
    await database.close()
    if process.returncode:
        raise RuntimeError("the rebuild failed")
    return Rebuilt(users / orjson.loads((await ended)[0])["seconds"], percentile(times, 99))


def percentile(times: Sequence[float], per_cent: int) -> float:
    return sorted(times)[len(times) * per_cent // 100]


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000


async def _by_email(database: Database, number: int) -> None:
    await look_up(database, LOOKUPS[m.GetUserByEmail], [population.email(number).lower()])


async def _measure(settings: Settings, users: int, rounds: int) -> dict[str, list[float]]:
    lookups, lists = Database(settings, "bench"), Database(settings, "bench lists", options=PLANS)
    before = orjson.loads((await list_users(lists, m.ListUsers(count=_PAGE, offset=998 * _PAGE)))[1])

    async def ask(**asked: Any) -> None:
        await list_users(lists, m.ListUsers(**asked))

    def name(number: int) -> str:
        return population.person(number)["lastName"]

    kinds: dict[str, Callable[[int], Awaitable[None]]] = {
        "GetUserByEmail": lambda n: _by_email(lookups, n),
        "first page": lambda _: ask(),
        "page 1,000 by cursor": lambda _: ask(count=_PAGE, cursor=before["nextCursor"]),
        "search, beginning of a name": lambda n: ask(search=name(n)[:5]),
        "search, middle of a name": lambda n: ask(search=name(n)[1:6]),
        "search, beginning of an address": lambda n: ask(search=population.email(n)[:9]),
        "search, middle of an address": lambda n: ask(search=population.email(n)[3:12]),
        "search, whole address": lambda n: ask(search=population.email(n)),
        "count by status": lambda n: ask(count=1, status=("ACTIVE", "BLOCKED")[n % 2]),
    }
    dice = random.Random(2)
    results: dict[str, list[float]] = {}
    for kind, work in kinds.items():
        numbers = [dice.randrange(users) for _ in range(rounds + 10)]
        times = [await _timed(lambda work=work, number=number: work(number)) for number in numbers]
        results[kind] = sorted(times[10:])  # The first ones connect, prepare, and fill caches.
    await lookups.close()
    await lists.close()
    return results
