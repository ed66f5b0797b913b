"""A service that cannot start says why in one sentence, at once; it waits for what may come, and else ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from services.embedded.home import Home
from services.embedded.nats import Nats
from services.eventstore.keys import data_keys as keys
from services.eventstore.migrations import roles
from services.eventstore.migrations.migrate import migrate
from services.platform.settings import Settings
from tests.support import forked
from tests.support.servers import REPOSITORY, NatsServer, PostgresServer, eventually, running
from tests.support.tls import make_certificates

SERVICES = ("accounts", "directory", "transfer", "projector", "relay", "mailer")
WITH_KEYS = tuple(service for service in SERVICES if service != "relay")
SOON_SECONDS = 20
"""Five on a quiet machine; this one may be busy."""


class Attempt:
    """A program that is started, and what it says on stderr."""

    def __init__(self, directory: Path, *command: str, **environment: str) -> None:
        self._log = directory / "attempt.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                # Only `up` starts programs of its own, whose parent it must be.
                [sys.executable, "-m", "services.cli", *command] if command[0] == "up" else forked.denizen(*command),
                cwd=REPOSITORY,
                env={**inherited, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
            )

    def said(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def reasons(self) -> list[str]:
        """The sentences of its log."""
        lines: list[dict[str, Any]] = [json.loads(line) for line in self.said().splitlines() if line.endswith("}")]
        return [line["reason"] for line in lines if line["event"] in ("waiting", "failed")]

    def ends(self, code: int) -> None:
        assert self.process.wait(SOON_SECONDS) == code, self.said()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = Home(tmp_path / "home")
    home.create()
    keys.create_missing(home.path)
    return home.path


@pytest.fixture
def well(home: Path, database_url: str, nats_server: NatsServer) -> dict[str, str]:
    """The environment of a service that starts."""
    return {
        "DENIZEN_HOME": str(home),
        "DENIZEN_DATABASE_URL": database_url,
        "DENIZEN_NATS_URL": nats_server.url,
        "DENIZEN_SMTP_URL": "smtp://127.0.0.1:1",
        **{f"DENIZEN_NATS_{user.upper()}_PASSWORD": secret for user, secret in nats_server.passwords.items()},
    }


Start = Callable[..., Attempt]


@pytest.fixture
def start(tmp_path: Path, well: dict[str, str]) -> Iterator[Start]:
    """Start `denizen …` with an environment that differs from one that works."""
    attempts: list[Attempt] = []

    def begin(*command: str, **differs: str) -> Attempt:
        attempts.append(Attempt(tmp_path, *command, **{**well, **differs}))
        return attempts[-1]

    yield begin
    for attempt in attempts:
        attempt.process.kill()
        attempt.process.wait()


def _expect_end(attempt: Attempt, *words: str) -> None:
    attempt.ends(1)
    (*_, reason) = attempt.reasons()
    for word in words:
        assert word in reason
    assert "secret" not in attempt.said()


def _expect_waiting(attempt: Attempt, *words: str) -> None:
    """It says what it waits for, once, goes on waiting, and can be stopped."""
    eventually(attempt.reasons, SOON_SECONDS, "the sentence")
    (reason,) = attempt.reasons()
    for word in words:
        assert word in reason
    assert attempt.process.poll() is None
    attempt.process.send_signal(signal.SIGTERM)
    attempt.ends(0)


@pytest.mark.parametrize("service", SERVICES)
def test_service_without_a_database_server_says_so_and_waits(service: str, start: Start) -> None:
    _expect_waiting(start("run", service, DENIZEN_DATABASE_URL="postgresql://denizen:secret@127.0.0.1:1/denizen"),
                    "PostgreSQL is not reachable", "127.0.0.1")  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
def test_service_with_a_wrong_database_password_says_so_and_ends(service: str, start: Start, database_url: str) -> None:
    wrong = make_conninfo(database_url, password="secret")
    _expect_end(
        start("run", service, DENIZEN_DATABASE_URL=wrong), "password authentication failed", "DENIZEN_DATABASE_URL"
    )


@pytest.mark.embedded
@pytest.mark.parametrize("service", SERVICES)
def test_service_whose_database_has_no_tls_says_so_and_ends(
    service: str, start: Start, database_url: str, tmp_path: Path
) -> None:
    authority = make_certificates(tmp_path / "certificates", "localhost") / "ca.pem"
    demanding = make_conninfo(database_url, sslmode="verify-full", sslrootcert=str(authority))
    _expect_end(start("run", service, DENIZEN_DATABASE_URL=demanding), "server does not support SSL", "sslmode")


@pytest.mark.parametrize("service", SERVICES)
def test_service_whose_database_is_missing_says_so_and_ends(
    service: str, start: Start, postgres: PostgresServer
) -> None:
    missing = make_conninfo(postgres.url, dbname="nowhere")
    _expect_end(start("run", service, DENIZEN_DATABASE_URL=missing), '"nowhere" does not exist', "create it")


@pytest.mark.parametrize("service", SERVICES)
def test_service_without_a_schema_names_the_migration_and_waits(service: str, start: Start) -> None:
    _expect_waiting(start("run", service, DENIZEN_CELL="elsewhere"), "denizen migrate")


@pytest.mark.parametrize("service", SERVICES)
def test_service_without_a_nats_server_says_so_and_waits(service: str, start: Start) -> None:
    _expect_waiting(
        start("run", service, DENIZEN_NATS_URL="nats://127.0.0.1:1"), "NATS is not reachable", "127.0.0.1:1"
    )


@pytest.mark.parametrize("service", SERVICES)
def test_service_with_a_wrong_nats_password_says_so_and_ends(service: str, start: Start) -> None:
    _expect_end(
        start("run", service, DENIZEN_NATS_SIGNAL_PASSWORD="ksecret"), "refuses the login", "wrong user or password"
    )


@pytest.mark.parametrize(
    ("service", "user"),
    [("accounts", "responder"), ("accounts", "revoker"), ("relay", "relay"), ("relay", "registrar")],
)
def test_service_with_one_wrong_nats_password_says_so_and_ends(service: str, user: str, start: Start) -> None:
    attempt = start("run", service, **{f"DENIZEN_NATS_{user.upper()}_PASSWORD": "ksecret"})
    _expect_end(attempt, "refuses the login", "wrong user or password")


@pytest.mark.parametrize("service", WITH_KEYS)
def test_service_without_keys_says_so_and_ends(service: str, start: Start, tmp_path: Path) -> None:
    _expect_end(start("run", service, DENIZEN_HOME=str(tmp_path / "other")), "key")


@pytest.mark.parametrize("service", WITH_KEYS)
def test_service_with_the_keys_of_another_log_says_so_and_ends(service: str, start: Start, tmp_path: Path) -> None:
    first = start("run", "mailer")
    eventually(lambda: '"ready"' in first.said(), SOON_SECONDS)
    other = Home(tmp_path / "other")
    other.create()
    keys.create_missing(other.path)
    _expect_end(start("run", service, DENIZEN_HOME=str(other.path)), "is not the one that this log was written under")


def _change(database_url: str, statement: LiteralString) -> None:
    with psycopg.connect(database_url, options="-c search_path=denizen", autocommit=True) as owner:
        owner.execute(statement)


@pytest.mark.parametrize("service", SERVICES)
def test_service_older_than_its_schema_says_so_and_ends(service: str, start: Start, database_url: str) -> None:
    _change(
        database_url,
        "insert into _yoyo_migration (migration_hash, migration_id, applied_at_utc) values ('x', '9999.future', now())",
    )
    _expect_end(start("run", service), "a newer version of Denizen has migrated denizen (9999.future)", "backup")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "statement",
    [
        "delete from _yoyo_migration where migration_id = (select max(migration_id) from _yoyo_migration)",
        """revoke all on _yoyo_migration
           from denizen_accounts, denizen_directory, denizen_transfer, denizen_projector, denizen_relay, denizen_mailer
        """,
    ],
    ids=["migration", "grants"],
)
def test_service_newer_than_its_schema_says_so_and_waits(
    statement: LiteralString, service: str, start: Start, database_url: str
) -> None:
    _change(database_url, statement)
    _expect_waiting(start("run", service), "is not yet that of this version", "`denizen migrate`")


@contextmanager
def _nats(directory: Path, change: Callable[[str], str]) -> Generator[Nats]:
    """A nats-server whose accounts are changed."""
    home = Home(directory)
    home.create()

    class Changed(Nats):
        def prepare(self) -> None:
            super().prepare()
            accounts = (REPOSITORY / "deploy/nats/accounts.conf").read_text("utf-8")
            (directory / "nats/accounts.conf").write_text(change(accounts), "utf-8")
            config = (directory / "nats/server.conf").read_text("utf-8").splitlines()
            changed = ['include "accounts.conf"' if line.startswith("include") else line for line in config]
            (directory / "nats/server.conf").write_text("\n".join(changed), "utf-8")

    server = Changed(home, 0)
    with running(server, directory / "nats.log"):
        yield server


def _environment(server: Nats) -> dict[str, str]:
    passwords = {f"DENIZEN_NATS_{user.upper()}_PASSWORD": secret for user, secret in server.passwords.items()}
    return {"DENIZEN_NATS_URL": server.url, **passwords}


@pytest.mark.embedded
def test_accounts_without_jetstream_says_so_and_ends(start: Start, tmp_path: Path) -> None:
    with _nats(tmp_path / "nats", lambda accounts: accounts.replace("jetstream: enabled", "")) as server:
        _expect_end(start("run", "accounts", **_environment(server)), "NATS does not take revocations", "JetStream")


@pytest.mark.embedded
def test_relay_without_jetstream_says_so_and_waits(start: Start, tmp_path: Path) -> None:
    with _nats(tmp_path / "nats", lambda accounts: accounts.replace("jetstream: enabled", "")) as server:
        attempt = start("run", "relay", **_environment(server))
        _expect_waiting(attempt, "NATS does not take revocations", "JetStream")


@pytest.mark.embedded
@pytest.mark.parametrize("service", ["accounts", "transfer"])
def test_service_that_may_not_hear_requests_says_so_and_ends(service: str, start: Start, tmp_path: Path) -> None:
    def without(accounts: str) -> str:
        assert "users.v1.command" in accounts
        return accounts.replace('"users.v1.command.', '"users.v2.command.').replace(
            '"users.v1.query.', '"users.v2.query.'
        )

    with _nats(tmp_path / "nats", without) as server:
        _expect_end(start("run", service, **_environment(server)), "may not subscribe to users.v1.", "responder")


@pytest.mark.embedded
@pytest.mark.parametrize("service", ["projector", "mailer", "relay", "directory"])
def test_service_that_may_not_hear_signals_says_so_and_ends(service: str, start: Start, tmp_path: Path) -> None:
    with _nats(tmp_path / "nats", lambda accounts: accounts.replace("denizen.signal", "denizen.other")) as server:
        _expect_end(start("run", service, **_environment(server)), "may not subscribe to denizen.signal.", "signal")


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ("database password", ("password authentication failed",)),
        ("database name", ('"nowhere" does not exist',)),
        ("nats password", ("does not start", "refuses the login")),
        ("port", ("is taken by another program",)),
    ],
)
def test_up_that_cannot_start_says_why_and_ends(
    differs: str, words: tuple[str, ...], start: Start, tmp_path: Path, database_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {
            "database password": {"DENIZEN_DATABASE_URL": make_conninfo(database_url, password="secret")},
            "database name": {"DENIZEN_DATABASE_URL": make_conninfo(database_url, dbname="nowhere")},
            "nats password": {"DENIZEN_NATS_SIGNAL_PASSWORD": "ksecret"},
            "port": {"DENIZEN_NATS_URL": "", "DENIZEN_NATS_PORT": str(taken.getsockname()[1])},
        }[differs]
        attempt = start("up", "--json", DENIZEN_HOME=str(tmp_path / "up"), **environment)
        attempt.process.wait(60)
    assert attempt.process.returncode == 1
    told = [json.loads(line)["error"]["message"] for line in attempt.said().splitlines() if line.startswith('{"error"')]
    assert len(told) == 1, attempt.said()
    assert told[0].startswith("denizen up: ")
    for word in words:
        assert word in told[0]


@pytest.mark.embedded
def test_up_with_keys_of_another_log_ends_and_keeps_its_logins(
    start: Start, tmp_path: Path, database_url: str, home: Path
) -> None:
    """Its passwords would lock out the services that run there."""
    ring = keys.load(Settings(home=home))
    migrate(database_url, "locked", {"mailer": "a secret"}, ring.checks)
    with psycopg.connect(database_url, options="-c search_path=locked", autocommit=True) as owner:
        for name, value in ring.checks.items():
            owner.execute("insert into key_checks (name, value) values (%s, %s)", [name, value])
    attempt = start("up", "--json", DENIZEN_HOME=str(tmp_path / "other"), DENIZEN_CELL="locked")
    assert attempt.process.wait(60) == 1
    assert "is not the one that this log was written under" in attempt.said()
    with psycopg.connect(roles.login(database_url, "locked", "mailer", "a secret")) as mailer:
        assert mailer.execute("select session_user").fetchone() == ("locked_mailer",)
    migrate(database_url, "locked", {}, ring.checks)


def test_service_that_waited_goes_on_when_its_server_comes(start: Start, tmp_path: Path, well: dict[str, str]) -> None:
    """Containers start in any order."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    attempt = start("run", "projector", DENIZEN_NATS_URL=f"nats://127.0.0.1:{port}")
    eventually(attempt.reasons, SOON_SECONDS, "the sentence")
    home = Home(tmp_path / "later")
    home.create()
    server = Nats(home, port)
    server.passwords["signal"] = well["DENIZEN_NATS_SIGNAL_PASSWORD"]
    with running(server, home.path / "nats.log"):
        eventually(lambda: '"event":"ready"' in attempt.said(), SOON_SECONDS, "the service")
        attempt.process.send_signal(signal.SIGTERM)
        attempt.ends(0)


@pytest.mark.parametrize("service", ["accounts", "transfer", "projector", "mailer"])
def test_service_whose_database_takes_no_changes_says_so_and_waits(
    service: str, start: Start, database_url: str
) -> None:
    """As over a standby."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(b'alter database "%b" set default_transaction_read_only = on' % owner.info.dbname.encode())
    _expect_waiting(start("run", service), "takes no changes", "name the primary", "DENIZEN_DATABASE_URL")


def test_service_with_an_unknown_mode_of_tls_says_so_and_ends(start: Start, database_url: str) -> None:
    wrong = make_conninfo(database_url, sslmode="verify")
    _expect_end(start("run", "relay", DENIZEN_DATABASE_URL=wrong), 'invalid sslmode value: "verify"', "sslmode")
