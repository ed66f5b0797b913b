"""The cases of contracts/cases/live.json, and the check of what a client got from a running Denizen."""

import json
import secrets
from collections.abc import Mapping
from typing import Any, cast

from tests.support.cases import is_as
from tests.support.servers import REPOSITORY

Json = dict[str, Any]

PATH = REPOSITORY / "contracts" / "cases" / "live.json"


def cases() -> list[Json]:
    """Every case, with a word of its own in the place of each asterisk."""
    found = cast(list[Json], json.loads(PATH.read_bytes())["cases"])
    return [json.loads(json.dumps(case).replace("*", secrets.token_hex(6))) for case in found]


def broken() -> list[Json]:
    """Cases that no client can pass: each says another result or error than comes."""
    by_name = {case["name"]: case for case in cases()}
    read = by_name["a created user is read back by id, address and external id"]
    read["calls"][1]["result"]["id"] = "user_x"
    taken = by_name["an address, an external id and an identity are taken once"]
    taken["calls"][1]["error"]["code"] = "external_id_taken"
    history = by_name["the command id and the actor arrive as they were sent"]
    history["calls"][2]["result"]["data"][0]["actor"] = "support-13"
    return [read, taken, history]


def resolved(node: Any, results: Mapping[str, Any]) -> Any:
    """What a case says, with values of earlier results in the place of `@name.field`."""
    if isinstance(node, dict):
        return {key: resolved(value, results) for key, value in cast(Json, node).items()}
    if isinstance(node, list):
        return [resolved(each, results) for each in cast(list[Any], node)]
    if isinstance(node, str) and node.startswith("@"):
        name, _, field = node[1:].partition(".")
        result: Json | None = results[name]
        return result.get(field) if result else None  # Nothing, where an earlier call failed.
    return node


def verdicts(table: list[Json], outcomes: Mapping[str, list[Json]]) -> dict[str, list[str]]:
    """The faults of each case that has any, by its name. `outcomes`: of the calls of a case, by its name."""
    found: dict[str, list[str]] = {}
    for case in table:
        results: Json = {}
        for call, outcome in zip(case["calls"], outcomes[case["name"]], strict=True):
            want = resolved({key: call[key] for key in ("result", "error") if key in call}, results)
            if not _is_as(outcome, want):
                found.setdefault(case["name"], []).append(f"{call['call']}: {outcome} instead of {want}")
                break  # What follows may need its result.
            results[call.get("as", "")] = outcome.get("result")
    return found


def _is_as(outcome: Json, want: Json) -> bool:
    if "error" in want:
        return is_as(outcome, want)
    return "result" in outcome and _holds(outcome["result"], want["result"])


def _holds(found: Any, want: Any) -> bool:
    """Whether the value has the fields that are wanted, and perhaps others."""
    if isinstance(want, dict):
        fields = cast(Json, want)
        return isinstance(found, dict) and all(
            key in found and _holds(found[key], value) for key, value in fields.items()
        )
    if isinstance(want, list):
        values, wanted = cast(list[Any], found), cast(list[Any], want)
        return isinstance(found, list) and len(values) == len(wanted) and all(map(_holds, values, wanted))
    return bool(found == want)
