"""Real servers for tests: the embedded PostgreSQL and NATS, and a whole `denizen up`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import orjson
import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from services.embedded.home import Home
from services.embedded.program import Program, launched

REPOSITORY = Path(__file__).parents[2]


class PostgresServer(Protocol):
    """A PostgreSQL, wherever it runs."""

    @property
    def url(self) -> str:
        """The owner's address of the database `denizen`."""
        ...


class NatsServer(Protocol):
    """A NATS under deploy/nats/accounts.conf, wherever it runs."""

    passwords: dict[str, str]
    port: int

    @property
    def url(self) -> str:
        """Its address; a client without a password is the user `backend`."""
        ...


def eventually(condition: Callable[[], Any], seconds: float = 30, what: str = "it") -> Any:
    """The first true value of a condition. Fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about within {seconds} s"
        time.sleep(0.02)
    return value


def freeze(pid: int) -> None:
    """Stop a process with all its threads, which on a busy machine run on for a while after the signal."""

    def is_stopped() -> bool:
        try:
            stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
        except OSError:
            return False  # A thread has ended since its directory was listed.
        return {stat.rpartition(")")[2].split()[0] for stat in stats} == {"T"}

    os.kill(pid, signal.SIGSTOP)
    eventually(is_stopped, what="the stop of every thread")


_databases = count(1)


@contextmanager
def copied(server: PostgresServer, template: str = "denizen") -> Generator[str]:
    """The owner's address of a new database, made as a copy of another one of the server."""
    name = f"test_{next(_databases)}"
    admin = make_conninfo(server.url, dbname="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        copy = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        connection.execute(copy)
    yield server.url.removesuffix("/denizen") + f"/{name}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@contextmanager
def running(program: Program, log: Path) -> Generator[subprocess.Popen[bytes]]:
    """A server from the time it answers to its clean end; its process."""
    program.prepare()
    with log.open("wb") as output:
        process = subprocess.Popen(
            program.command(),
            env=program.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            eventually(lambda: program.is_ready() or process.poll() is not None, 60, program.name)
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            process.send_signal(program.stop_signal)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Denizen:
    """One `denizen up --json` on a directory."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.source = REPOSITORY
        """The directory of the code that runs."""
        self._environment = {"DENIZEN_NATS_PORT": "0", **environment, "DENIZEN_HOME": str(home)}
        self._process: subprocess.Popen[bytes] | None = None
        self.addresses: dict[str, Any] = {}

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def nats_url(self) -> str:
        """The trusted back end's."""
        return str(self.addresses["natsUrl"])

    def nats_password(self, user: str) -> str:
        """Of a user of NATS, whose server may be another than its own."""
        given = self._environment.get(f"DENIZEN_NATS_{user.upper()}_PASSWORD")
        return given or Home(self.home).password(f"nats-{user}")

    @property
    def database_url(self) -> str:
        """The owner's."""
        return str(self.addresses["databaseUrl"])

    def start(self) -> float:
        """Start, and wait for the line; the seconds that it took."""
        began = time.monotonic()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
        with (self.home.parent / f"{self.home.name}.stderr").open("ab") as errors:
            # It ends with the thread that starts it, so that none stays where the tests are killed.
            up = [sys.executable, "-m", "services.cli", "up", "--json"]
            self._process = subprocess.Popen(
                launched(up, self.source, signal.SIGTERM),
                env={**inherited, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.stdout.close()
            raise AssertionError(f"denizen up ended with {self._process.wait()}: {self.errors()}")
        self.addresses = orjson.loads(line)
        return time.monotonic() - began

    def errors(self) -> str:
        """What it has said on stderr."""
        return (self.home.parent / f"{self.home.name}.stderr").read_text("utf-8")

    def pids(self) -> dict[str, int]:
        """Process ids of the children by name: postgres, nats, and the services."""
        try:
            children = orjson.loads((self.home / "children.json").read_bytes())
        except FileNotFoundError:
            return {}
        return {name: child["pid"] for name, child in children.items()}

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Signal one child; its pid."""
        pid = self.pids()[name]
        os.kill(pid, number)
        return pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait for its end; the exit code."""
        process = self.process
        with suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            return process.wait(60)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def leftovers(self) -> list[str]:
        """Command lines of processes that still run on the home."""
        found: list[str] = []
        for process in psutil.process_iter(["cmdline", "cwd", "environ", "status"]):
            info: dict[str, Any] = process.info
            environment: dict[str, str] = info["environ"] or {}
            ours = environment.get("DENIZEN_HOME") == str(self.home)
            inside = any(f"{self.home}/" in word for word in [str(info["cwd"] or ""), *(info["cmdline"] or ())])
            if (ours or inside) and info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
                found.append(" ".join(info["cmdline"] or [str(process.pid)]))
        return found
