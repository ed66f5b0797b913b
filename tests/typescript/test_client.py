"""The TypeScript client: its types, and its own tests, which node runs against a whole `denizen up`."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from denizen import __version__

from scripts import node
from tests.support.servers import REPOSITORY, Denizen, NatsServer

PAGE = REPOSITORY.parent / "shared" / "seed" / "users-page.txt"
"""The product page, where it lies beside the repository."""
SUITES = [
    pytest.param(name, marks=pytest.mark.slow if name.endswith(".slow") else [])
    for name in sorted(path.name.removesuffix(".test.ts") for path in (node.PACKAGE / "tests").glob("*.test.ts"))
]


@pytest.mark.embedded
@pytest.mark.parametrize("suite", SUITES)
def test_suite_of_the_client_passes(
    suite: str, built: Path, denizen: Denizen, page: dict[str, str], nats_server: NatsServer
) -> None:
    settings = {
        **page,
        "DENIZEN_NATS_URL": denizen.nats_url,
        "DENIZEN_TEST_MAIL": str(denizen.addresses["mailDir"]),
        # A NATS without Denizen, on which tests answer requests themselves.
        "DENIZEN_TEST_BARE_NATS_URL": nats_server.url,
        "DENIZEN_TEST_BARE_NATS_PASSWORD": nats_server.passwords["responder"],
    }
    for user in ("frontend", "operator", "responder", "subscriber"):
        settings[f"DENIZEN_TEST_{user.upper()}_PASSWORD"] = denizen.nats_password(user)
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


@pytest.mark.skipif(not PAGE.exists(), reason="the product page does not lie beside the repository")
def test_snippets_are_those_of_the_page() -> None:
    text = (node.PACKAGE / "tests" / "page" / "snippets.ts").read_text("utf-8")
    function = r"^export async function \w+\(client: Client\): Promise<void> \{\n(.*?)\n\}$"
    snippets = re.findall(function, text, re.MULTILINE | re.DOTALL)
    page = PAGE.read_text("utf-8")
    assert len(snippets) == 27
    assert [snippet for snippet in snippets if snippet not in page] == []
    # Each call of the page is in one of them.
    rest = page
    for snippet in sorted(snippets, key=len, reverse=True):
        rest = rest.replace(snippet, "")
    assert re.findall(r"client\.auth\.\w+\.\w+", rest) == ["client.auth.users.create"], "only Python's is left"
