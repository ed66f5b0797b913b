"""What an operator does about passwords, addresses and sessions, by the command line."""

import json
import os
import pty
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import denizen as contract
import pytest

from tests.cli.test_commands import Shell, email
from tests.support import forked
from tests.support.servers import REPOSITORY, Denizen, eventually

Json = dict[str, Any]


def new_password() -> str:
    return f"canary {secrets.token_hex(8)}"


class Operator(Shell):
    """Runs `denizen` with something to read: a pipe, or a terminal."""

    def fed(self, text: str | bytes, *arguments: str) -> tuple[int, str, str]:
        """A command whose standard input is this text."""
        done = subprocess.run(
            forked.denizen(*arguments),
            cwd=REPOSITORY,
            env=self.environment,
            input=text.encode() if isinstance(text, str) else text,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def fed_json(self, text: str, *arguments: str) -> Json:
        code, out, err = self.fed(text, *arguments, "--json")
        assert code == 0, err
        result: Json = json.loads(out)
        return result

    def typed(self, answers: list[str], *arguments: str) -> tuple[int, str, str]:
        """A command on a terminal, where each question gets its answer; the third is what the terminal shows."""
        ours, its = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            stdin=its,
            stdout=subprocess.PIPE,
            stderr=its,
            start_new_session=True,  # else getpass finds the terminal of who runs the tests
        )
        os.close(its)
        shown = ""
        for answer in answers:
            while not re.search(r"(: |\]: ?)$", shown):
                shown += os.read(ours, 1000).decode(errors="replace")
            os.write(ours, f"{answer}\n".encode())
            shown += os.read(ours, 1000).decode(errors="replace")
        out, _ = process.communicate(timeout=60)
        while more := _read(ours):
            shown += more
        os.close(ours)
        return process.returncode, out.decode(), shown


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 1000).decode(errors="replace")
    except OSError:  # How Linux says that no process has it open any more.
        return ""


@pytest.fixture
def shell(denizen: Denizen) -> Operator:
    return Operator(denizen.home)


@pytest.fixture
def client(denizen: Denizen) -> Iterator[contract.Client]:
    with contract.Client(denizen.nats_url) as connected:
        yield connected


def mailed(home: Path, address: str, form: str) -> str:
    """What a mail to an address has on a line of its own."""

    def found() -> str:
        for path in (home / "mail/new").iterdir():
            text = path.read_text("utf-8")
            if f"X-Original-To: {address}" in text and (line := re.search(rf"^({form})\s*$", text, re.MULTILINE)):
                return str(line[1])
        return ""

    return str(eventually(found, what="the mail"))


def test_session_commands_from_sign_in_to_revocation_work(shell: Operator, client: contract.Client) -> None:
    address, password = email(), new_password()
    user = shell.fed_json(f"{password}\n", "users", "create", "--email", address, "--verified", "--password-stdin")
    began = [
        client.auth.sessions.authenticate(email=address, password=password, ip="192.0.2.7", user_agent=agent)
        for agent in ("agent 0", "agent 1", "agent 2\u202e")
    ]
    listed = shell.json("sessions", "list", user["id"])["data"]
    assert [each["id"] for each in listed] == [each.session_id for each in reversed(began)]
    assert (listed[0]["ip"], listed[0]["userAgent"]) == ("192.0.2.7", "agent 2\u202e")

    _, out, _ = shell.run("sessions", "list", user["id"])
    first = out.splitlines()[0].split("\t")
    assert first[0] == began[2].session_id
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first[1])
    assert first[4:] == ["192.0.2.7", "agent 2\N{REPLACEMENT CHARACTER}"]

    assert shell.json("sessions", "revoke", user["id"], began[0].session_id, "--actor", "test")["id"] == user["id"]
    assert len(shell.json("sessions", "list", user["id"])["data"]) == 2
    with pytest.raises(contract.TokenInvalid):
        client.auth.sessions.refresh(began[0].refresh_token)
    code, _, err = shell.run("sessions", "revoke-all", user["id"], "--expected-version", "7")
    assert (code, "version_conflict" in err) == (1, True)
    shell.json("sessions", "revoke-all", user["id"], "--expected-version", str(user["version"]))
    assert shell.json("sessions", "list", user["id"]) == {"data": []}
    assert shell.run("sessions", "revoke", user["id"], began[0].session_id)[0] == 0


def test_login_history_lists_attempts(shell: Operator, client: contract.Client) -> None:
    address, password = email(), new_password()
    user = client.auth.users.create(email=address, password=password, email_verified=True)
    with pytest.raises(contract.InvalidCredentials):
        client.auth.sessions.authenticate(email=address, password="wrong wrong", ip="192.0.2.8")
    client.auth.sessions.authenticate(email=address, password=password, user_agent="agent")
    expected = [("succeeded", None, "agent"), ("invalid_credentials", "192.0.2.8", None)]

    def rows() -> list[Json]:
        found: list[Json] = shell.json("users", "login-history", user.id)["data"]
        return found if len(found) == 2 else []

    history = eventually(rows, what="the history")
    assert [(each["outcome"], each["ip"], each["userAgent"]) for each in history] == expected
    assert len(shell.json("users", "login-history", user.id, "--count", "1")["data"]) == 1
    code, out, _ = shell.run("users", "login-history", user.id)
    assert (code, [line.split("\t")[1:] for line in out.splitlines()]) == (
        0,
        [[outcome, ip or "", agent or ""] for outcome, ip, agent in expected],
    )


