"""Imports whose client, service or database is killed: each row is in once, and the summary is right."""

import json
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.eventstore.log.verify import verify
from tests.cli.test_commands import Shell
from tests.support.servers import Denizen, eventually
from tests.transfer.support import HASHES, Json, name

KILLS = 10
ROWS, CHUNKS = 40_000, 80
"""More than are imported while so many are killed."""


def file_of(path: Path, count: int) -> tuple[Path, str]:
    """A file of so many users, a bad row among each hundred; and the name of its job."""
    job = name()
    with path.open("w") as file:
        for number in range(count):
            row: Json = {
                "email": f"{job}.{number}@example.com",
                "passwordHash": HASHES[0],
                "externalId": f"{job}.{number}",
            }
            file.write(json.dumps(row if number % 100 != 50 else {"email": "bad"}) + "\n")
    return path, job


def done_chunks(denizen: Denizen, job: str) -> int:
    """How many chunks of a job are done; 0 while the database is away."""
    try:
        with psycopg.connect(denizen.database_url) as connection:
            row = connection.execute(
                "select count(*) from denizen.import_chunks where import_id = %s", [job]
            ).fetchone()
            return 0 if row is None else int(row[0])
    except psycopg.OperationalError:
        return 0


def assert_each_row_once(denizen: Denizen, job: str, count: int, summary: Json, kept: Path) -> None:
    bad = len(range(50, count, 100))
    assert {name: summary[name] for name in ("created", "updated", "skipped", "failed")} == {
        "created": count - bad,
        "updated": 0,
        "skipped": 0,
        "failed": bad,
    }
    with psycopg.connect(denizen.database_url) as connection:
        events = connection.execute(
            "select type, user_id, metadata ->> 'commandId' from denizen.events where metadata ->> 'commandId' like %s",
            [f"import/{job}/%"],
        ).fetchall()
    assert {kind for kind, _, _ in events} == {"UserCreated"}
    assert len(events) == len({user for _, user, _ in events}) == len({command for _, _, command in events})
    _, *results = [json.loads(line) for line in kept.read_bytes().splitlines()]
    assert [each["line"] for each in results] == list(range(1, count + 1))
    assert {each["userId"] for each in results if each["status"] == "created"} == {user for _, user, _ in events}
    assert [each["line"] for each in results if each["status"] == "failed"] == list(range(51, count + 1, 100))
    assert verify(denizen.database_url, "denizen", lambda done, total: None).findings == []


@pytest.mark.slow
def test_import_survives_kills_of_its_client(denizen: Denizen, tmp_path: Path) -> None:
    shell = Shell(denizen.home)
    file, job = file_of(tmp_path / "users.jsonl", ROWS)
    kept = tmp_path / "results.jsonl"
    arguments = ("import", str(file), "--import-id", job, "--results", str(kept), "--json")
    dice = random.Random(5)
    for _ in range(KILLS):
        before = done_chunks(denizen, job)
        process = shell.start(*arguments)
        _await_or_end(process, lambda before=before: done_chunks(denizen, job) > before)
        _pause(dice)
        process.kill()
        process.communicate()
    assert done_chunks(denizen, job) < CHUNKS, "the kills came too late"
    code, out, err = shell.run(*arguments)
    assert code == 1, err
    summary = json.loads(out)
    assert summary["before"] > 0
    assert_each_row_once(denizen, job, ROWS, summary, kept)


@pytest.mark.slow
def test_import_survives_kills_of_service_and_database(denizen: Denizen, tmp_path: Path) -> None:
    shell = Shell(denizen.home)
    file, job = file_of(tmp_path / "users.jsonl", ROWS)
    kept = tmp_path / "results.jsonl"
    process = shell.start("import", str(file), "--import-id", job, "--results", str(kept), "--json")
    dice = random.Random(6)
    for number in range(KILLS):
        before = done_chunks(denizen, job)
        _await_or_end(process, lambda before=before: done_chunks(denizen, job) > before)
        assert process.poll() is None, "the kills came too late"
        _pause(dice)
        pid = denizen.kill("postgres" if number == KILLS // 2 else "transfer")
        eventually(lambda pid=pid: pid not in denizen.pids().values(), 20, "another process")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert_each_row_once(denizen, job, ROWS, json.loads(out), kept)


def _await_or_end(process: "subprocess.Popen[Any]", condition: Callable[[], bool]) -> None:
    eventually(lambda: process.poll() is not None or condition(), 60, "a chunk")


def _pause(dice: random.Random) -> None:
    """A random moment: somewhere within a chunk."""
    time.sleep(dice.uniform(0, 0.15))
