"""The tables of contracts/cases/, run by the TypeScript client and judged like the Python client."""

import asyncio
import copy
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import node
from tests.support import live_cases
from tests.support.cases import Json, Scene, bare_nats, cases, responding, user_of, verdicts
from tests.support.servers import Denizen

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


async def test_client_does_what_the_live_cases_say(built: Path, denizen: Denizen) -> None:
    table = live_cases.cases()
    outcomes = await _outcomes(built, denizen.nats_url, [{"case": case} for case in table])
    assert live_cases.verdicts(table, outcomes) == {}


async def test_live_case_that_is_broken_on_purpose_fails(built: Path, denizen: Denizen) -> None:
    table = live_cases.broken()
    outcomes = await _outcomes(built, denizen.nats_url, [{"case": case} for case in table])
    assert live_cases.verdicts(table, outcomes).keys() == {case["name"] for case in table}


async def _run(built: Path, url: str, table: list[Json]) -> dict[str, list[str]]:
    """The faults of the cases, by their names."""
    scenes = {user_of(number, case): Scene(case) for number, case in enumerate(table)}
    given = [{"user": user, "case": scene.case} for user, scene in scenes.items()]
    async with responding(url, scenes):
        outcomes = await _outcomes(built, url, given)
    return verdicts(scenes, outcomes)


async def _outcomes(built: Path, url: str, given: list[Json]) -> dict[str, list[Json]]:
    """The outcomes of the calls of each case, by its name."""
    process = await asyncio.create_subprocess_exec(
        *("node", str(built / "cases.js")),
        cwd=node.PACKAGE,
        env={**node.environment(), "DENIZEN_NATS_URL": url},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, errors = await process.communicate(json.dumps(given).encode())
    assert process.returncode == 0, errors.decode()
    return {each["name"]: each["outcomes"] for each in map(json.loads, said.splitlines())}
