"""The contract document is good for other languages: the official parser takes it, and generators find every name."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts import node
from services.endpoint import contract

HERE = Path(__file__).parent / "generators"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Any], list[str]]]:
    """What the parser and the generators find wrong with a document. Skips where there is no Node."""
    if node.found() is None:
        pytest.skip("no Node 20 or later")
    folder = tmp_path_factory.mktemp("generators")
    for name in ("package.json", "package-lock.json", "check.mjs"):
        (folder / name).write_bytes((HERE / name).read_bytes())
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(install, cwd=folder, env=node.environment(), check=True)

    def faults(document: Any) -> list[str]:
        (folder / "document.json").write_text(json.dumps(document), "utf-8")
        arguments = ["node", "check.mjs", "document.json"]
        done = subprocess.run(
            arguments, cwd=folder, env=node.environment(), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    yield faults
    shutil.rmtree(folder)  # 230 MB


def test_official_parser_and_generators_find_no_fault(check: Callable[[Any], list[str]]) -> None:
    assert check(contract.document()) == []


def test_document_with_a_wrong_part_is_refused_by_the_parser(check: Callable[[Any], list[str]]) -> None:
    document = contract.document()
    del document["operations"]["CreateUser"]["action"]
    assert any("action" in fault for fault in check(document))


def test_choice_without_a_name_is_found(check: Callable[[Any], list[str]]) -> None:
    document = contract.document()
    choice = {"anyOf": [{"$ref": "#/components/schemas/Status"}, {"type": "null"}]}
    document["components"]["schemas"]["ListUsers"]["properties"]["status"] = choice
    assert any("ListUsers" in fault for fault in check(document))
