"""The table of contracts/cases/calls/, run by the TypeScript client and judged like the Python client."""

import asyncio
import copy
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import node
from tests.support.cases import Json, Scene, bare_nats, cases, responding, user_of, verdicts

CASES = cases()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with bare_nats(tmp_path_factory.mktemp("nats")) as address:
        yield address


async def test_client_does_what_every_case_says(built: Path, url: str) -> None:
    assert await _run(built, url, CASES) == {}


async def test_case_that_is_broken_on_purpose_fails(built: Path, url: str) -> None:
    table = copy.deepcopy([each for each in CASES if each["name"] in ("block", "get", "email_taken is EmailTaken")])
    by_name = {case["name"]: case for case in table}
    by_name["block"]["wire"][0]["request"]["body"]["userId"] = "user_x"
    by_name["get"]["calls"][0]["result"] = None
    by_name["email_taken is EmailTaken"]["calls"][0]["error"]["class"] = "UserNotFound"
    assert (await _run(built, url, table)).keys() == by_name.keys()


async def _run(built: Path, url: str, table: list[Json]) -> dict[str, list[str]]:
    """The faults of the cases, by their names."""
    scenes = {user_of(number, case): Scene(case) for number, case in enumerate(table)}
    given = json.dumps([{"user": user, "case": scene.case} for user, scene in scenes.items()])
    async with responding(url, scenes):
        process = await asyncio.create_subprocess_exec(
            *("node", str(built / "cases.js")),
            cwd=node.PACKAGE,
            env={**node.environment(), "DENIZEN_NATS_URL": url},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, errors = await process.communicate(given.encode())
    assert process.returncode == 0, errors.decode()
    outcomes = [json.loads(line) for line in said.splitlines()]
    return verdicts(scenes, {each["name"]: each["outcomes"] for each in outcomes})
