"""The TypeScript client, compiled once for all tests."""

import fcntl
import subprocess
from pathlib import Path

import pytest

from scripts import node


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the compiled tests. Fails where a type is wrong; skips where there is no Node."""
    if not node.is_ready():
        pytest.skip("no Node 20 or later, or its packages are not installed: make install")
    with (node.PACKAGE / "node_modules" / ".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Other workers of the tests build it too.
        done = subprocess.run(
            ["tsc", "--build"], cwd=node.PACKAGE, env=node.environment(), capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return node.PACKAGE / "build"
