"""The tables of contracts/cases/, run by the Python client."""

import asyncio
import copy
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from denizen import AsyncClient, DenizenError
from denizen.operations import OPERATIONS
from denizen.users import Users
from pydantic import BaseModel
from pydantic.alias_generators import to_camel, to_snake

from tests.support import live_cases
from tests.support.cases import Json, Scene, bare_nats, cases, responding, user_of, verdicts
from tests.support.servers import Denizen

AT_ONCE = 24
"""Cases that run side by side."""
CASES = cases()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with bare_nats(tmp_path_factory.mktemp("nats")) as address:
        yield address


async def test_client_does_what_every_case_says(url: str) -> None:
    assert len(CASES) >= 120
    assert await _run(url, CASES) == {}


def _other_body(case: Json) -> None:
    case["wire"][0]["request"]["body"] = {"email": "eve@example.com"}


def _other_subject(case: Json) -> None:
    case["wire"][0]["request"]["subject"] = "users.v1.command.BlockUser"


def _other_header(case: Json) -> None:
    case["wire"][0]["request"]["headers"] = {"Denizen-Actor": "eve"}


def _other_secret(case: Json) -> None:
    case["wire"][0]["request"]["body"]["password"] = {"sealed": "another"}


def _other_result(case: Json) -> None:
    case["calls"][0]["result"] = {**case["calls"][0]["result"], "email": "eve@example.com"}


def _error(case: Json) -> None:
    case["calls"][0] = {**case["calls"][0], "error": {"class": "EmailTaken"}}
    del case["calls"][0]["result"]


def _more_requests(case: Json) -> None:
    case["wire"].append(case["wire"][0])


def _fewer_requests(case: Json) -> None:
    case["wire"].clear()


@pytest.mark.parametrize(
    "fault",
    [_other_body, _other_subject, _other_header, _other_secret, _other_result, _error, _more_requests, _fewer_requests],
)
async def test_case_that_is_broken_on_purpose_fails(url: str, fault: Any) -> None:
    case = copy.deepcopy(next(each for each in CASES if each["name"] == "create with every field"))
    case["calls"][0]["options"] = {"timeout": 1}
    assert await _run(url, [case]) == {}
    fault(case)
    assert list(await _run(url, [case])) == [case["name"]]


def test_every_method_of_the_client_has_a_case() -> None:
    called = {call["call"] for case in CASES for call in case["calls"]}
    methods = {f"users.{to_camel(name)}" for name in vars(Users) if not name.startswith("_")}
    # Files of many users are not told by single requests: tests/transfer.
    many = {"users.importUsers", "users.undoImport", "users.export", "users.exportPiece", "users.exportEnd"}
    assert methods - called == many


def test_every_operation_of_the_clients_has_a_case() -> None:
    asked = {entry["request"]["subject"] for case in CASES for entry in case["wire"]}
    # Files of many users (tests/transfer), subscriptions (tests/client/test_subscriptions.py) and keys of verifiers.
    elsewhere = {"ImportUsers", "ImportStatus", "UndoImport", "ExportUsers", "ExportUsersWithHashes"}
    elsewhere |= {"FollowEvents", "SetParkedEvent", "GetJwks"}
    assert {operation.id for operation in OPERATIONS.values() if operation.subject not in asked} == elsewhere


async def _run(url: str, table: list[Json]) -> dict[str, list[str]]:
    """The faults of the cases, by their names."""
    scenes = {user_of(number, case): Scene(case) for number, case in enumerate(table)}
    places = asyncio.Semaphore(AT_ONCE)

    async def outcomes_of(user: str, case: Json) -> tuple[str, list[Json]]:
        timeout = case.get("client", {}).get("timeout", 20)
        async with places, AsyncClient(url, user=user, password="any", timeout=timeout) as client:
            if case.get("client", {}).get("seesLatest"):
                client.see_latest()
            return case["name"], [await _outcome(client, call) for call in case["calls"]]

    async with responding(url, scenes):
        found = await asyncio.gather(*(outcomes_of(user, scene.case) for user, scene in scenes.items()))
    return verdicts(scenes, dict(found))


async def test_client_does_what_the_live_cases_say(denizen: Denizen) -> None:
    faults = await _run_live(denizen, live_cases.cases())
    assert not faults, "\n".join(map(str, faults.items()))


async def test_live_case_that_is_broken_on_purpose_fails(denizen: Denizen) -> None:
    table = live_cases.broken()
    assert (await _run_live(denizen, table)).keys() == {case["name"] for case in table}


async def _run_live(denizen: Denizen, table: list[Json]) -> dict[str, list[str]]:
    """The faults of the cases, by their names."""
    outcomes: dict[str, list[Json]] = {}
    async with AsyncClient(denizen.nats_url, timeout=20) as client:
        for case in table:
            results: Json = {}
            outcomes[case["name"]] = []
            for call in case["calls"]:
                outcome = await _outcome(client, live_cases.resolved({**call, "result": None}, results))
                outcomes[case["name"]].append(outcome)
                results[call.get("as", "")] = outcome.get("result")
    return live_cases.verdicts(table, outcomes)


async def _outcome(client: AsyncClient, call: Json) -> Json:
    task = asyncio.ensure_future(_called(client, call))
    if after := call.get("cancelAfter"):
        asyncio.get_running_loop().call_later(after, task.cancel)
    try:
        return {"result": await task}
    except asyncio.CancelledError:
        return {"cancelled": True}
    except DenizenError as error:
        classes = [kind.__name__ for kind in type(error).__mro__]
        facts = {"code": error.code, "number": error.number, "message": error.message}
        return {"error": {"classes": classes, **facts, "field": error.field, "details": error.details}}
    except (TypeError, ValueError) as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        return {"argument": to_camel(unknown[1] if unknown else str(error).partition(":")[0])}


async def _called(client: AsyncClient, call: Json) -> Any:
    where, _, name = call["call"].partition(".")
    noun: Any = client.auth.me(call["token"]) if where == "me" else getattr(client.auth, where)
    given = {to_snake(key): value for key, value in (call["args"] | call.get("options", {})).items()}
    if "as_of" in given:
        given["as_of"] = datetime.fromisoformat(given["as_of"])
    answer = getattr(noun, to_snake(name))(**given)
    return [_json(each) async for each in answer] if hasattr(answer, "__aiter__") else _json(await answer)


def _json(value: Any) -> Any:
    return value.model_dump(mode="json", by_alias=True, exclude_unset=True) if isinstance(value, BaseModel) else value
