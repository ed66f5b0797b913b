"""Imports beside COPY of the same rows, and what people who are there notice of them."""

import asyncio
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import orjson
import psutil
import psycopg

from bench import load, population
from bench.load import Load
from bench.report import Row
from bench.system import System

_HASH = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"
_MILLISECONDS = "ms"
_STREAM_SECONDS = 120
_WATCH_SECONDS = 2


def users(count: int, begin: int = 0) -> Iterator[dict[str, Any]]:
    """Those of `bench.population` from the n-th on: prehashed, with profile, metadata and external id."""
    for number in range(begin, begin + count):
        who = population.person(number)
        yield {
            "email": who["email"],
            "emailVerified": True,
            "externalId": f"crm-{number}",
            "passwordHash": _HASH,
            "profile": {"firstName": who["firstName"], "lastName": who["lastName"], "locale": "en-GB"},
            "metadata": {"plan": "pro", "seats": number % 100, "tags": ["a", "b"]},
            "createdAt": "2024-05-06T07:08:09Z",
        }


def write(path: Path, count: int, begin: int = 0) -> Path:
    """A file of JSONL."""
    with path.open("wb") as file:
        file.writelines(orjson.dumps(user) + b"\n" for user in users(count, begin))
    return path


def copied(url: str, path: Path) -> float:
    """Rows a second by COPY of the file's rows into a table with the columns and keys that such a table has."""
    rows = [json.loads(line) for line in path.open("rb")]
    with psycopg.connect(url) as connection:
        connection.execute("create schema if not exists bench")
        connection.execute("drop table if exists bench.imported")
        connection.execute(
            "create table bench.imported (id bigint primary key, email text unique, external_id text unique,"
            " hash text, profile jsonb, metadata jsonb, created_at timestamptz)"
        )
        connection.commit()
        began = time.perf_counter()
        with connection.cursor().copy("copy bench.imported from stdin") as copy:
            for number, row in enumerate(rows):
                profile, metadata = (orjson.dumps(row[name]).decode() for name in ("profile", "metadata"))
                values = (row["email"], row["externalId"], row["passwordHash"], profile, metadata, row["createdAt"])
                copy.write_row((number, *values))
        connection.commit()
        rate = len(rows) / (time.perf_counter() - began)
        connection.execute("drop table bench.imported")
    return rate


@dataclass
class Import:
    """What came of one: seconds from the start of the command until it said done, and from then on until all was
    visible, and published; megabytes of each process all the while.
    """

    seconds: float
    visible: float
    published: float
    memory: dict[str, list[float]]


def imported(denizen: System, path: Path, count: int) -> Import:
    """Import a file by the command line."""
    began = time.perf_counter()
    process = command(denizen, "import", str(path), "--json")
    with watched(denizen, process) as memory:
        out, _ = process.communicate()
        seconds = time.perf_counter() - began
    if json.loads(out)["created"] != count:
        raise RuntimeError("not all rows were imported")
    done = time.perf_counter()
    visible = until(denizen, is_applied) - done
    published = until(denizen, is_published) - done
    return Import(seconds, visible, published, memory)


@contextmanager
def watched(
    denizen: System, client: "subprocess.Popen[bytes]", each: float = _WATCH_SECONDS
) -> Generator[dict[str, list[float]]]:
    """The megabytes of every process, the client's too, each so many seconds."""
    memory: dict[str, list[float]] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(each):
            try:
                now = denizen.memory() | {"client": psutil.Process(client.pid).memory_info().rss / 1e6}
            except psutil.NoSuchProcess:
                continue  # PostgreSQL's workers come and go, and the client has ended by now.
            for name, megabytes in now.items():
                memory.setdefault(name, []).append(megabytes)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield memory
    finally:
        ended.set()
        watching.join()


def until(denizen: System, condition: Callable[[System], bool], seconds: float = _STREAM_SECONDS) -> float:
    """When a condition came about."""
    deadline = time.perf_counter() + seconds
    while not condition(denizen):
        if time.perf_counter() > deadline:
            raise RuntimeError("the projections or the stream do not follow")
        time.sleep(0.02)
    return time.perf_counter()


def is_applied(denizen: System) -> bool:
    """Whether every projection shows the whole log."""
    with psycopg.connect(denizen.database_url) as connection:
        row = connection.execute(
            "select min(p.position) = min(h.position) from denizen.projections p, denizen.log_head h"
        ).fetchone()
        return row == (True,)


def is_published(denizen: System) -> bool:
    """Whether the stream has the whole log."""
    with psycopg.connect(denizen.database_url) as connection:
        row = connection.execute("select position from denizen.log_head").fetchone()
    assert row is not None
    return _messages(denizen.nats_url) >= row[0]


def _messages(url: str) -> int:
    """How many the stream has."""

    async def ask() -> int:
        client = await nats.connect(url, inbox_prefix="_INBOX.backend")
        try:
            return (await client.jetstream().stream_info("USERS_EVENTS")).state.messages
        finally:
            await client.close()

    return asyncio.run(ask())


def command(denizen: System, *arguments: str) -> "subprocess.Popen[bytes]":
    """A command of `denizen` beside it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
    return subprocess.Popen(
        [denizen.python, "-m", "services.cli", *arguments],
        cwd=denizen.tree,
        env={**environment, "DENIZEN_HOME": str(denizen.home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def measure(denizen: System, count: int) -> list[Row]:
    """An import by itself; one beside live traffic."""
    limit = "COPY of the same rows"
    copy, alone = Row(limit, "/s"), Row(f"denizen import, {count:,} users", "/s", least=8_000, target=15_000)
    name = "after the import said done"
    visible = Row(f"all projections up to date, {name}", "s", target=5, smaller=True)
    published = Row(f"all events on the stream, {name}", "s", smaller=True)
    file = write(denizen.home / "import.jsonl", count)
    copy.values.append(copied(denizen.database_url, file))
    first = imported(denizen, file, count)
    alone.values.append(count / first.seconds)
    beside = Row(alone.name, "/s", alone.values, limit, copy.values)
    visible.values.append(first.visible)
    published.values.append(first.published)

    # As long as the import goes on, and no longer.
    file = write(denizen.home / "import.jsonl", count, begin=count)
    seconds = max(0.8 * first.seconds, 1)
    live = [
        (Load(denizen.nats_url, "CreateUser", seconds, rate=200), _tail("CreateUser at 200/s", 100)),
        (Load(denizen.nats_url, "GetUserByEmail", seconds, rate=2000), _tail("GetUserByEmail at 2,000/s", 50)),
    ]
    running = [(each.begin(), row) for each, row in live]
    second = imported(denizen, file, count)
    for process, row in running:
        result = load.finish(process)
        if result.errors:
            raise RuntimeError(f"{row.name}: {result.errors} refusals")
        row.values.append(result.p99)
    loaded = Row(f"{alone.name}, beside these", "/s", [count / second.seconds])

    rows = [copy, alone, beside, visible, published, *(row for _, row in live), loaded]
    file.unlink()
    rows += [
        Row(f"memory of {process} in the import, each {_WATCH_SECONDS} s", "MB", series, smaller=True)
        for process, series in first.memory.items()
    ]
    return rows


def _tail(what: str, target: float) -> Row:
    return Row(f"{what} during an import, p99", _MILLISECONDS, target=target, smaller=True)
