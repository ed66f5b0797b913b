"""The TypeScript client: its types, and its own tests, which node runs against a whole `denizen up`."""

import fcntl
import json
import subprocess
from pathlib import Path

import pytest
from denizen import __version__

from scripts import node
from tests.cli.test_commands import Shell
from tests.support.servers import Denizen

SUITES = [
    pytest.param(name, marks=pytest.mark.slow if name.endswith(".slow") else [])
    for name in sorted(path.name.removesuffix(".test.ts") for path in (node.PACKAGE / "tests").glob("*.test.ts"))
]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled tests. Fails where a type is wrong; skips where there is no Node."""
    if node.found() is None or not (node.PACKAGE / "node_modules" / ".bin").exists():
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


@pytest.mark.embedded
@pytest.mark.parametrize("suite", SUITES)
def test_suite_of_the_client_passes(suite: str, built: Path, denizen: Denizen, page: dict[str, str]) -> None:
    settings = {
        **page,
        "DENIZEN_NATS_URL": denizen.nats_url,
        "DENIZEN_TEST_MAIL": str(denizen.addresses["mailDir"]),
        **{
            f"DENIZEN_TEST_{user.upper()}_PASSWORD": denizen.nats_password(user)
            for user in ("frontend", "operator", "responder", "subscriber")
        },
    }
    inherited = {name: value for name, value in node.environment().items() if not name.startswith("DENIZEN_")}
    done = subprocess.run(
        # Node 20 has a browser's WebSocket only if it is asked for.
        ["node", "--experimental-websocket", "--test", "--test-reporter=spec", str(built / f"{suite}.test.js")],
        env={**inherited, **settings, "NO_COLOR": "1"},
        cwd=node.PACKAGE,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_package_has_the_version_of_the_contract() -> None:
    locked = json.loads((node.PACKAGE / "package-lock.json").read_bytes())
    package = json.loads((node.PACKAGE / "package.json").read_bytes())
    assert package["version"] == locked["version"] == locked["packages"][""]["version"] == __version__


def test_lock_names_no_registry_and_has_a_hash_for_each_package() -> None:
    locked = json.loads((node.PACKAGE / "package-lock.json").read_bytes())
    packages = [package for path, package in locked["packages"].items() if path]
    assert all("integrity" in package and "resolved" not in package for package in packages)
