"""What a newcomer meets on the command line: help, versions, completion, faults, and tables on a narrow terminal."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from denizen import Client, InvalidCredentials, __version__
from typer.core import TyperOption
from typer.main import get_command
from typer.testing import CliRunner

from services.cli import app
from tests.cli.test_commands import Shell, email
from tests.support.servers import REPOSITORY, Denizen


@pytest.fixture
def shell(denizen: Denizen) -> Shell:
    return Shell(denizen.home)


@pytest.fixture
def alone(tmp_path: Path) -> Shell:
    """A shell beside no Denizen."""
    return Shell(tmp_path / "home", COLUMNS="80", DENIZEN_NATS_URL="nats://127.0.0.1:1")


def commands() -> Iterator[list[str]]:
    """Every command and group, as it is typed."""

    def below(command: Any, path: list[str]) -> Iterator[list[str]]:
        yield path
        for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
            yield from below(command.get_command(None, name), [*path, name])

    yield from below(get_command(app), [])


def options() -> Iterator[tuple[list[str], TyperOption]]:
    """Every option, with its command."""
    for path in commands():
        command: Any = get_command(app)
        for name in path:
            command = command.get_command(None, name)
        yield from ((path, each) for each in command.params if isinstance(each, TyperOption))


def test_version_is_that_of_the_package(alone: Shell) -> None:
    assert alone.run("--version") == (0, f"denizen {__version__}\n", "")


def test_help_of_every_command_is_for_people(alone: Shell) -> None:
    paths = list(commands())
    assert len(paths) > 40
    for path in paths:
        code, said, err = alone.run(*path, "-h")
        assert (code, err) == (0, ""), path
        assert max(map(len, said.splitlines())) <= 80, path
        for internal in ("<str>", "<int>", "<bool>", "<path>", "<float>", "list["):
            assert internal not in said.lower(), path
        assert not re.search(r"\w…\s*│", said.replace("user_…", "").replace("sess_…", "")), (
            f"{path}: something is cut off"
        )


def test_wrong_value_of_any_option_is_named_in_plain_words() -> None:
    tried = 0
    for path, option in options():
        if option.type_descriptor.is_choice or option.bare_type() in ("int", "float"):
            said = CliRunner().invoke(app, [*path, option.opts[0], "wrong"])
            assert said.exit_code == 2, path
            assert option.opts[0] in said.output, path
            assert "must be" in said.output or "is not one of" in said.output, said.output
            assert "Input should" not in said.output, path
            assert "Value error" not in said.output, path
            tried += 1
    assert tried > 20


def test_every_option_of_every_command_has_a_help_text() -> None:
    assert [(path, option.opts) for path, option in options() if not option.help] == []


def test_help_of_an_argument_with_choices_lists_them(alone: Shell) -> None:
    said = alone.run("run", "-h")[1]
    for service in ("accounts", "directory", "transfer", "projector", "relay", "mailer"):
        assert service in said


def test_help_breaks_lines_at_the_width_of_the_terminal_only(alone: Shell) -> None:
    for command in (["keys"], ["keys", "rotate"], ["doctor"], ["import", "undo"], ["erasure", "verify"]):
        text = alone.run(*command, "-h")[1].split("╭")[0].rstrip()
        for line, following in pairwise(text.splitlines()):
            first = following.split()[:1]
            assert not line.strip() or not first or len(f"{line.rstrip()} {first[0]}") >= 80, (line, following)


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_completion_knows_commands_options_and_choices(shell_name: str, alone: Shell) -> None:
    def completed(line: str) -> str:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1), "_TYPER_COMPLETE_ARGS": line}
        environment = {
            "_DENIZEN_COMPLETE": f"complete_{shell_name}",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            **words,
        }
        completing = Shell(Path(alone.environment["DENIZEN_HOME"]), **environment)
        code, said, _ = completing.run()
        assert code == 0
        return said

    assert "users" in completed("denizen us")
    assert "block" in completed("denizen users bl")
    assert "--idempotency-key" in completed("denizen users block --idem")
    assert "BLOCKED" in completed("denizen users list --status B")


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_script_of_completion_can_be_shown(shell_name: str, alone: Shell) -> None:
    script = Shell(Path(alone.environment["DENIZEN_HOME"]), _DENIZEN_COMPLETE=f"source_{shell_name}")
    code, said, _ = script.run()
    assert code == 0
    assert "_DENIZEN_COMPLETE" in said


def fault(shell: Shell, *arguments: str) -> tuple[int, Any]:
    """The exit code, and the error that a command with --json writes to stderr, and nothing else anywhere."""
    code, out, err = shell.run(*arguments, "--json")
    assert out == ""
    said = json.loads(err)
    assert list(said) == ["error"]
    return code, said["error"]


def test_refusal_with_json_is_json(shell: Shell) -> None:
    code, error = fault(shell, "users", "create", "--email", email(), "--profile", '{"firstName": 1, "locale": 2}')
    assert (code, error["code"], error["field"]) == (1, "validation_failed", "profile.firstName")
    assert [each["field"] for each in error["details"]] == ["profile.firstName", "profile.locale"]
    assert fault(shell, "users", "get", "--email", email())[1]["code"] == "user_not_found"


def test_fault_of_a_field_names_the_field_and_what_is_wrong(shell: Shell) -> None:
    wrong = '{"firstName": 1, "locale": 2}'
    code, out, err = shell.run("users", "create", "--email", email(), "--profile", wrong)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "validation_failed:",
        "  profile.firstName: must be text",
        "  profile.locale: must be text",
    ]
    assert shell.run("users", "create", "--email", "nobody")[2] == (
        "validation_failed: is not an e-mail address (email)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("users", "list", "--count", "900"), "'--count': must be at most 500"),
        (("users", "nothing"), "nothing"),
        (("users", "get"), "USER_ID"),
        (("users", "delete", "user_01h455vb4pex5vsknk084sn02q"), "--yes"),
    ],
    ids=str,
)
def test_wrong_usage_with_json_is_json(arguments: tuple[str, ...], says: str, alone: Shell) -> None:
    code, error = fault(alone, *arguments)
    assert (code, error["code"]) == (2, "usage")
    assert says in error["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        *("users delete user_01h455vb4pex5vsknk084sn02q", "users reset-password user_01h455vb4pex5vsknk084sn02q"),
        *("import undo job", "import -"),
    ],
)
def test_command_that_asks_without_standard_input_says_what_it_needs(arguments: str, alone: Shell) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m services.cli {arguments} <&-"],
        cwd=REPOSITORY,
        env=alone.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert "--yes" in ended.stderr or "standard input is closed" in ended.stderr


ARGUMENTS = {
    "user_id": "user_01h455vb4pex5vsknk084sn02q",
    "session_id": "sess_01h455vb4pex5vsknk084sn02q",
    "email": "ada@example.com",
    "file": str(REPOSITORY / "README.md"),
    "import_id": "job",
    "kind": "frontend",
    "name": "web",
    "user": "frontend-web",
    "state": "off",
    "durable": "billing",
    "positions": "1",
}


def with_json() -> Iterator[list[str]]:
    """Each command that has --json, with what it needs to reach its servers. `doctor` answers without them."""
    for path in commands():
        command: Any = get_command(app)
        for name in path:
            command = command.get_command(None, name)
        names = [name for each in command.params for name in each.opts]
        if "--json" not in names or path in (["up"], ["doctor"]):
            continue
        needed = [each for each in command.params if each.required or each.name in ("user_id", "positions")]
        words = [
            word
            for each in needed
            for word in ([each.opts[0]] if isinstance(each, TyperOption) else []) + [ARGUMENTS[each.name]]
        ]
        yield [*path, *words, *(["--yes"] if "--yes" in names else []), "--json"]


@pytest.mark.slow
def test_every_command_with_json_fails_in_json_alone(alone: Shell) -> None:
    alone.environment["DENIZEN_DATABASE_URL"] = "postgresql://denizen:canary@127.0.0.1:1/denizen"
    started = [(line, alone.start_forked(*line)) for line in with_json()]
    assert len(started) > 35
    for line, process in started:
        out, err = process.communicate(timeout=120)
        assert (process.returncode in (1, 2), out) == (True, ""), line
        assert list(json.loads(err)) == ["error"], line
        assert "canary" not in err, line


def test_command_that_is_stopped_says_so_in_json(alone: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        alone.environment["DENIZEN_NATS_URL"] = f"nats://127.0.0.1:{silent.getsockname()[1]}"
        process = alone.start("users", "list", "--json")
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert json.loads(err)["error"]["code"] == "stopped"


@pytest.mark.parametrize("command", ["users delete user_01h455vb4pex5vsknk084sn02q", "import undo job"])
def test_question_that_is_answered_with_no_is_an_error_in_json(command: str, alone: Shell) -> None:
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "services.cli", *command.split(), "--json"],
        cwd=REPOSITORY,
        env=alone.environment,
        stdin=its,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, b"n\n")
    out, err = process.communicate(timeout=60)
    os.close(its)
    os.close(ours)
    question, _, answer = err.partition("[y/N]: ")
    assert (process.returncode, out, question.startswith("Erase ")) == (1, "", True)
    assert json.loads(answer)["error"]["code"] == "stopped"


def test_log_verify_without_keys_is_json_alone(denizen: Denizen, alone: Shell) -> None:
    alone.environment["DENIZEN_DATABASE_URL"] = denizen.database_url
    code, out, err = alone.run("log", "verify", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["snapshotsCompared"] is False
    assert "The snapshots are not compared" in alone.run("log", "verify")[2]


def test_doctor_on_a_narrow_terminal_breaks_lines_between_words(shell: Shell) -> None:
    said = shown(shell, 60, "doctor")
    lines = said.splitlines()
    assert max(map(len, lines)) <= 60
    assert any(line.startswith(" " * 21) for line in lines)


def test_missing_servers_with_json_are_json(alone: Shell) -> None:
    assert fault(alone, "users", "list")[1]["code"] == "no_answer"
    assert fault(alone, "log", "verify") == (
        2,
        {
            "code": "not_configured",
            "message": "DENIZEN_DATABASE_URL is not set, and no `denizen up` runs on DENIZEN_HOME.",
        },
    )


@pytest.mark.parametrize(
    ("command", "begins"),
    [
        ("log verify", "The log cannot be read: "),
        ("erasure verify user_01h455vb4pex5vsknk084sn02q", "The log cannot be read: "),
        ("projections status", ""),
    ],
)
def test_unreachable_database_is_named_with_its_address(command: str, begins: str, alone: Shell) -> None:
    alone.environment["DENIZEN_DATABASE_URL"] = "postgresql://denizen:canary@127.0.0.1:1/denizen"
    code, error = fault(alone, *command.split())
    assert code == 1
    assert error["message"].startswith(f"{begins}PostgreSQL is not reachable: ")
    assert "127.0.0.1" in error["message"]
    assert "canary" not in error["message"]


@pytest.mark.parametrize("command", ["users list", "events tail", "log verify", "doctor", "users delete user_x --yes"])
def test_home_that_is_a_file_is_named(command: str, tmp_path: Path) -> None:
    (home := tmp_path / "file").touch()
    code, error = fault(Shell(home), *command.split())
    assert (code, error["code"]) == (2, "not_configured")
    assert error["message"].startswith(f"DENIZEN_HOME: {home}/up.json cannot be read: Not a directory")


def test_up_without_the_embedded_servers_says_what_to_install(tmp_path: Path) -> None:
    """As in the container image, which has no embedded servers."""
    program = (
        "import sys; sys.modules['psutil'] = None; sys.argv = ['denizen', 'up']; from services.cli import app; app()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={**os.environ, "DENIZEN_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("denizen up: this installation has no embedded servers: pip install")
    assert "Traceback" not in ended.stderr


def test_table_that_is_too_wide_is_shortened_or_becomes_blocks(shell: Shell) -> None:
    address = f"customer.with.a.long.address.{email()}"
    user = shell.json("users", "create", "--email", address, "--profile", '{"firstName":"Wilhelmina"}')
    for columns in (40, 80, 200):
        said = shown(shell, columns, "users", "list", "--count", "1")
        assert user["id"] in said
        assert max(map(len, said.splitlines())) <= columns
        if columns == 80:
            assert said.split()[-5:] == [
                user["id"],
                "customer.with\N{HORIZONTAL ELLIPSIS}",
                "PENDING\N{HORIZONTAL ELLIPSIS}",
                f"{user['createdAt'][:10]}\N{HORIZONTAL ELLIPSIS}",
                "Wilhelm\N{HORIZONTAL ELLIPSIS}",
            ]
        else:
            assert address in said.replace("\n", "").replace(" ", "")
        assert (len(said.splitlines()) == 2) == (columns > 40), "a table: its headings, and a row"


def test_login_history_on_a_narrow_terminal_shortens_user_agents(shell: Shell, denizen: Denizen) -> None:
    address, agent = email(), "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0"
    user = shell.json("users", "create", "--email", address, "--verified")
    with Client(denizen.nats_url) as client, pytest.raises(InvalidCredentials):
        client.auth.sessions.authenticate(email=address, password="not this one", ip="192.0.2.7", user_agent=agent)
    heading, attempt = shown(shell, 80, "users", "login-history", user["id"]).splitlines()
    assert heading.split() == ["time", "outcome", "ip", "user", "agent"]
    assert "192.0.2.7" in attempt
    assert "Mozilla/5.0" in attempt
    assert attempt.rstrip().endswith("\N{HORIZONTAL ELLIPSIS}")


def test_tail_on_a_terminal_says_that_it_waits(shell: Shell) -> None:
    """A terminal that stays empty looks like a fault."""
    shell.json("users", "create", "--email", email())
    waits = "Waiting for events. Press Ctrl-C to stop."
    code, said = shell.on_terminal("events", "tail", "--all", "--count", "1")
    assert (code, said.splitlines()[0]) == (0, waits)
    assert waits not in shell.on_terminal("events", "tail", "--all", "--count", "1", "--json")[1]
    assert waits not in "".join(shell.run("events", "tail", "--all", "--count", "1")[1:])


def shown(shell: Shell, columns: int, *arguments: str) -> str:
    """What a command writes to a terminal of this width."""
    code, said = shell.on_terminal(*arguments, streams=["stdout"], columns=columns)
    assert code == 0
    return re.sub(r"\x1b\[[0-9;]*m|\r", "", said)
