"""The commands and programs in README.md and the tutorial work as they are copied from there."""

import os
import re
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.backend import Backend, connected, email
from tests.support.servers import REPOSITORY, Denizen, eventually

PAGES = ("README.md", "docs/tutorial/first-service.md")
TEXT = "\n".join((REPOSITORY / page).read_text("utf-8") for page in PAGES)
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
LINES = [line for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
REQUESTS = [line for line in LINES if line.startswith("nats request")]
COMMANDS = [line for line in LINES if line.startswith(".venv/bin/denizen")]


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Backend]:
    async with connected(denizen.nats_url) as made:
        yield made


@pytest.fixture
def environment(denizen: Denizen) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
    return {**clean, "DENIZEN_HOME": str(denizen.home), "DENIZEN_NATS_URL": denizen.nats_url, "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def running(environment: dict[str, str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Programs to be ended with the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


async def test_requests_of_the_nats_cli_work(backend: Backend) -> None:
    """The same subjects and bodies, sent by nats-py: the nats CLI is a Go program."""
    assert len(REQUESTS) == 3
    replies: list[str] = []
    for line in REQUESTS:
        *options, subject, body = shlex.split(line)[2:]
        if "user_…" in body:
            body = body.replace("user_…", replies[0])
        headers = dict(option.split(":") for option in options if option != "-H")
        reply = await backend.client.request(subject, body.encode(), timeout=5, headers=headers or None)
        found = re.search(rb"user_[0-9a-z]{26}", reply.data)
        assert found, reply.data
        replies.append(found[0].decode())
    assert len(set(replies)) == 1


def test_first_program_works(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[0]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    user, code = done.stdout.splitlines()
    assert user.startswith("user_")
    assert code == "email_taken"


async def test_subscribing_program_works(
    environment: dict[str, str], running: list[subprocess.Popen[str]], backend: Backend, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    with output.open("w") as file:
        running.append(subprocess.Popen([sys.executable, "-c", PYTHON[1]], env=environment, stdout=file, text=True))
    user = await backend.create()
    await backend.command("BlockUser", {"userId": user["id"]})
    eventually(lambda: user["id"] in output.read_text(), 30, "the event")
    running[0].send_signal(signal.SIGINT)


def test_sign_in_program_works(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[2]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    count, user, code = done.stdout.splitlines()
    assert (count, code) == ("1", "token_invalid")
    assert user.startswith("user_")


@pytest.mark.parametrize("line", COMMANDS)
def test_shell_command_works(line: str, environment: dict[str, str], running: list[subprocess.Popen[str]]) -> None:
    program, *arguments = shlex.split(line, comments=True)
    assert program == ".venv/bin/denizen"
    process = subprocess.Popen(
        [sys.executable, "-m", "services.cli", *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.append(process)
    if arguments[:2] == ["events", "tail"]:
        assert process.stdout is not None
        # Until it shows one.
        while not select.select([process.stdout], [], [], 0)[0]:
            subprocess.run(
                [sys.executable, "-m", "services.cli", "users", "create", "--email", email()],
                cwd=REPOSITORY,
                env=environment,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
