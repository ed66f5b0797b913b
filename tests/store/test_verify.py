"""`denizen log verify` finds what was changed behind the log's back, with the triggers disabled."""

import os
import subprocess
from typing import Any, LiteralString

import orjson
import psycopg
import pytest

from services.eventstore.log.verify import LogFault, Verification, verify
from tests.store.conftest import OpenStore
from tests.support import forked
from tests.support.log import append, user_id
from tests.support.servers import REPOSITORY

COUNT = 9
A, B, C = sorted(user_id() for _ in range(3))


@pytest.fixture
async def log_url(open_store: OpenStore, database_url: str) -> str:
    """Three users with three events each: A at 1, 4, 7; B at 2, 5, 8; C at 3, 6, 9."""
    store = open_store()
    for version in range(3):
        await store.append([append(user, version) for user in (A, B, C)])
    return database_url


def tamper(url: str, *statements: LiteralString) -> None:
    with psycopg.connect(url, options="-c search_path=denizen -c session_replication_role=replica") as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0


def check(url: str) -> Verification:
    return verify(url, "denizen", lambda _done, _total: None)


def places(result: Verification) -> list[tuple[str, int]]:
    return [(finding.problem, finding.position) for finding in result.findings]


async def test_intact_log_has_no_faults(log_url: str) -> None:
    assert check(log_url) == Verification(COUNT, COUNT, [])


async def test_empty_log_has_no_faults(database_url: str) -> None:
    assert check(database_url) == Verification(0, 0, [])


CHANGED: dict[str, LiteralString] = {
    "type": "update events set type = 'UserBlocked' where position = 5",
    "schema version": "update events set schema_version = 2 where position = 5",
    "event id": "update events set event_id = gen_random_uuid() where position = 5",
    "public": """update events set public = '{"number": 3}' where position = 5""",
    "one key more": """update events set public = public || '{"x": null}' where position = 5""",
    "private": "update events set private = set_byte(private, 20, get_byte(private, 20) # 1) where position = 5",
    "private, removed": "update events set private = null where position = 5",
    "metadata": """update events set metadata = '{"actor": "another operator"}' where position = 5""",
    "time": "update events set recorded_at = recorded_at + interval '1 microsecond' where position = 5",
    "hash": "update events set hash = sha256(hash) where position = 5",
}


@pytest.mark.parametrize("statement", CHANGED.values(), ids=CHANGED.keys())
async def test_changed_row_is_found(log_url: str, statement: LiteralString) -> None:
    tamper(log_url, statement)
    assert LogFault("changed", 5, B, 2) in check(log_url).findings
    assert {finding.stream for finding in check(log_url).findings} == {B}


async def test_missing_row_in_the_middle_is_found(log_url: str) -> None:
    tamper(log_url, "delete from events where position = 5")
    assert places(check(log_url)) == [("missing up to position 5", 5), ("missing from version 2", 8)]


async def test_missing_last_row_of_a_user_is_found(log_url: str) -> None:
    tamper(log_url, "delete from events where position = 8")
    assert places(check(log_url)) == [("missing up to position 8", 8)]


async def test_missing_user_is_found(log_url: str) -> None:
    tamper(log_url, "delete from events where stream = (select stream from events where position = 2)")
    assert places(check(log_url)) == [(f"missing up to position {p}", p) for p in (2, 5, 8)]


async def test_missing_last_rows_are_found(log_url: str) -> None:
    tamper(log_url, "delete from events where position > 7")
    assert places(check(log_url)) == [("missing up to position 9", 8)]


async def test_missing_events_are_found(log_url: str) -> None:
    tamper(log_url, "delete from events")
    assert places(check(log_url)) == [("missing up to position 9", 1)]


async def test_forged_row_is_found(log_url: str) -> None:
    tamper(
        log_url,
        """insert into events (position, event_id, stream, version, type, schema_version, public, private, metadata,
           recorded_at, hash) select 10, event_id, stream, 4, type, schema_version, public, private, metadata,
           recorded_at, hash from events where position = 8""",
    )
    assert places(check(log_url)) == [("behind the head", 10), ("changed", 10)]


async def test_moved_row_is_found(log_url: str) -> None:
    tamper(log_url, "update events set position = 10 where position = 5")
    assert ("missing up to position 5", 5) in places(check(log_url))


async def test_rows_swapped_in_the_log_are_found(log_url: str) -> None:
    tamper(
        log_url,
        "update events set position = -1 where position = 4",
        "update events set position = 4 where position = 5",
        "update events set position = 5 where position = -1",
    )
    findings = check(log_url).findings
    assert {(finding.problem, finding.stream) for finding in findings} == {("changed", A), ("changed", B)}


async def test_rows_swapped_in_a_stream_are_found(log_url: str) -> None:
    tamper(
        log_url,
        "update events set version = 99 where position = 2",
        "update events set version = 1 where position = 5",
        "update events set version = 2 where position = 2",
    )
    assert {(finding.problem, finding.stream) for finding in check(log_url).findings} == {("changed", B)}


async def test_row_given_to_another_user_is_found(log_url: str) -> None:
    tamper(log_url, "update events set stream = 'user_x', version = 1 where position = 8")
    assert places(check(log_url)) == [("changed", 8)]


async def test_head_moved_back_is_found(log_url: str) -> None:
    tamper(log_url, "update log_head set position = 8")
    assert places(check(log_url)) == [("behind the head", 9)]


# --- the command ------------------------------------------------------------------------------------------------


def run(url: str, *arguments: str) -> tuple[int, str]:
    environment = {**os.environ, "DENIZEN_DATABASE_URL": url}
    command = forked.denizen("log", "verify", *arguments)
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


async def test_log_verify_of_a_damaged_log_exits_with_one(log_url: str) -> None:
    code, output = run(log_url, "--json")
    whole: dict[str, Any] = {"intact": True, "head": COUNT, "events": COUNT, "findings": [], "snapshotsCompared": False}
    assert (code, orjson.loads(output)) == (0, whole)
    tamper(log_url, CHANGED["public"])
    code, output = run(log_url, "--json")
    result: dict[str, Any] = orjson.loads(output)
    assert (code, result["intact"]) == (1, False)
    assert result["findings"][0] == {"problem": "changed", "position": 5, "stream": B, "version": 2}
    code, output = run(log_url)
    assert code == 1
    assert f"position 5, {B} version 2: changed" in output
