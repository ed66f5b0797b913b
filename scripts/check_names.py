"""Refuses two public classes or type aliases of one name: a reader must not have to ask which `Row` is meant.

    python -m scripts.check_names

It reads the modules of contracts/, services/ and projections/. The exit code is 1 where it finds a fault.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("contracts", "services", "projections")
SHARED: Mapping[str, str] = {
    "UserBlocked": "an error code of the contract, and the event that leads to it: both names are on the wire",
    "UserDeactivated": "an error code of the contract, and the event that leads to it: both names are on the wire",
}
"""Names that two modules may define, each with the reason."""
_PARAMETERS = {"TypeVar", "ParamSpec"}


def main() -> int:
    """Returns the exit code."""
    found = list(faults(ROOT))
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"names: {len(found)} faults")
    return 1 if found else 0


def faults(root: Path, shared: Mapping[str, str] = SHARED) -> Iterator[str]:
    """Each name that two modules define, and each exception that none needs."""
    places: dict[str, list[str]] = defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            for name in names(path.read_text("utf-8")):
                places[name].append(path.relative_to(root).as_posix())
    for name, modules in sorted(places.items()):
        if len(modules) > 1 and name not in shared:
            yield f"{name} is defined in {' and '.join(modules)}: give one of them its exact name"
    for name in shared:
        if len(places[name]) < 2:
            yield f"{name} is an exception in scripts/check_names.py, but has one definition: remove it there"


def names(text: str) -> Iterator[str]:
    """The public classes and type aliases that a module defines."""
    for node in ast.parse(text).body:
        match node:
            case ast.ClassDef(name):
                defined = name
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), value=value) if _is_type(value):
                defined = name
            case _:
                continue
        # A constant has no small letter.
        if defined[0].isupper() and not defined.isupper():
            yield defined


def _is_type(value: ast.expr | None) -> bool:
    return not (isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _PARAMETERS)


if __name__ == "__main__":
    sys.exit(main())
