"""A module is one noun and a function fits a screen: their lengths are bounded (decision 47)."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.servers import REPOSITORY

TABLES = {"contracts/denizen/users.py", "services/domain/refusals.py", "services/endpoint/contract/examples.py"}
"""They are read by row."""


def modules() -> Iterator[Path]:
    for folder in ("contracts/denizen", "services", "projections"):
        yield from (REPOSITORY / folder).rglob("*.py")


def test_modules_are_short_but_for_tables() -> None:
    lengths = {path.relative_to(REPOSITORY).as_posix(): len(path.read_text("utf-8").splitlines()) for path in modules()}
    assert {name for name, length in lengths.items() if length > 300} == TABLES


def test_functions_fit_a_screen() -> None:
    long = [
        f"{path}: {node.name}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 56
    ]
    assert long == []
