"""Threat 35: text that others wrote never reaches a terminal raw, whatever command prints it."""

import json
import logging
import os
import pty
import re
import secrets
import select
import subprocess
import time
from pathlib import Path

import pytest
from denizen import Client

from services.platform.logging import JsonFormatter, TextFormatter
from services.platform.printable import escaped, lines, plain
from tests.support import forked
from tests.support.servers import REPOSITORY, Denizen

NAUGHTY = {
    "CSI": "\x1b[2J\x1b[31m",
    "title": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;ZWNobw==\x1b\\",
    "link": "\x1b]8;;http://evil.example\x07here\x1b]8;;\x07",
    "device control": "\x1bP+q544e\x1b\\",
    "C1 CSI": "\x9b31m",
    "C1 OSC": "\x9d0;owned\x9c",
    "backspace": "safe\b\b\b\bevil",
    "carriage return": "safe\revil",
    "DEL": "\x7f",
    "bidi override": "\u202egnp.exe",
    "bidi isolate": "\u2066x\u2069",
    "marks": "\u200e\u200f\u061c",
    "separators": "a\u2028b\u2029c",
    "invisible": "\u200b\u2060\ufeff",
    "tags": "\U000e0041\U000e0042",
}
HALVES = {half: "".join(list(NAUGHTY.values())[half::2]) for half in (0, 1)}
NAME = "Ada\u202e\u2066\u200e\U000e0041"
"""What a name may hold: controls are refused there."""


def is_safe(text: str) -> bool:
    return all(character.isprintable() or character in "\r\n\t" for character in text)


class Terminal:
    """Runs `denizen` on a pseudo-terminal, which shows what a person would get."""

    def __init__(self, home: Path, directory: Path) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
        # A dumb one: so no escape sequence comes from us, for colours and bars.
        self._environment = {**clean, "DENIZEN_HOME": str(home), "COLUMNS": "300", "TERM": "dumb", "NO_COLOR": "1"}
        self._environment["PYTHONPATH"] = str(REPOSITORY)
        self._directory = directory

    def run(self, *arguments: str, until: str | None = None) -> str:
        """All that it shows, standard error included. `until`: end it when this was shown."""
        ours, its = pty.openpty()
        process = subprocess.Popen(
            forked.denizen(*arguments),
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=its,
            stderr=its,
            start_new_session=True,
        )
        os.close(its)
        shown = b""
        deadline = time.monotonic() + 60
        try:
            while time.monotonic() < deadline:
                if until is not None and until.encode() in shown:
                    break
                if select.select([ours], [], [], 0.1)[0]:
                    try:
                        chunk = os.read(ours, 65536)
                    except OSError:  # Linux: its last process has ended.
                        break
                    if not chunk:
                        break
                    shown += chunk
            else:
                raise AssertionError(f"{arguments} did not end: {shown!r}")
        finally:
            process.terminate()
            process.wait(10)
            os.close(ours)
        return shown.decode()


@pytest.fixture
def terminal(denizen: Denizen, tmp_path: Path) -> Terminal:
    return Terminal(denizen.home, tmp_path)


@pytest.fixture(scope="module")
def user_id(denizen: Denizen) -> str:
    """A user with naughty text wherever it can be."""
    word = secrets.token_hex(6)
    with Client(denizen.nats_url) as client:
        users = client.auth.users
        user = users.create(
            email=f"{word}@example.com",
            password="correct horse battery staple",
            email_verified=True,
            external_id=f"{word}{NAME}",
            profile={"firstName": NAME, "displayName": NAME},
            metadata={**NAUGHTY, "keys": dict.fromkeys(NAUGHTY.values(), 1)},
            app_metadata=NAUGHTY,
        )
        client.auth.sessions.authenticate(
            email=user.email, password="correct horse battery staple", user_agent="Agent" + NAUGHTY["C1 CSI"] + NAME
        )
        users.link_identity(user.id, provider="evil", provider_id=f"{word}{NAME}")
        users.update(user.id, metadata={"CSI": "\x1b[0m"})
        users.block(user.id, reason=f"spam{NAME}")
    return user.id


