"""`denizen doctor`: what is well, what is wanting, and how soon a service that hangs is found."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import projections
from services.doctor import broker, database, files, processes
from services.doctor.finding import Report, Wanting
from services.doctor.processes import Process, judge
from services.embedded.home import with_addresses
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.migrations.roles import SERVICES
from services.platform.database import Database
from services.platform.settings import Settings
from services.projector import checkpoints
from tests.cli.test_commands import Shell
from tests.support.log import append, ring, settings, user_id
from tests.support.quiet import takes_less_than
from tests.support.servers import Denizen, eventually
from tests.support.smtp import put

CHECKS = [
    *(
        "files",
        "keys",
        "postgresql",
        "log",
        "triggers",
        "projections",
        "mails",
        "nats",
        "websocket",
        "services",
        "stream",
    ),
    *SERVICES,
]


@pytest.fixture
def shell(denizen: Denizen) -> Shell:
    return Shell(denizen.home)


def doctor(shell: Shell) -> dict[str, Any]:
    """What it finds, by check."""
    code, out, err = shell.run("doctor", "--json")
    assert code in (0, 1), err
    found = json.loads(out)
    assert found["ok"] == (code == 0)
    return {each["check"]: each for each in found["checks"]}


@pytest.mark.embedded
def test_doctor_of_a_healthy_home_finds_nothing_wanting(shell: Shell) -> None:
    found: dict[str, Any] = eventually(partial(_well, shell), 30, "all is well")
    assert list(found) == CHECKS
    assert found["projections"]["figures"].keys() == {"lagEvents", "lagSeconds"}
    assert found["stream"]["figures"].keys() == {"unpublished", "oldestSeconds"}
    assert found["mails"]["figures"].keys() == {"waiting", "oldestSeconds"}
    assert all(found[service]["figures"]["processes"] == 1 for service in SERVICES)


def _well(shell: Shell) -> dict[str, Any] | None:
    """Other tests may have killed a service a moment ago."""
    found = doctor(shell)
    return found if all(each["ok"] for each in found.values()) else None


def test_doctor_without_servers_finds_each_wanting(tmp_path: Path) -> None:
    nowhere = Shell(
        tmp_path,
        DENIZEN_NATS_URL="nats://backend:secret1@127.0.0.1:1",
        DENIZEN_DATABASE_URL="postgresql://denizen:secret2@127.0.0.1:1/denizen",
    )
    code, out, err = nowhere.run("doctor", "--json")
    assert code == 1
    assert [each["check"] for each in json.loads(out)["checks"] if each["ok"]] == ["files", "websocket"]
    assert not [word for word in ("secret1", "secret2") if word in out + err]


def test_doctor_waits_once_for_servers_that_do_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        port = silent.getsockname()[1]
        nowhere = Shell(
            tmp_path,
            DENIZEN_NATS_URL=f"nats://127.0.0.1:{port}",
            DENIZEN_DATABASE_URL=f"postgresql://denizen@127.0.0.1:{port}/denizen",
        )
        began = time.monotonic()
        found = doctor(nowhere)
    # Each of 15 checks waits for three seconds.
    assert time.monotonic() - began < 30
    assert [name for name, each in found.items() if each["ok"]] == ["files", "websocket"]


# --- services that hang ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.embedded
async def test_frozen_service_is_found_within_ten_seconds(own_denizen: Denizen) -> None:
    """Projector, relay and mailer first, then the rest; what they leave undone is found by its age."""
    found = with_addresses(Settings(home=own_denizen.home))
    rest = ("accounts", "directory", "transfer")
    assert [name for name in SERVICES if await _fault(partial(processes.check, found, name))] == []
    try:
        with takes_less_than(10):
            for name in ("projector", "relay", "mailer"):
                own_denizen.kill(name, signal.SIGSTOP)
            for name in ("projector", "relay", "mailer"):
                assert "it hangs" in await _faulty(partial(processes.check, found, name))
        assert [name for name in rest if await _fault(partial(processes.check, found, name))] == []

        user = Shell(own_denizen.home).json("users", "create", "--email", "ada@example.com", "--verified")
        assert user["status"] == "ACTIVE"
        assert "read the projector's log" in await _faulty(partial(database.check_projections, found))
        assert "read the relay's log" in await _faulty(partial(broker.check_stream, found))

        with takes_less_than(10):
            for name in rest:
                own_denizen.kill(name, signal.SIGSTOP)
            for name in rest:
                assert "it hangs" in await _faulty(partial(processes.check, found, name))
    finally:
        for name in SERVICES:
            own_denizen.kill(name, signal.SIGCONT)
    await asyncio.to_thread(eventually, partial(_well, Shell(own_denizen.home)), 60, "all is well again")


async def _fault(check: Callable[[], Awaitable[Report]]) -> str:
    """What is wanting; empty where nothing is."""
    try:
        await check()
    except Wanting as error:
        return str(error)
    return ""


async def _faulty(check: Callable[[], Awaitable[Report]]) -> str:
    """What is missing, as soon as the check finds it."""
    async with asyncio.timeout(60):
        while not (fault := await _fault(check)):
            await asyncio.sleep(0.1)
    return fault


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([], "no process is running: start `denizen run relay`"),
        ([Process("7", "10.0.0.1", 7.5, "denizen_relay", False)], "process 7 at 10.0.0.1 has given no sign of life"),
        (
            [Process("7", "10.0.0.1", 1, "denizen_relay", False), Process("8", "10.0.0.2", 60, "denizen_relay", False)],
            "process 8 at 10.0.0.2 has given no sign of life for 60 s",
        ),
        ([Process("7", "10.0.0.1", None, "denizen_relay", False)], "cannot be seen"),
        ([Process("7", "10.0.0.1", 1, "denizen", True)], "logs in as denizen, who has the rights of the owner"),
    ],
)
def test_judge_names_what_is_wrong_with_a_process(seen: list[Process], says: str) -> None:
    with pytest.raises(Wanting, match=says):
        judge("relay", seen)


def test_judge_accepts_several_processes() -> None:
    seen = [Process("7", "10.0.0.1", 1.9, "a_relay", False), Process("7", "10.0.0.2", 6.9, "a_relay", False)]
    assert judge("relay", seen) == Report("2 processes, heard 6.9 s ago", {"processes": 2, "heardSeconds": 6.9})


async def test_service_that_logs_in_as_the_owner_is_found(database_url: str) -> None:
    assert "no process" in await _fault(partial(processes.check, settings(database_url), "relay"))
    owner = make_conninfo(database_url, application_name="denizen alive/denizen/relay/7")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("select 1")
        assert "logs in as denizen" in await _fault(partial(processes.check, settings(database_url), "relay"))
        assert "no process" in await _fault(partial(processes.check, settings(database_url), "mailer"))


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "says"), [(170009, "17.9 is older than 18"), (180003, "18.3 lacks security fixes: update to 18.4")]
)
def test_old_postgresql_is_named(version: int, says: str) -> None:
    with pytest.raises(Wanting, match=says):
        database.judge_version(version)


def test_postgresql_with_the_fixes_is_accepted() -> None:
    assert [database.judge_version(version) for version in (180004, 190000)] == ["18.4", "19.0"]


async def test_late_projections_are_found_by_their_age(database_url: str) -> None:
    found = settings(database_url)
    assert "there are none" in await _fault(partial(database.check_projections, found))
    made = Database(found, "test", role="projector")
    async with made.connection() as connection:
        await checkpoints.prepare(connection, projections.ALL)
    assert not await _fault(partial(database.check_projections, found))
    store = PostgresEventStore(found, ring(), "test")
    await store.append([append(user_id(), 0, 3)])  # recorded long ago
    await store.close()
    with pytest.raises(Wanting, match="3 events are not projected yet, the oldest for") as caught:
        await database.check_projections(found)
    assert caught.value.figures["lagEvents"] == 3
    assert caught.value.figures["lagSeconds"] > database.LATE_SECONDS
    async with made.connection() as connection:
        await connection.execute("update projections set version = version + 1 where name = 'users'")
    await made.close()
    assert (await _fault(partial(database.check_projections, found))).startswith("users: missing or of another version")


async def test_mail_that_waits_too_long_is_found(database_url: str) -> None:
    put(database_url, "ada@example.com")
    assert (await database.check_mails(settings(database_url))).figures["waiting"] == 1
    with psycopg.connect(database_url) as owner:
        owner.execute("update denizen.mails set mail_id = uuidv7(interval '-2 minutes')")
    with pytest.raises(Wanting, match=r"1 mails wait, the oldest for 12. s.* DENIZEN_SMTP_URL"):
        await database.check_mails(settings(database_url))


def triggers(url: str, home: Path) -> dict[str, Any]:
    """What the doctor finds about them."""
    found = doctor(Shell(home, DENIZEN_DATABASE_URL=url, DENIZEN_NATS_URL="nats://127.0.0.1:1"))
    return found["triggers"]


@pytest.mark.parametrize(
    "statement",
    [
        "alter table denizen.events disable trigger all",
        "alter table denizen.events enable replica trigger append_only",
        "drop trigger append_only on denizen.events",
    ],
)
def test_trigger_that_does_not_fire_is_found(database_url: str, tmp_path: Path, statement: LiteralString) -> None:
    assert triggers(database_url, tmp_path)["ok"]
    with psycopg.connect(database_url) as owner:
        owner.execute(statement)
    found = triggers(database_url, tmp_path)
    assert not found["ok"]
    assert found["says"].startswith("events.append_only: disabled")


def test_doctor_knows_each_trigger_that_migrations_make(database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url, options="-c search_path=denizen") as owner:
        made = owner.execute(
            "select tgrelid::regclass || '.' || tgname from pg_trigger where not tgisinternal order by 1"
        )
        names = [name for (name,) in made.fetchall()]
        owner.execute("drop function refuse_change, refuse_retired_epoch cascade")
    assert len(names) > 1
    assert triggers(database_url, tmp_path)["says"].startswith(f"{', '.join(names)}: ")


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("path", "mode", "says"),
    [("keys/kek-1", 0o644, "chmod 600"), ("up.json", 0o604, "chmod 600"), ("mail", 0o755, "chmod 700")],
)
def test_file_that_others_can_read_is_found(denizen: Denizen, shell: Shell, path: str, mode: int, says: str) -> None:
    loose = denizen.home / path
    before = loose.stat().st_mode & 0o777
    loose.chmod(mode)
    try:
        found = doctor(shell)["files"]
    finally:
        loose.chmod(before)
    assert not found["ok"]
    assert str(loose) in found["says"]
    assert says in found["says"]


def test_env_file_that_others_can_read_is_found(tmp_path: Path) -> None:
    environment = tmp_path / ".env"
    files.look(tmp_path, environment)
    environment.write_text("DENIZEN_CLAIM_KEY=canary\n")
    environment.chmod(0o640)
    files.look(tmp_path, environment)
    environment.chmod(0o644)
    with pytest.raises(Wanting, match=r"every user of this machine can read .*\.env: chmod 600"):
        files.look(tmp_path, environment)
    environment.write_text("OTHER=1\n")
    files.look(tmp_path, environment)
