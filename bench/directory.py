"""Look-ups, lists, searches and rebuilds at few and at many users: as the directory's process asks, without NATS.

Like is compared with like. A term of the kinds in ALIKE is the longest beginning of a user's name or address, or of
what is behind its first letter, that a page of the first 10,000 users have somewhere: most have three to five letters.
So the page, of 50, is full at both sizes; of these terms 50 to some hundreds are found at 10,000 users, and a hundred
times as many at 1,000,000. The other searches are of rarer terms, which find three users here and a page there, or of
parts that many have and few have together. Both sizes are read from memory: what an idle machine has put away is read
before.
"""

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
from services.directory.lookups import LOOKUPS, look_up
from services.directory.search.pages import PLANS, list_users
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.migrations.migrate import migrate
from services.platform.database import Database
from services.platform.settings import Settings
from services.projector import checkpoints

CELL = "directory"
_RING = KeyRing({1: bytes(32)}, bytes(32))
ALIKE = (
    "GetUserByEmail",
    "first page",
    "page 1,000 by cursor",
    "search, beginning of a name",
    "search, middle of a name",
    "search, beginning of an address",
    "search, middle of an address",
    "search, whole address",
    "count by status",
)
"""Kinds of queries that find as much at few users as at many."""
_FEW = 10_000
_FULL = 50
"""Users on a page that is not asked for otherwise."""
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
    """Rebuild these projections by the command line, and look users up meanwhile."""
    return uvloop.run(_rebuild(owner_url, names, users))


def measure(owner_url: str, users: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each kind of query, sorted."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("create extension if not exists pg_prewarm schema public")
        relations = "select public.pg_prewarm(oid, 'read') from pg_class where relnamespace = %s::regnamespace"
        owner.execute(f"{relations} and relkind in ('r', 'i')", [CELL])
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


class _Terms:
    """Terms to search for, made of a field of the users."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._texts = [self.text(number) for number in range(_FEW)]
        self._found: dict[str, int] = {}

    def text(self, number: int) -> str:
        text: str = population.person(number)[self._field].lower()
        return text

    def frequent(self, number: int, begin: int = 0) -> str:
        """The longest part of the n-th user's, from there on, that a page of the first 10,000 have somewhere."""
        term = self.text(number)[begin:]
        while self._count(term) < _FULL:
            term = term[:-1]
        return term

    def _count(self, term: str) -> int:
        if term not in self._found:
            self._found[term] = sum(term in text for text in self._texts)
        return self._found[term]


async def _measure(settings: Settings, users: int, rounds: int) -> dict[str, list[float]]:
    lookups, lists = Database(settings, "bench"), Database(settings, "bench lists", options=PLANS)
    before = orjson.loads((await list_users(lists, m.ListUsers(count=_PAGE, offset=998 * _PAGE)))[1])

    async def ask(**asked: Any) -> None:
        await list_users(lists, m.ListUsers(**asked))

    name, address = _Terms("lastName"), _Terms("email")
    kinds: dict[str, Callable[[int], Awaitable[None]]] = {
        "GetUserByEmail": lambda n: _by_email(lookups, n),
        "first page": lambda _: ask(),
        "page 1,000 by cursor": lambda _: ask(count=_PAGE, cursor=before["nextCursor"]),
        "search, beginning of a name": lambda n: ask(search=name.frequent(n)),
        "search, middle of a name": lambda n: ask(search=name.frequent(n, 1)),
        "search, beginning of an address": lambda n: ask(search=address.frequent(n)),
        "search, middle of an address": lambda n: ask(search=address.frequent(n, 1)),
        "search, whole address": lambda n: ask(search=population.email(n)),
        "search, five letters of a name": lambda n: ask(search=name.text(n)[1:6]),
        "search, nine characters of an address": lambda n: ask(search=address.text(n)[3:12]),
        "search, first and last name": lambda n: ask(search=f"{population.person(n)['firstName']} {name.text(n)[:4]}"),
        "search, hostile (com.exa)": lambda _: ask(search="com.exa"),
        "count by status": lambda n: ask(count=1, status=("ACTIVE", "BLOCKED")[n % 2]),
    }
    dice = random.Random(2)
    results: dict[str, list[float]] = {}
    for kind, work in kinds.items():
        numbers = [dice.randrange(users) for _ in range(rounds + 10)]
        asked = [work(number) for number in numbers]  # Terms are not made in the time that is measured.
        times = [await _timed(lambda one=one: one) for one in asked]
        results[kind] = sorted(times[10:])  # The first ones connect, prepare, and fill caches.
    await lookups.close()
    await lists.close()
    return results
