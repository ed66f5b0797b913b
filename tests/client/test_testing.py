"""`denizen.testing`, as docs/how-to/test-your-service.md shows it to the authors of other services."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from denizen import testing

from tests.support.servers import REPOSITORY

PAGE = (REPOSITORY / "docs/how-to/test-your-service.md").read_text("utf-8")
PLUGIN, TEST, PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
pytestmark = pytest.mark.embedded


def python(directory: Path, *arguments: str) -> str:
    """What a Python in this directory prints, as that of another project; it succeeds and leaves no process."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DENIZEN_", "PYTEST_"))}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=directory,
        env={**clean, "TMPDIR": str(directory)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    left = [each.info["cmdline"] for each in psutil.process_iter(["cmdline"]) if str(directory) in str(each.info)]
    assert left == []
    return said


def test_page_for_other_projects_works_with_pytest(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(PLUGIN)
    (tmp_path / "test_orders.py").write_text(TEST)
    assert "1 passed" in python(tmp_path, "-m", "pytest", "-q", "-W", "error", "-p", "no:asyncio")
    assert not list(tmp_path.glob("denizen-*"))


def test_page_for_other_projects_works_without_pytest(tmp_path: Path) -> None:
    without = "import sys; sys.modules['pytest'] = None\n"
    assert python(tmp_path, "-c", without + PROGRAM).startswith("nats://127.0.0.1:")
    assert not list(tmp_path.glob("denizen-*"))


def test_denizen_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(RuntimeError, match="DENIZEN_NATS_PORT"),
        testing.running(DENIZEN_NATS_PORT="no port"),
    ):
        pytest.fail("it started")
