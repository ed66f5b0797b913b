"""`denizen nats-users`: one NATS user for each service, taken by a running server, and never half written."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats
import pytest
from denizen import Client

from services.nats_users.accounts_file import Accounts, write
from services.nats_users.user import NatsUser, NatsUserKind, new_password
from tests.cli.test_commands import Shell
from tests.support.backend import email
from tests.support.people import PASSWORD
from tests.support.servers import REPOSITORY, Denizen

SHIPPED = REPOSITORY / "deploy" / "nats" / "accounts.conf"
SERVER = Path(sys.executable).with_name("nats-server")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The accounts.conf of an installation."""
    return Path(shutil.copy(SHIPPED, tmp_path / "accounts.conf"))


@pytest.fixture
def apart(tmp_path: Path, copy: Path) -> Shell:
    """A command line far from any `denizen up`."""
    return Shell(tmp_path / "none")


def is_valid(config: Path, left_out: tuple[str, ...] = ()) -> bool:
    """Whether nats-server takes it, with the passwords of all users in its environment but these."""
    ours = {"SYSTEM", "RESPONDER", "REGISTRAR", "SIGNAL", "RELAY", "REVOKER"}
    users = ours | {"BACKEND", "FRONTEND", "SUBSCRIBER", "OPERATOR"}
    passwords = {f"DENIZEN_NATS_{user}_PASSWORD": "k0" for user in users - set(left_out)}
    done = subprocess.run(
        [SERVER, "-t", "-c", config], env={**os.environ, **passwords}, capture_output=True, check=False
    )
    return done.returncode == 0


async def is_let_in(url: str, added: Mapping[str, Any]) -> bool:
    """Asked on a plain socket: nats-py leaves its own open where it is refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    assert (await reader.readline()).startswith(b"INFO ")
    login = {"user": added["user"], "pass": added["password"], "verbose": False}
    writer.write(b"CONNECT " + json.dumps(login).encode() + b"\r\nPING\r\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert answer in (b"PONG\r\n", b"-ERR 'Authorization Violation'\r\n")
    return answer == b"PONG\r\n"


def with_users(path: Path, *users: tuple[NatsUserKind, str, tuple[str, ...]]) -> None:
    """Add users to the file, without the command line's start for each."""
    accounts = Accounts.parse(path.read_text("utf-8"))
    for kind, name, durables in users:
        accounts = accounts.adding(NatsUser(kind=kind, name=name, durables=durables, password=new_password()[1]))
    write(path, accounts.written())


@pytest.mark.embedded
async def test_running_server_takes_and_drops_an_added_user(denizen: Denizen) -> None:
    shell, url = Shell(denizen.home), denizen.nats_url
    lost: list[str] = []

    async def note() -> None:
        lost.append("backend")

    backend = await nats.connect(url, inbox_prefix="_INBOX.backend", disconnected_cb=note)
    added = await asyncio.to_thread(shell.json, "nats-users", "add", "frontend", "web")
    assert (added["user"], added["inboxPrefix"], added["reloaded"]) == ("frontend-web", "_INBOX.frontend-web", True)

    def sign_in() -> None:
        with Client(url, user=added["user"], password=added["password"]) as front:
            address = email()
            front.auth.users.register(email=address, password=PASSWORD)

    await asyncio.to_thread(sign_in)
    ended = asyncio.Event()

    async def end() -> None:
        ended.set()

    front = await nats.connect(
        url, user=added["user"], password=added["password"], allow_reconnect=False, closed_cb=end
    )
    assert not ended.is_set()
    assert (await asyncio.to_thread(shell.json, "nats-users", "remove", "frontend-web"))["reloaded"]
    await asyncio.wait_for(ended.wait(), 20)
    assert not await is_let_in(url, added)
    assert (await backend.request("users.v1.query.GetJwks", timeout=20)).data
    assert lost == []
    await asyncio.gather(front.close(), backend.close())