def test_operator_sets_a_password(shell: Operator, client: contract.Client) -> None:
    address, first, second = email(), new_password(), new_password()
    user = client.auth.users.create(email=address, password=first, email_verified=True)
    session = client.auth.sessions.authenticate(email=address, password=first)
    key = ("--idempotency-key", secrets.token_hex(8))
    reset = ("users", "reset-password", user.id, "--require-change", "--expected-version", "1", *key)
    assert shell.fed_json(second, *reset)["passwordChangeRequired"] is True
    assert shell.fed_json(second, *reset)["version"] == 2, "the repeat changed nothing"
    with pytest.raises(contract.PasswordChangeRequired):
        client.auth.sessions.authenticate(email=address, password=second)
    with pytest.raises(contract.TokenInvalid):
        client.auth.sessions.refresh(session.refresh_token)
    shell.fed_json(f"{first}\r\n", "users", "reset-password", user.id)
    client.auth.sessions.authenticate(email=address, password=first)


def test_operator_changes_addresses_and_mails_resets(shell: Operator, denizen: Denizen) -> None:
    address, other = email(), email()
    user = shell.json("users", "create", "--email", address)["id"]
    assert shell.json("users", "send-verification-email", user)["status"] == "PENDING_VERIFICATION"
    code = mailed(denizen.home, address, r"\d{6}")
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    refused, out, err = shell.fed(wrong, "users", "verify-email", user)
    assert (refused, out) == (1, "")
    assert "code_invalid" in err
    assert shell.fed_json(f"{code}\n", "users", "verify-email", user)["status"] == "ACTIVE"

    assert shell.json("users", "change-email", user, other)["email"] == address
    assert shell.fed_json(mailed(denizen.home, other, r"\d{6}"), "users", "verify-email", user)["email"] == other

    for address in (other, email()):
        assert shell.json("users", "send-password-reset-email", address) == {}
    assert mailed(denizen.home, other, r"[A-Za-z0-9_-]{43}")


def test_users_delete_erases_the_user(shell: Operator) -> None:
    user, other = (shell.json("users", "create", "--email", email())["id"] for _ in range(2))
    assert shell.json("users", "delete", user, "--yes", "--actor", "test") == {"userId": user}
    for gone in (["users", "get", user], ["users", "delete", user, "--yes"]):
        code, _, err = shell.run(*gone)
        assert (code, err.split(":")[0]) == (1, "user_not_found")
    code, _, shown = shell.typed(["n"], "users", "delete", other)
    assert code == 1
    assert f"Erase {other} for good?" in shown
    assert shell.run("users", "get", other)[0] == 0
    code, out, _ = shell.typed(["y"], "users", "delete", other)
    assert (code, out) == (0, f"{other} is erased.\n")
    assert shell.run("users", "get", other)[0] == 1


def test_password_prompt_on_a_terminal_shows_nothing(shell: Operator, client: contract.Client) -> None:
    address, password = email(), new_password()
    create = ("users", "create", "--email", address, "--verified", "--password-stdin", "--json")
    code, out, shown = shell.typed([password, password], *create)
    assert code == 0, shown
    assert password not in shown + out
    assert out.startswith("{"), "questions are none of the output"
    user = json.loads(out)["id"]
    client.auth.sessions.authenticate(email=address, password=password)
    other = new_password()
    code, out, shown = shell.typed([other, other], "users", "reset-password", user)
    assert code == 0, shown
    assert other not in shown + out
    client.auth.sessions.authenticate(email=address, password=other)
    code, out, shown = shell.typed(["123456"], "users", "verify-email", user)
    assert (code, out) == (1, "")
    assert "Code: " in shown


@pytest.mark.parametrize("text", [b"", b"\n", b"two\nlines of it\n", b"x" * 5000, b"\xff\xfe password"])
def test_malformed_secret_is_wrong_usage(shell: Operator, text: bytes) -> None:
    code, out, err = shell.fed(text, "users", "reset-password", "user_01h455vb4pex5vsknk084sn02q")
    assert (code, out) == (2, "")
    assert "Usage" in err
    assert "two" not in err


def test_refusals_do_not_repeat_a_password(shell: Operator) -> None:
    address = email()
    weak = f"{address.split('@', maxsplit=1)[0]}"
    code, out, err = shell.fed(weak, "users", "create", "--email", address, "--password-stdin")
    assert (code, out) == (1, "")
    assert err.startswith("weak_password")
    assert weak not in err


def test_wrong_usage_has_its_exit_code(shell: Operator) -> None:
    for wrong in (
        ["users", "reset-password"],
        ["users", "reset-password", "user_x", "--password", "secret"],
        ["users", "verify-email"],
        ["users", "change-email", "user_x"],
        ["users", "login-history", "user_x", "--count", "501"],
        ["users", "delete"],
        ["sessions", "list"],
        ["sessions", "revoke", "user_x"],
        ["sessions", "nothing"],
    ):
        code, _, err = shell.run(*wrong)
        assert code == 2, wrong
        assert "Usage" in err
    code, _, err = shell.run("sessions", "list", "user_x")
    assert (code, "validation_failed" in err) == (1, True)


@pytest.mark.parametrize(
    "command",
    [
        ["sessions"],
        *(["sessions", each] for each in ("list", "revoke", "revoke-all")),
        *(
            ["users", each]
            for each in (
                "reset-password",
                "send-verification-email",
                "verify-email",
                "change-email",
                "send-password-reset-email",
                "delete",
                "login-history",
            )
        ),
    ],
)
def test_every_command_has_help(tmp_path: Path, command: list[str]) -> None:
    code, out, _ = Shell(tmp_path).run(*command, "--help")
    assert code == 0
    assert "Usage: denizen" in out