COMMANDS = [
    ["users", "get", "{id}"],
    ["users", "get", "{id}", "--json"],
    ["users", "list", "--search", "{word}"],
    ["users", "list", "--search", "{word}", "--json"],
    ["users", "history", "{id}"],
    ["users", "history", "{id}", "--json"],
    ["users", "login-history", "{id}"],
    ["users", "login-history", "{id}", "--json"],
    ["users", "identities", "{id}"],
    ["users", "identities", "{id}", "--json"],
    ["users", "unblock", "{id}", "--expected-version", "1"],
    ["sessions", "list", "{id}"],
    ["sessions", "list", "{id}", "--json"],
    ["events", "parked", "list", "nothing"],
    ["export", "--search", "{word}"],
    ["export", "--search", "{word}", "--format", "json"],
    ["export", "--search", "{word}", "--format", "csv"],
    ["export", "--search", "{word}", "--format", "csv", "--fields", "id,metadata,metadata.CSI,profile"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_stored_text_reaches_no_terminal_raw(
    terminal: Terminal, denizen: Denizen, user_id: str, command: list[str]
) -> None:
    with Client(denizen.nats_url) as client:
        word = client.auth.users.get(user_id).email.partition("@")[0]
    shown = terminal.run(*(part.format(id=user_id, word=word) for part in command))
    assert shown.strip()
    assert is_safe(shown), repr(shown)


def test_json_on_a_terminal_means_what_was_stored(terminal: Terminal, user_id: str) -> None:
    shown = terminal.run("users", "get", user_id, "--json")
    assert json.loads(shown)["appMetadata"] == NAUGHTY


def test_events_reach_no_terminal_raw(terminal: Terminal, user_id: str) -> None:
    for more in ([], ["--json"]):
        shown = terminal.run("events", "tail", "--all", *more, until=user_id)
        assert is_safe(shown)


@pytest.mark.parametrize("half", HALVES)
def test_errors_of_an_import_reach_no_terminal_raw(terminal: Terminal, tmp_path: Path, half: int) -> None:
    naughty = HALVES[half]
    file = tmp_path / f"users{naughty.replace('/', '')}.jsonl"
    rows = [
        {"email": f"a{naughty}@example.com"},
        {"email": "a@example.com", naughty: 1},
        {"email": "a@example.com", "profile": {naughty: "x"}},
        {"email": "a@example.com", "status": naughty},
        {"email": "a@example.com", "passwordHash": naughty},
        {"email": "a@example.com", "identities": [{"provider": naughty, "providerId": naughty, naughty: 1}]},
    ]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + f"{{{naughty}\n", "utf-8")
    for more in ([], ["--json"], ["--from", "auth0"], ["--from", naughty], ["--format", "csv"]):
        shown = terminal.run("import", str(file), "--dry-run", *more)
        assert shown.strip()
        assert is_safe(shown), repr(shown)


@pytest.mark.parametrize("half", HALVES)
def test_arguments_reach_no_terminal_raw(terminal: Terminal, half: int) -> None:
    naughty = f"x{HALVES[half]}"
    for command in (
        [naughty],
        ["users", naughty],
        ["users", "list", f"--{naughty}"],
        ["users", "list", "--status", naughty],
        ["users", "get", naughty],
        ["import", naughty],
        ["export", "-o", f"{naughty}/none"],
        ["events", "tail", "--type", naughty],
        ["events", "parked", "list", naughty],
    ):
        shown = terminal.run(*command)
        assert shown.strip(), command
        assert is_safe(shown), (command, shown)


@pytest.mark.parametrize("text", NAUGHTY.values())
def test_logs_reach_no_terminal_raw(text: str) -> None:
    record = logging.LogRecord(text, logging.ERROR, "x", 1, f"said {text}", None, None)
    record.line = text
    assert is_safe(TextFormatter().format(record))
    logged = JsonFormatter("up").format(record)
    assert is_safe(logged)
    assert json.loads(logged)["line"] == text


@pytest.mark.parametrize("text", NAUGHTY.values())
def test_text_is_made_printable(text: str) -> None:
    assert plain(text).isprintable()
    assert is_safe(lines(f"a\n\tb{text}"))
    assert lines("a\n\tbü小\N{SNOWMAN}") == "a\n\tbü小\N{SNOWMAN}"
    written = escaped(json.dumps({text: [text]}, ensure_ascii=False))
    assert is_safe(written)
    assert json.loads(written) == {text: [text]}


def test_commands_print_through_show_only() -> None:
    """A call of typer.echo or print would let text through as it is."""
    found = [
        f"{path.name}:{number}"
        for path in sorted((REPOSITORY / "services/cli").glob("*.py"))
        if path.name != "show.py"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(r"\btyper\.(echo|secho)\(|(?<![\w.])print\(|sys\.std(out|err)\.write", line)
    ]
    assert found == [], "use services.cli.show.say or show.json"