@pytest.mark.slow
@pytest.mark.embedded
async def test_added_user_outlives_a_restart(own_denizen: Denizen) -> None:
    shell = Shell(own_denizen.home)
    added = shell.json("nats-users", "add", "verifier", "api")
    assert own_denizen.stop() == 0
    later = shell.json("nats-users", "add", "subscriber", "billing")
    assert (later["durables"], later["reloaded"]) == (["billing"], False)
    own_denizen.start()
    assert await is_let_in(own_denizen.nats_url, added)
    assert await is_let_in(own_denizen.nats_url, later)
    assert not await is_let_in(own_denizen.nats_url, {**added, "password": later["password"]})
    assert [each["user"] for each in shell.json("nats-users", "list")["users"]] == [
        "verifier-api",
        "subscriber-billing",
    ]


def test_home_of_an_earlier_version_gets_the_file(tmp_path: Path) -> None:
    """It has the directory nats, but no accounts.conf in it."""
    (tmp_path / "home" / "nats").mkdir(parents=True)
    shell = Shell(tmp_path / "home")
    shell.json("nats-users", "add", "backend", "shop")
    made = tmp_path / "home" / "nats" / "accounts.conf"
    assert is_valid(made)
    assert made.stat().st_mode & 0o777 == 0o600


def test_password_is_kept_as_a_hash_alone(apart: Shell, copy: Path) -> None:
    copy.chmod(0o640)
    added = apart.json("nats-users", "add", "subscriber", "billing", "--durable", "billing", "--file", str(copy))
    text = copy.read_text("utf-8")
    assert added["password"] not in text
    assert 'password: "$2a$' in text
    assert copy.stat().st_mode & 0o777 == 0o640
    code, out, _ = apart.run("nats-users", "list", "--file", str(copy))
    assert code == 0
    assert "subscriber-billing" in out
    assert "$2a$" not in out


def test_file_with_users_of_each_kind_is_valid(apart: Shell, copy: Path) -> None:
    for kind, name in (("frontend", "a"), ("backend", "0_-Z"), ("subscriber", "x" * 32), ("verifier", "A-")):
        added = apart.json("nats-users", "add", kind, name, "--file", str(copy))
        assert added["user"] == f"{kind}-{name}"
    assert is_valid(copy)
    for user in apart.json("nats-users", "list", "--file", str(copy))["users"]:
        apart.json("nats-users", "remove", user["user"], "--file", str(copy))
    assert copy.read_text("utf-8") == SHIPPED.read_text("utf-8")


def test_shared_users_are_left_out_and_put_back(apart: Shell, copy: Path) -> None:
    with_users(copy, ("frontend", "web", ()))
    before = copy.read_text("utf-8")
    assert apart.json("nats-users", "shared", "off", "--file", str(copy))["shared"] is False
    assert is_valid(copy, left_out=("BACKEND", "FRONTEND", "SUBSCRIBER"))
    assert not is_valid(copy, left_out=("OPERATOR",))
    apart.json("nats-users", "add", "backend", "shop", "--file", str(copy))
    assert apart.json("nats-users", "list", "--file", str(copy))["shared"] is False
    apart.json("nats-users", "remove", "backend-shop", "--file", str(copy))
    apart.json("nats-users", "shared", "on", "--file", str(copy))
    assert copy.read_text("utf-8") == before


def test_refresh_writes_users_by_the_templates_of_this_version(apart: Shell, copy: Path) -> None:
    with_users(copy, ("frontend", "web", ()))
    new = copy.read_text("utf-8")
    begin = new.index("# >>> denizen nats-users: users")
    old = new[:begin] + new[begin:].replace('"users.v1.self.*"', '"users.v1.older.*"')
    copy.write_text(f"{old}# A line of the installation's own.\n", "utf-8")
    assert apart.json("nats-users", "refresh", "--file", str(copy))["users"] == ["frontend-web"]
    assert copy.read_text("utf-8") == f"{new}# A line of the installation's own.\n"


