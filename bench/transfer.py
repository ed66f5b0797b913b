"""Imports beside COPY of the same rows, what people who are there notice of them, and exports."""

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
import orjson
import psutil
import psycopg

from bench import load
from bench.load import Load
from bench.report import Row
from bench.system import ROOT, System

_HASH = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"
_MILLISECONDS = "ms"
_STREAM_SECONDS = 120


def users(count: int, tag: str) -> Iterator[dict[str, Any]]:
    """Prehashed, with profile, metadata and external id."""
    dice = random.Random(tag)
    for number in range(count):
        yield {
            "email": f"{dice.getrandbits(40):010x}.{number}.{tag}@example.com",
            "emailVerified": True,
            "externalId": f"crm-{tag}-{number}",
            "passwordHash": _HASH,
            "profile": {"firstName": "Ada", "lastName": f"Lovelace {dice.getrandbits(24):06x}", "locale": "en-GB"},
            "metadata": {"plan": "pro", "seats": number % 100, "tags": ["a", "b"]},
            "createdAt": "2024-05-06T07:08:09Z",
        }


def write(path: Path, count: int, tag: str) -> Path:
    """A file of JSONL."""
    with path.open("wb") as file:
        file.writelines(orjson.dumps(user) + b"\n" for user in users(count, tag))
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
    visible, and published; megabytes by process before, at most, and after.
    """

    seconds: float
    visible: float
    published: float
    before: dict[str, float]
    after: dict[str, float]
    peak: dict[str, float] = field(default_factory=dict[str, float])


def imported(denizen: System, path: Path, count: int) -> Import:
    """Import a file by the command line."""
    before = denizen.memory()
    began = time.perf_counter()
    process = _denizen(denizen, "import", str(path), "--json")
    with _watched(denizen, process) as peak:
        out, _ = process.communicate()
        seconds = time.perf_counter() - began
    if json.loads(out)["created"] != count:
        raise RuntimeError("not all rows were imported")
    done = time.perf_counter()
    visible = _until(denizen, _is_applied) - done
    published = _until(denizen, _is_published) - done
    return Import(seconds, visible, published, before, denizen.memory(), peak)


@contextmanager
def _watched(denizen: System, client: "subprocess.Popen[bytes]") -> Generator[dict[str, float]]:
    """The most that each process has had in memory, the client's too."""
    peak: dict[str, float] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            try:
                now = denizen.memory() | {"import": psutil.Process(client.pid).memory_info().rss / 1e6}
            except psutil.NoSuchProcess:
                continue  # PostgreSQL's workers come and go, and the client has ended by now.
            peak.update({name: max(octets, peak.get(name, 0)) for name, octets in now.items()})

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        ended.set()
        watching.join()


def _until(denizen: System, condition: Callable[[System], bool]) -> float:
    """When a condition came about."""
    until = time.perf_counter() + _STREAM_SECONDS
    while not condition(denizen):
        if time.perf_counter() > until:
            raise RuntimeError("the projections or the stream do not follow")
        time.sleep(0.02)
    return time.perf_counter()


def _is_applied(denizen: System) -> bool:
    with psycopg.connect(denizen.database_url) as connection:
        row = connection.execute(
            "select min(p.position) = min(h.position) from denizen.projections p, denizen.log_head h"
        ).fetchone()
        return row == (True,)


def _is_published(denizen: System) -> bool:
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


def exported(denizen: System, path: Path, *arguments: str) -> tuple[float, float]:
    """Users a second, and the most megabytes that the service had beyond what it had before."""
    before = denizen.memory()["transfer"]
    began = time.perf_counter()
    process = _denizen(denizen, "export", "--output", str(path), *arguments)
    with _watched(denizen, process) as peak:
        process.communicate()
        seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise RuntimeError("the export failed")
    with path.open("rb") as file:
        lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    return lines / seconds, peak.get("transfer", before) - before


def _denizen(denizen: System, *arguments: str) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", *arguments],
        cwd=ROOT,
        env={**environment, "DENIZEN_HOME": str(denizen.home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def measure(denizen: System, count: int) -> list[Row]:
    """An import by itself; one beside live traffic; exports of both."""
    limit = "COPY of the same rows"
    copy, alone = Row(limit, "/s"), Row(f"denizen import, {count:,} users", "/s", least=8_000, target=15_000)
    name = "after the import said done"
    visible = Row(f"all projections up to date, {name}", "s", target=5, smaller=True)
    published = Row(f"all events on the stream, {name}", "s", smaller=True)
    file = write(denizen.home / "import.jsonl", count, "first")
    copy.values.append(copied(denizen.database_url, file))
    first = imported(denizen, file, count)
    alone.values.append(count / first.seconds)
    beside = Row(alone.name, "/s", alone.values, limit, copy.values)
    visible.values.append(first.visible)
    published.values.append(first.published)

    # As long as the import goes on, and no longer.
    file = write(denizen.home / "import.jsonl", count, "second")
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
    target = denizen.home / "export"
    for what, arguments in (("JSONL", ()), ("CSV", ("--format", "csv"))):
        rate, grown = exported(denizen, target, *arguments)
        rows.append(Row(f"denizen export, {what}, {2 * count:,} users", "/s", [rate], target=50_000))
        rows.append(Row(f"memory that transfer grew by in an export, {what}", "MB", [grown], smaller=True))
    target.unlink()
    for when, memory in (("before", first.before), ("most in", first.peak), ("after", first.after)):
        rows += [
            Row(f"memory of {process}, {when} the import", "MB", [megabytes], smaller=True)
            for process, megabytes in memory.items()
        ]
    return rows


def _tail(what: str, target: float) -> Row:
    return Row(f"{what} during an import, p99", _MILLISECONDS, target=target, smaller=True)
