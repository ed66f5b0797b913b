"""Writes contracts/cases/tokens.json: the attacks of tests/security/test_tokens.py, for clients in other languages.

python -m tests.support.token_cases
"""

import importlib
import inspect
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from denizen.errors import TokenInvalid

from tests.support.servers import REPOSITORY

PATH = REPOSITORY / "contracts" / "cases" / "tokens.json"
_LONGEST = 8192
"""Longer tokens are made by the tests of each language: they would fill the file."""


def recorded() -> Iterator[dict[str, Any]]:
    """Each token that the tests try, by the test's name and number, and whether it is good."""
    attacks = _attacks()
    for name, function in inspect.getmembers(attacks, inspect.isfunction):
        given = _arguments(function) if name.startswith("test_") else None
        tokens = itertools.chain.from_iterable(_tried(attacks, function, each) for each in given or ())
        for number, (token, good) in enumerate(tokens):
            if len(token) <= _LONGEST:
                yield {"name": f"{name.removeprefix('test_')} {number}", "token": token, "good": good}


def _attacks() -> Any:
    """The module of the tests, which itself compares the file."""
    return importlib.import_module("tests.security.test_tokens")


def _arguments(function: Callable[..., Any]) -> list[dict[str, Any]] | None:
    """What pytest would call it with; None where it needs a fixture or Hypothesis, or tries no token of its own."""
    sets: list[list[dict[str, Any]]] = []
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
            sets.append([dict(zip(names, each if len(names) > 1 else (each,), strict=True)) for each in mark.args[1]])
    known = {name for each in sets for name in each[0]}
    if hasattr(function, "hypothesis") or set(inspect.signature(function).parameters) != known:
        return None
    if function.__name__ == "test_tokens_of_the_shared_cases_are_these":
        return None
    return [{name: value for each in several for name, value in each.items()} for several in itertools.product(*sets)]


def _tried(attacks: Any, function: Callable[..., Any], arguments: dict[str, Any]) -> list[tuple[str, bool]]:
    tried: list[tuple[str, bool]] = []

    def check_now(token: str) -> Any:
        try:
            claims = attacks.check(token, attacks.KEYS, issuer="denizen", audience="denizen", now=attacks.NOW)
        except TokenInvalid:
            tried.append((token, False))
            raise
        tried.append((token, True))
        return claims

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(attacks, "check_now", check_now)
        function(**arguments)
    return tried


def _write() -> None:
    attacks = _attacks()
    facts = {"now": attacks.NOW, "issuer": "denizen", "audience": "denizen", "keys": [attacks.jwk(attacks.REAL)]}
    lines = ",\n".join(json.dumps(each) for each in recorded())
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(f'{json.dumps(facts)[:-1]}, "tokens": [\n{lines}\n]}}\n', "utf-8")


if __name__ == "__main__":
    _write()
