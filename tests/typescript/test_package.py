"""The packed TypeScript client in an empty project: the examples of the documentation type-check and run."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import node
from tests.support.servers import REPOSITORY, Denizen

PAGES = ("README.md", "contracts/typescript/README.md", "docs/how-to/use-typescript.md")


def run(program: Sequence[str], folder: Path, **variables: str) -> str:
    """What a program of Node prints. Fails the test where the program fails."""
    environment = {**node.environment(), "NO_COLOR": "1", **variables}
    done = subprocess.run(
        node.command(*program), cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty project into which the package was installed. Skips where there is no Node."""
    if not node.is_ready():
        pytest.skip("no Node 20 or later, or its packages are not installed: make install")
    source, folder = tmp_path_factory.mktemp("source") / "package", tmp_path_factory.mktemp("project")
    shutil.copytree(node.PACKAGE, source, ignore=shutil.ignore_patterns("node_modules", "dist", "build"))
    (source / "node_modules").symlink_to(node.PACKAGE / "node_modules")
    run(["npm", "pack", "--silent", "--pack-destination", str(folder)], source)
    (folder / "package.json").write_text(json.dumps({"name": "empty", "private": True, "type": "module"}))
    (archive,) = folder.glob("*.tgz")
    run(["npm", "install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", str(archive)], folder)
    (folder / "node_modules" / "@types").mkdir()
    (folder / "node_modules" / "@types" / "node").symlink_to(node.PACKAGE / "node_modules" / "@types" / "node")
    (folder / "node_modules" / "undici-types").symlink_to(node.PACKAGE / "node_modules" / "undici-types")
    for page in PAGES:
        (example,) = re.findall(r"```typescript\n(.*?)```", (REPOSITORY / page).read_text("utf-8"), re.DOTALL)
        (folder / f"{page.replace('/', '-')}.ts").write_text(
            example.replace('{ servers: "nats://127.0.0.1:4222" }', "")
        )
    return folder


@pytest.mark.parametrize(("module", "resolution"), [("node16", "node16"), ("esnext", "bundler")])
def test_examples_type_check_in_an_empty_project(project: Path, module: str, resolution: str) -> None:
    options = ["--strict", "--target", "es2022", "--types", "node", "--lib", "es2022,esnext.disposable"]
    kind = ["--module", module, "--moduleResolution", resolution, "--outDir", f"out-{resolution}"]
    run(["tsc", *options, *kind, *sorted(path.name for path in project.glob("*.ts"))], project)


def test_client_of_a_page_type_checks_without_the_types_of_node(project: Path) -> None:
    """As in a project of a bundler, whose `lib` is of a year that does not know `await using`."""
    (project / "page.mts").write_text(
        'import { Client } from "@denizen/client/browser";\n'
        'await using client = new Client({ server: "ws://localhost:4223", user: "browser-web", password: "k" });\n'
        "await client.connect();\n"
    )
    options = ["--strict", "--noEmit", "--target", "es2022", "--lib", "es2022,dom"]
    run(["tsc", *options, "--module", "esnext", "--moduleResolution", "bundler", "page.mts"], project)


@pytest.mark.parametrize("page", PAGES)
def test_example_runs_in_an_empty_project(project: Path, page: str, denizen: Denizen) -> None:
    options = ["--target", "es2022", "--types", "node", "--lib", "es2022,esnext.disposable", "--module", "node16"]
    name = page.replace("/", "-")
    run(["tsc", *options, "--outDir", f"run-{name}", f"{name}.ts"], project)
    printed = run(["node", f"run-{name}/{name}.js"], project, DENIZEN_NATS_URL=denizen.nats_url)
    if page == "README.md":
        user, code = printed.splitlines()
        assert user.startswith("user_")
        assert code == "email_taken"
