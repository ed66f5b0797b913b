"""The TypeScript client, compiled once for all tests, and a NATS user for pages in browsers."""

import fcntl
import subprocess
from pathlib import Path

import pytest

from scripts import node
from tests.cli.test_commands import Shell
from tests.support.servers import Denizen


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


@pytest.fixture(scope="session")
def page(denizen: Denizen) -> dict[str, str]:
    """The settings of a page in a browser."""
    added = Shell(denizen.home).json("nats-users", "add", "browser", "typescript")
    return {
        "DENIZEN_TEST_WEBSOCKET_URL": denizen.addresses["websocketUrl"],
        "DENIZEN_TEST_BROWSER_USER": added["user"],
        "DENIZEN_TEST_BROWSER_PASSWORD": added["password"],
    }
