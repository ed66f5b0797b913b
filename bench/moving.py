"""Exports of many users, in the memory that they need; and users that move from one Denizen into an empty one."""

import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import denizen as contract
from pydantic import SecretStr

from bench import population, system, transfer
from bench.report import Row
from bench.system import System
from services.eventstore.keys import data_keys as keys
from services.platform.settings import Settings

_PASSWORD = "abc123xyz"
"""Of the hash that `transfer.users` have."""
_SAMPLE = 20
_SETTLED_SECONDS = 900
_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Export:
    """Seconds that it took, and the megabytes of each process all the while."""

    seconds: float
    memory: dict[str, list[float]]


def exports(count: int) -> list[Row]:
    """All of many users, in each form that is worth a figure."""
    with system.fresh() as denizen:
        denizen.start()
        settings = Settings(home=denizen.home, database_url=SecretStr(denizen.database_url))
        population.grow(denizen.database_url, settings.cell, keys.load(settings), count)
        for done in (transfer.is_applied, transfer.is_published):
            transfer.until(denizen, done, _SETTLED_SECONDS)
        rows: list[Row] = []
        for what, arguments in (("JSONL", ()), ("CSV", ("--format", "csv"))):
            export = exported(denizen, denizen.home / "export", *arguments)
            rate = count / export.seconds
            rows.append(Row(f"denizen export, {what}, {count:,} users", "/s", [rate], target=50_000))
            rows += [
                Row(f"memory of {process} in this export, {what}, each half second", "MB", series, smaller=True)
                for process, series in export.memory.items()
            ]
        return rows


def exported(denizen: System, path: Path, *arguments: str) -> Export:
    """Export users into a file by the command line."""
    began = time.perf_counter()
    process = transfer.command(denizen, "export", "--output", str(path), *arguments)
    with transfer.watched(denizen, process, _WATCH_SECONDS) as memory:
        process.communicate()
        seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise RuntimeError("the export failed")
    return Export(seconds, memory)


def round_trip(count: int) -> list[Row]:
    """Export users with their hashes, import them into an empty Denizen, and see that the same file comes out of it."""
    with system.fresh() as here, system.fresh() as there:
        here.start()
        there.start()
        transfer.imported(here, transfer.write(here.home / "import.jsonl", count), count)
        file, again = here.home / "moved.jsonl", there.home / "moved.jsonl"
        out = exported(here, file, "--with-hashes").seconds
        into = transfer.imported(there, file, count).seconds
        exported(there, again, "--with-hashes")
        if file.read_bytes() != again.read_bytes():
            raise RuntimeError("the users that moved are not the same")
        with contract.Client(there.nats_url) as client:
            for user in islice(transfer.users(count), 0, None, count // _SAMPLE):
                client.auth.sessions.authenticate(email=user["email"], password=_PASSWORD)
        return [Row(f"users moved, export with hashes and import, {count:,} users", "/s", [count / (out + into)])]
