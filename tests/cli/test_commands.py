"""The command line as people type it: what it prints, and its exit codes."""

import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import REPOSITORY, Denizen


class Shell:
    """Runs `denizen` beside a running `denizen up`."""

    def __init__(self, home: Path, **environment: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
        self.environment = {**clean, "DENIZEN_HOME": str(home), "COLUMNS": "200", **environment}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli", *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def json(self, *arguments: str) -> Any:
        code, out, err = self.run(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def shell(denizen: Denizen) -> Shell:
    return Shell(denizen.home)


def email() -> str:
    return f"{secrets.token_hex(8)}@example.com"


def test_a_user_from_beginning_to_end(shell: Shell) -> None:
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


def test_people_see_lines(shell: Shell) -> None:
    address = email()
    code, out, _ = shell.run("users", "create", "--email", address)
    assert code == 0
    assert address in out
    code, out, _ = shell.run("users", "list", "--count", "500")
    assert code == 0
    assert address in out


def test_refusals_and_wrong_usage_have_their_exit_codes(shell: Shell) -> None:
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


def test_events_are_followed(shell: Shell) -> None:
    user = shell.json("users", "create", "--email", email())
    code, out, _ = shell.run("events", "tail", "--all", "--json", "--type", "UserCreated", "--count", "1")
    assert (code, json.loads(out)["type"]) == (0, "UserCreated")
    tail = shell.start("events", "tail", "--all", "--json")
    assert tail.stdout is not None
    ids = (json.loads(line)["userId"] for line in tail.stdout)
    assert user["id"] in ids
    tail.send_signal(signal.SIGINT)
    tail.communicate(timeout=10)
    assert tail.returncode == 0


def test_the_doctor_finds_all_well(shell: Shell) -> None:
    findings = shell.json("doctor")
    assert findings["ok"]
    assert [each["check"] for each in findings["checks"]] == ["keys", "postgresql", "log", "nats", "services", "stream"]


def test_the_doctor_finds_what_is_wanting(tmp_path: Path) -> None:
    nowhere = Shell(
        tmp_path,
        DENIZEN_NATS_URL="nats://backend:secret1@127.0.0.1:1",
        DENIZEN_DATABASE_URL="postgresql://denizen:secret2@127.0.0.1:1/denizen",
    )
    code, out, err = nowhere.run("doctor", "--json")
    assert code == 1
    assert not any(each["ok"] for each in json.loads(out)["checks"])
    assert "secret" not in out + err


def test_the_doctor_finds_keys_that_others_can_read(denizen: Denizen, shell: Shell) -> None:
    key = denizen.home / "keys/kek-1"
    key.chmod(0o644)
    try:
        code, out, _ = shell.run("doctor")
    finally:
        key.chmod(0o600)
    assert code == 1
    assert "chmod 600" in out


def test_log_verify_says_that_the_log_is_intact(shell: Shell) -> None:
    assert shell.json("log", "verify")["intact"]


def test_without_a_denizen_one_line_says_so(tmp_path: Path) -> None:
    alone = Shell(tmp_path, DENIZEN_NATS_URL="nats://127.0.0.1:1")
    code, out, err = alone.run("users", "list")
    assert (code, out) == (1, "")
    assert err.startswith("no_answer")
    assert len(err.splitlines()) == 1
    assert alone.run("log", "verify")[0] == 2


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    for command in (["up"], ["log", "verify"], ["users", "list"], ["doctor"], ["migrate"]):
        code, _, err = Shell(tmp_path, DENIZEN_NATS_PORT="many").run(*command)
        assert (code, err.splitlines()) == (2, [err.strip()]), command
        assert err.startswith("DENIZEN_NATS_PORT")


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