def test_users_that_are_added_at_once_are_all_there(apart: Shell, copy: Path) -> None:
    names = [f"n{number}" for number in range(4)]
    running = [apart.start("nats-users", "add", "verifier", name, "--file", str(copy)) for name in names]
    for process in running:
        process.communicate(timeout=60)
        assert process.returncode == 0
    found = apart.json("nats-users", "list", "--file", str(copy))["users"]
    assert sorted(each["name"] for each in found) == names


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["add", "frontend", "web"], 1, "frontend-web is there already"),
        (["add", "subscriber", "other", "--durable", "billing"], 1, "the durable billing is subscriber-billing's"),
        (["add", "backend", "other", "--durable", "billing"], 1, "the durable billing is subscriber-billing's"),
        (["remove", "frontend-other"], 1, "no user frontend-other was added"),
        (["remove", "backend"], 1, "no user backend was added"),
        (["add", "operator", "web"], 2, "operator"),
        (["add", "frontend", "a.b"], 2, "letters, digits"),
        (["add", "frontend", "*"], 2, "letters, digits"),
        (["add", "frontend", "_x"], 2, "letters, digits"),
        (["add", "frontend", "x\n"], 2, "letters, digits"),
        (["add", "frontend", "ü"], 2, "letters, digits"),
        (["add", "frontend", "x" * 33], 2, "letters, digits"),
        (["add", "frontend", "x", "--durable", "x"], 2, "follows no events"),
        (["add", "subscriber", "x", "--durable", "*"], 2, "letters, digits"),
        (["add", "subscriber", "x", "--durable", "y" * 65], 2, "letters, digits"),
        (["add", "subscriber", "x", "--durable", "y", "--durable", "y"], 2, "different names"),
        (["add", "subscriber", "x", *(word for n in range(17) for word in ("--durable", f"y{n}"))], 2, "16"),
    ],
)
def test_invalid_user_is_refused_and_nothing_changes(
    apart: Shell, copy: Path, arguments: list[str], code: int, says: str
) -> None:
    with_users(copy, ("frontend", "web", ()), ("subscriber", "billing", ("billing",)))
    before = copy.read_text("utf-8")
    done, out, err = apart.run("nats-users", *arguments, "--file", str(copy))
    assert (done, out) == (code, "")
    assert says in err
    assert copy.read_text("utf-8") == before


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("# <<< denizen nats-users: users", "", "deploy/nats/accounts.conf of this version"),
        ("\n# >>> denizen nats-users: users", 2 * "\n# >>> denizen nats-users: users", "accounts.conf of this version"),
        ('{"kind":"frontend"', '{"kind":"root"', "not as they were written"),
        ('"name":"web"', '"name":"web\\n}"', "not as they were written"),
    ],
)
def test_file_that_was_edited_by_hand_is_left_alone(apart: Shell, copy: Path, old: str, new: str, says: str) -> None:
    with_users(copy, ("frontend", "web", ()))
    text = copy.read_text("utf-8").replace("      # >>>", "# >>>")
    assert old in text
    copy.write_text(text.replace(old, new), "utf-8")
    before = copy.read_text("utf-8")
    code, _, err = apart.run("nats-users", "add", "frontend", "other", "--file", str(copy))
    assert code == 1
    assert says in err
    assert copy.read_text("utf-8") == before


def test_command_without_a_home_names_the_option(apart: Shell) -> None:
    code, _, err = apart.run("nats-users", "add", "frontend", "web")
    assert code == 2
    assert "--file" in err


def test_file_that_is_missing_is_named(apart: Shell, tmp_path: Path) -> None:
    code, _, err = apart.run("nats-users", "list", "--file", str(tmp_path / "nowhere" / "accounts.conf"))
    assert code == 1
    assert "No such file" in err


def test_all_durables_together_are_bounded(apart: Shell, copy: Path) -> None:
    for number in range(12):
        with_users(copy, ("subscriber", f"s{number}", tuple(f"d{number}-{each}" for each in range(16))))
    names = [word for each in range(9) for word in ("--durable", f"e{each}")]
    code, _, err = apart.run("nats-users", "add", "subscriber", "more", *names, "--file", str(copy))
    assert code == 1
    assert "200 durables" in err
