"""The check that each public class and type alias has a name of its own."""

from pathlib import Path

import pytest

from scripts import check_names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class Row: ...", ["Row"]),
        ("Row = tuple[int, ...]", ["Row"]),
        ("Row: TypeAlias = tuple[int, ...]", ["Row"]),
        ("class _Row: ...\n_Kind = int", []),
        ("MOST = 5\nT = TypeVar('T')\nP = ParamSpec('P')\nrow = 1", []),
        ("def make():\n    class Row: ...", []),
    ],
)
def test_public_types_of_a_module_are_found(text: str, found: list[str]) -> None:
    assert list(check_names.names(text)) == found


def test_name_of_two_modules_is_refused_unless_it_has_a_reason(tmp_path: Path) -> None:
    for folder, text in (
        ("contracts", "class Row: ..."),
        ("services", "Row = int"),
        ("projections", "class Table: ..."),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "module.py").write_text(text)
    assert list(check_names.faults(tmp_path, {})) == [
        "Row is defined in contracts/module.py and services/module.py: give one of them its exact name"
    ]
    assert list(check_names.faults(tmp_path, {"Row": "a reason"})) == []
    (unused,) = check_names.faults(tmp_path, {"Row": "a reason", "Table": "a reason"})
    assert unused.startswith("Table is an exception in scripts/check_names.py, but")


def test_no_name_of_the_repository_is_defined_twice() -> None:
    assert list(check_names.faults(check_names.ROOT)) == []
