"""`denizen.testing`, as docs/how-to/test-your-service.md shows it to the authors of other services."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from denizen import testing

from tests.support.servers import REPOSITORY, eventually

PAGE = (REPOSITORY / "docs/how-to/test-your-service.md").read_text("utf-8")
PLUGIN, TEST, PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
pytestmark = pytest.mark.embedded


def started(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """A Python in this directory, as that of another project."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DENIZEN_", "PYTEST_"))}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=directory,
        env={**clean, "TMPDIR": str(directory)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left(directory: Path) -> list[str]:
    """The processes that still run in the directory, and what is left of the server's files."""
    commands = [str(each.info["cmdline"]) for each in psutil.process_iter(["cmdline"])]
    running = [command for command in commands if str(directory) in command]
    return [*running, *map(str, directory.glob("denizen-*"))]


def python(directory: Path, *arguments: str) -> str:
    """What a Python in this directory prints; it succeeds and leaves nothing behind."""
    process = started(directory, *arguments)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert left(directory) == []
    return said


def test_page_for_other_projects_works_with_pytest(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(PLUGIN)
    (tmp_path / "test_orders.py").write_text(TEST)
    assert "1 passed" in python(tmp_path, "-m", "pytest", "-q", "-W", "error", "-p", "no:asyncio")


def test_page_for_other_projects_works_without_pytest(tmp_path: Path) -> None:
    without = "import sys; sys.modules['pytest'] = None\n"
    assert python(tmp_path, "-c", without + PROGRAM).startswith("nats://127.0.0.1:")


def test_denizen_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(RuntimeError, match="DENIZEN_NATS_PORT"),
        testing.running(DENIZEN_NATS_PORT="no port"),
    ):
        pytest.fail("it started")


def test_server_of_a_killed_runner_ends_and_leaves_nothing(tmp_path: Path) -> None:
    """A runner that is killed ends nothing itself, and what it has forked may live on with its files open."""
    runner = started(
        tmp_path,
        "-c",
        "import os, signal\nfrom denizen import testing\n"
        "with testing.running():\n"
        "    if child := os.fork():\n"
        "        print(child, flush=True)\n"
        "    signal.pause()\n",
    )
    assert runner.stdout is not None
    child = int(runner.stdout.readline())
    try:
        assert left(tmp_path)
        runner.kill()
        runner.wait()
        eventually(lambda: not left(tmp_path), 120, "the end of the server")
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        runner.stdout.close()
