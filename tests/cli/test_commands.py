"""The command line as people type it: what it prints, and its exit codes."""

import json
import os
import pty
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from denizen import Client, Event
from pydantic import SecretStr

from services.platform.settings import Settings
from tests.support import forked
from tests.support.servers import REPOSITORY, Denizen


class Shell:
    """Runs `denizen` beside a running `denizen up`."""

    def __init__(self, home: Path, **environment: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
        self.environment = {**clean, "DENIZEN_HOME": str(home), "COLUMNS": "200", **environment}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A program of its own."""
        return self._popen([sys.executable, "-m", "services.cli", *arguments])

    def _popen(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start_forked(self, *arguments: str) -> subprocess.Popen[str]:
        """A fork of a process that has imported everything, which starts sooner."""
        return self._popen(forked.denizen(*arguments))

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start_forked(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def on_terminal(
        self, *arguments: str, streams: Collection[str] = ("stdout", "stderr"), columns: int = 200
    ) -> tuple[int, str]:
        """The exit code, and all that a command writes to a terminal of this width; other streams go nowhere."""
        ours, its = pty.openpty()
        process = subprocess.Popen(
            forked.denizen(*arguments),
            cwd=REPOSITORY,
            env={**self.environment, "COLUMNS": str(columns), "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=its if "stdout" in streams else subprocess.DEVNULL,
            stderr=its if "stderr" in streams else subprocess.DEVNULL,
        )
        os.close(its)
        shown = b""
        with suppress(OSError):  # EIO: the command has ended.
            while piece := os.read(ours, 65536):
                shown += piece
        os.close(ours)
        return process.wait(60), shown.decode(errors="replace")

    def json(self, *arguments: str) -> Any:
        code, out, err = self.run(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def shell(denizen: Denizen) -> Shell:
    return Shell(denizen.home)


def email() -> str:
    return f"{secrets.token_hex(8)}@example.com"


def test_user_commands_from_creation_to_block_work(shell: Shell) -> None:
    address = email()
    profile, metadata = '{"firstName": "Linus"}', '{"plan": "pro"}'
    user = shell.json(
        *("users", "create", "--email", address, "--verified", "--external-id", address),
        *("--profile", profile, "--metadata", metadata, "--actor", "test"),
    )
    assert (user["status"], user["profile"]["firstName"], user["metadata"]) == ("ACTIVE", "Linus", {"plan": "pro"})
    for name in ([user["id"]], ["--email", address.upper()], ["--external-id", address]):
        assert shell.json("users", "get", *name)["id"] == user["id"]
    assert shell.json("users", "update", user["id"], "--metadata", '{"plan": null}')["metadata"] == {}
    assert shell.json("users", "update", user["id"], "--external-id", "")["externalId"] is None
    assert shell.json("users", "block", user["id"], "--reason", "spam")["status"] == "BLOCKED"
    assert shell.json("users", "unblock", user["id"], "--expected-version", "4")["status"] == "ACTIVE"
    assert shell.json("users", "deactivate", user["id"])["status"] == "DEACTIVATED"
    assert shell.json("users", "reactivate", user["id"])["status"] == "ACTIVE"
    listed = shell.json("users", "list", "--count", "500", "--status", "ACTIVE")
    assert user["id"] in [each["id"] for each in listed["data"]]


def test_output_without_json_is_lines(shell: Shell) -> None:
    address = email()
    code, out, _ = shell.run("users", "create", "--email", address)
    assert code == 0
    assert address in out
    code, out, _ = shell.run("users", "list", "--count", "500")
    assert code == 0
    assert address in out


def test_refusal_and_wrong_usage_have_their_exit_codes(shell: Shell) -> None:
    address = email()
    shell.json("users", "create", "--email", address)
    code, out, err = shell.run("users", "create", "--email", address)
    assert (code, out) == (1, "")
    assert "email_taken" in err
    for wrong in (
        ["get"],
        ["create"],
        ["list", "--count", "0"],
        ["block"],
        ["update", "x", "--profile", "[]"],
        ["nothing"],
    ):
        code, _, err = shell.run("users", *wrong)
        assert code == 2, wrong
        assert "Usage" in err


def test_events_tail_prints_new_events(shell: Shell) -> None:
    user = shell.json("users", "create", "--email", email())
    code, out, _ = shell.run("events", "tail", "--all", "--json", "--type", "UserCreated", "--count", "1")
    assert (code, json.loads(out)["type"]) == (0, "UserCreated")
    tail = shell.start("events", "tail", "--all", "--json")
    assert tail.stdout is not None
    ids = (json.loads(line)["userId"] for line in tail.stdout)
    assert user["id"] in ids
    tail.send_signal(signal.SIGINT)
    tail.communicate(timeout=60)
    assert tail.returncode == 0


def test_event_type_that_does_not_exist_is_refused(shell: Shell) -> None:
    code, _, err = shell.run("events", "tail", "--type", "UserBloked")
    assert code == 2
    assert "UserBlocked" in err


def test_parked_events_are_listed_and_retried(shell: Shell, denizen: Denizen) -> None:
    name = f"test-{secrets.token_hex(6)}"
    failing, handled, retried = threading.Event(), threading.Event(), threading.Event()
    failing.set()
    with Client(denizen.nats_url) as client:
        user, later = (client.auth.users.create(email=email()) for _ in range(2))

        def handle(event: Event) -> None:
            if event.user_id == user.id and failing.is_set():
                raise LookupError
            {user.id: retried, later.id: handled}.get(event.user_id, threading.Event()).set()

        client.auth.events.subscribe("UserBlocked", durable=name, start="new", park_after=1, handler=handle)
        client.auth.users.block(user.id)
        client.auth.users.block(later.id)
        assert handled.wait(20)
        (parked,) = shell.json("events", "parked", "list", name)
        assert (parked["userId"], parked["tries"], parked["error"]) == (user.id, 1, "LookupError")
        code, out, _ = shell.run("events", "parked", "list", name)
        assert (code, out.split("\t")[:3]) == (0, [str(parked["position"]), "UserBlocked", user.id])
        assert shell.run("events", "parked", "retry", name, "1")[0] == 1
        assert shell.run("events", "parked", "retry", name)[0] == 2
        assert shell.run("events", "parked", "list", "bill.ing")[0] == 1
        failing.clear()
        assert shell.json("events", "parked", "retry", name, "--all")["retried"] == [parked["position"]]
        assert retried.wait(20)


def test_log_verify_of_an_intact_log_says_so(shell: Shell) -> None:
    assert shell.json("log", "verify")["intact"]


def test_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    # As of a file system that is read-only; those who run the tests may be root, whom no mode holds up.
    (tmp_path / "lock").mkdir()
    code, out, err = Shell(tmp_path).run("up")
    assert (code, out) == (1, "")
    assert err == f"denizen up: cannot write in {tmp_path}: Is a directory\n"


def test_command_without_a_running_denizen_says_so_in_one_line(tmp_path: Path) -> None:
    alone = Shell(tmp_path, DENIZEN_NATS_URL="nats://127.0.0.1:1")
    code, out, err = alone.run("users", "list")
    assert (code, out) == (1, "")
    assert err.startswith("no_answer")
    assert len(err.splitlines()) == 1
    assert alone.run("log", "verify")[0] == 2


def test_wrong_setting_is_named(tmp_path: Path) -> None:
    for command in (["up"], ["log", "verify"], ["users", "list"], ["doctor"], ["migrate"]):
        code, _, err = Shell(tmp_path, DENIZEN_NATS_PORT="many").run(*command)
        assert (code, err.splitlines()) == (2, [err.strip()]), command
        assert err.startswith("DENIZEN_NATS_PORT")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("NATS_URL", url) for url in ("http://canary", "nats://a,http://canary", "ws://canary", "nats://", "a,,b")),
        *(("NATS_URL", url) for url in ("nats://canary:0x1", "nats://[canary", "NATS://canary", "xnats://canary")),
        *(("SMTP_URL", url) for url in ("ftp://canary", "canary:25", "smtp://canary:0x1", "smtp://canary/path")),
        *(
            ("DATABASE_URL", url)
            for url in ("postgres//canary", "canary", "postgresql://canary:0x1/d", "mysql://canary")
        ),
        *(("DATABASE_URL", url) for url in ("postgresql://h/d?canary=1", "postgresql://h:70000/canary", "host=h x")),
        *(("DATABASE_URL", f"host=canary port={port}") for port in ("0", "5432,65536", "1_0", "٥٤٣٢", "9" * 50)),
        ("READ_DATABASE_URL", "http://canary"),
        ("CLAIM_KEY", "canary"),
        ("KEY_ENCRYPTION_KEYS", "1:canary"),
    ],
)
def test_setting_that_can_never_work_is_refused_at_once(tmp_path: Path, name: str, value: str) -> None:
    wanting = {"CLAIM_KEY": "KEY_ENCRYPTION_KEYS", "KEY_ENCRYPTION_KEYS": "CLAIM_KEY"}.get(name, name)
    code, out, err = Shell(tmp_path, **{f"DENIZEN_{name}": value}).run("up")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(f"DENIZEN_{wanting}: ")
    assert "canary" not in err
    assert list(tmp_path.iterdir()) == [], "nothing was started or made"
    _service_refuses({f"DENIZEN_{name}": value}, tmp_path, [err.strip()])


@pytest.mark.parametrize("service", ["accounts", "relay", "mailer"])
def test_service_without_a_needed_setting_names_it(tmp_path: Path, service: str) -> None:
    both = {"DENIZEN_DATABASE_URL": "postgresql://localhost:1/denizen", "DENIZEN_NATS_URL": "nats://localhost:1"}
    for missing in (list(both), ["DENIZEN_DATABASE_URL"], ["DENIZEN_NATS_URL"]):
        given = {name: value for name, value in both.items() if name not in missing}
        _service_refuses(given, tmp_path, [f"{name}: is not set" for name in missing], service)


def _service_refuses(environment: dict[str, str], home: Path, told: list[str], service: str = "accounts") -> None:
    code, out, err = Shell(home, **environment).run("run", service)
    assert (code, out) == (2, "")
    (line,) = map(json.loads, err.splitlines())
    assert (line["event"], line["settings"]) == ("settings_invalid", told)


@pytest.mark.parametrize(
    "url",
    ["nats://a:4222", "tls://a,tls://b:1", "a", "a:4222,b", "nats://user:word@a:4222", "nats://[::1]:4222, nats://b"],
)
def test_nats_url_accepts_what_nats_py_accepts(url: str) -> None:
    assert Settings(nats_url=url).nats_url == url


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://a:b@h/d?sslmode=verify-full&sslrootcert=/ca.pem",
        "postgres://h1:1,h2:2/d?target_session_attrs=read-write",
        "postgresql:///d?host=/var/run/postgresql",
        "postgresql://[::1]/d",
        "host=h dbname='a b' password=c",
        "host=h port=5432,5433",
        "host=a,b,c port=' 5432 , +05433,'",
        "postgresql://%2Fvar%2Frun%2Fpostgresql:5433/d",
        "service=users",
    ],
)
def test_database_url_accepts_what_libpq_accepts(address: str) -> None:
    assert Settings(database_url=SecretStr(address)).database_url == SecretStr(address)


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["up"],
        ["run"],
        ["migrate"],
        ["doctor"],
        ["log", "verify"],
        ["events", "tail"],
        ["events", "parked", "list"],
        ["events", "parked", "retry"],
        *(
            ["users", each]
            for each in ("create", "get", "list", "update", "block", "unblock", "deactivate", "reactivate")
        ),
    ],
)
def test_every_command_has_help(tmp_path: Path, command: list[str]) -> None:
    code, out, _ = Shell(tmp_path).run(*command, "--help")
    assert code == 0
    assert "Usage: denizen" in out or "Usage: python -m services.cli" in out
