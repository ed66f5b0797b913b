"""`denizen up`: ready, restarted, stopped, and started again after every kind of death."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import nats
import nats.errors
import psutil
import psycopg
import pytest

from tests.support.quiet import takes_less_than
from tests.support.servers import REPOSITORY, Denizen, eventually, freeze

pytestmark = pytest.mark.embedded

SERVERS = ("postgres", "nats", "smtp")
SERVICES = ("accounts", "directory", "transfer", "projector", "relay", "mailer")
CREATE = "users.v1.command.CreateUser"


async def created(denizen: Denizen, email: str) -> bytes:
    """Ask for a user until there is an answer; the answer."""
    client = await nats.connect(denizen.nats_url, max_reconnect_attempts=200, reconnect_time_wait=0.1, error_cb=_ignore)
    try:
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(nats.errors.Error, TimeoutError):
                    reply = await client.request(CREATE, b'{"email":"%s"}' % email.encode(), timeout=1)
                    if b'"internal"' not in reply.data and b'"overloaded"' not in reply.data:
                        return reply.data
                await asyncio.sleep(0.05)
    finally:
        await client.close()


async def _ignore(_: Exception) -> None:
    pass


def test_ready_line_has_the_addresses(denizen: Denizen) -> None:
    assert denizen.addresses["ready"] is True
    assert sorted(denizen.pids()) == sorted(SERVERS + SERVICES)
    assert Path(denizen.addresses["mailDir"]) == denizen.home / "mail"
    assert {path.name for path in (denizen.home / "mail").iterdir()} == {"cur", "new", "tmp"}


async def test_ready_up_answers_every_operation(denizen: Denizen) -> None:
    with psycopg.connect(denizen.database_url) as connection:
        assert connection.execute("select current_setting('fsync'), current_user").fetchone() == ("on", "denizen")
    client = await nats.connect(denizen.nats_url)
    reply = await client.request(CREATE, b'{"email":"first@example.com"}', timeout=2)
    assert b'"position"' in reply.data
    await client.close()


@pytest.mark.parametrize("name", SERVERS + SERVICES)
async def test_killed_child_is_back_within_ten_seconds(denizen: Denizen, name: str) -> None:
    killed = denizen.kill(name)
    with takes_less_than(10):
        eventually(lambda: denizen.pids().get(name, killed) != killed, 30, f"a new {name}")
    assert b'"position"' in await created(denizen, f"{name}@example.com")


async def test_killed_server_keeps_its_address(denizen: Denizen) -> None:
    before = dict(denizen.addresses)
    for name in SERVERS:
        killed = denizen.kill(name)
        eventually(lambda name=name, killed=killed: denizen.pids().get(name, killed) != killed)
    assert b'"position"' in await created(denizen, "address@example.com")
    assert denizen.addresses == before


def test_postgresql_asks_for_the_owner_password(denizen: Denizen) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(denizen.database_url.replace(":k", ":wrong"))


def test_secrets_are_on_no_command_line_and_in_no_log(denizen: Denizen) -> None:
    secrets = [path.read_text().strip() for path in (denizen.home / "keys").iterdir()]
    shown = [" ".join(psutil.Process(pid).cmdline()) for pid in denizen.pids().values() if psutil.pid_exists(pid)]
    logged = [path.read_text() for path in (denizen.home / "log").iterdir()]
    assert not [secret for secret in secrets for text in (*shown, *logged) if secret in text]


def test_files_of_the_home_are_private(denizen: Denizen) -> None:
    for name in ("keys", "log", "mail", "nats", "postgres"):
        assert (denizen.home / name).stat().st_mode & 0o077 == 0, name
    for path in (*(denizen.home / "keys").iterdir(), denizen.home / "up.json"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_second_up_on_the_same_home_is_refused(denizen: Denizen) -> None:
    second = Denizen(denizen.home)
    with pytest.raises(AssertionError, match="ended with 1"):
        second.start()
    assert f"another `denizen up` (process {denizen.process.pid}) runs on {denizen.home}" in second.errors()


def test_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        instance = Denizen(tmp_path / "home", DENIZEN_NATS_PORT=str(port))
        with pytest.raises(AssertionError, match="ended with 1"):
            instance.start()
    assert f"port {port} of NATS is taken" in instance.errors()
    assert instance.leftovers() == []


async def test_clean_stop_allows_a_quick_start(own_denizen: Denizen) -> None:
    assert b'"position"' in await created(own_denizen, "kept@example.com")
    assert own_denizen.stop(signal.SIGTERM) == 0
    _assert_clean(own_denizen)
    with takes_less_than(8):  # The target is 3 s.
        own_denizen.start()
    assert b"email_taken" in await created(own_denizen, "kept@example.com")
    assert own_denizen.stop(signal.SIGINT) == 0
    _assert_clean(own_denizen)


def _assert_clean(stopped: Denizen) -> None:
    assert stopped.leftovers() == []
    assert not (stopped.home / "up.json").exists()


def test_stop_before_ready_is_clean(tmp_path: Path) -> None:
    starting = Denizen(tmp_path / "home")
    with pytest.raises(AssertionError, match="ended with 0"):
        _start_and_stop_at_once(starting)
    assert starting.leftovers() == []


def _start_and_stop_at_once(instance: Denizen) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            eventually(lambda: instance.pids().get("postgres"))
            holder = int((instance.home / "lock").read_text())
            os.kill(holder, signal.SIGTERM)
        finally:
            os._exit(0)
    try:
        instance.start()
    finally:
        os.waitpid(pid, 0)


@pytest.mark.slow
async def test_killed_supervisor_takes_its_children_along(own_denizen: Denizen) -> None:
    assert b'"position"' in await created(own_denizen, "kept@example.com")
    own_denizen.stop(signal.SIGKILL)
    own_denizen.start()
    assert b"email_taken" in await created(own_denizen, "kept@example.com")
    assert own_denizen.stop() == 0


@pytest.mark.slow
async def test_killed_home_starts_again(own_denizen: Denizen) -> None:
    assert b'"position"' in await created(own_denizen, "kept@example.com")
    pids = own_denizen.pids()
    own_denizen.process.kill()
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    own_denizen.stop()
    own_denizen.start()
    assert b"email_taken" in await created(own_denizen, "kept@example.com")


@pytest.mark.slow
async def test_orphans_of_a_killed_supervisor_are_ended(own_denizen: Denizen) -> None:
    """Children that are deaf to the signal of their parent's death."""
    assert b'"position"' in await created(own_denizen, "kept@example.com")
    orphans = own_denizen.pids()
    for pid in orphans.values():
        freeze(pid)
    own_denizen.stop(signal.SIGKILL)
    own_denizen.start()
    assert not [name for name, pid in orphans.items() if psutil.pid_exists(pid) and _runs(pid)]
    assert b"email_taken" in await created(own_denizen, "kept@example.com")


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
def test_stale_postmaster_pid_does_not_prevent_a_start(own_denizen: Denizen) -> None:
    """Its number may belong to another of our processes by the next start."""
    own_denizen.stop()
    stale = own_denizen.home / "postgres" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{own_denizen.home / 'postgres'}\n1\n5432\n\n127.0.0.1\n 1 1\nready   \n")
    own_denizen.start()


@pytest.mark.slow
def test_up_of_a_killed_test_process_ends(tmp_path: Path) -> None:
    """As of a worker of pytest-xdist: SIGKILL leaves no `denizen up` behind."""
    code = (
        "import sys; from pathlib import Path; from tests.support.servers import Denizen;"
        "Denizen(Path(sys.argv[1])).start(); print('started', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "home")]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tester:
        assert tester.stdout is not None
        assert tester.stdout.readline() == b"started\n"
        tester.kill()
    instance = Denizen(tmp_path / "home")
    assert instance.pids()
    eventually(lambda: instance.leftovers() == [], 60, "the end of all")
