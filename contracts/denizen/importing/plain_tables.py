"""The rows of other systems' CSV: text by the names of the header; an empty cell is None."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, cast

from denizen.importing.records import UNNAMED, Cells, Records, header_fault, wrong_count
from denizen.importing.rows import BadRow, Json, Unfit

_PATH = re.compile(r"[^.\[\]]+(?:\[[0-9]{1,2}\])?(?:\.[^.\[\]]+(?:\[[0-9]{1,2}\])?){0,7}")
_STEP = re.compile(r"[^.\[\]]+")


def rows(stream: BinaryIO, cells: Cells) -> Iterator[tuple[int, Json] | BadRow]:
    """Rows of other systems: a dotted name of a column is a path of objects."""
    records = iter(Records(stream))
    header = next(records, None)
    if isinstance(header, BadRow):
        yield header
    elif header is not None:
        names = [name.strip() for name in header[1]]
        if fault := header_fault(names):
            yield BadRow(header[0], "malformed_message", fault)
            return
        cells.check(names)
        yield from _rows(names, records, cells.null)


def _rows(
    names: list[str], records: Iterator[tuple[int, list[str]] | BadRow], null: frozenset[str]
) -> Iterator[tuple[int, Json] | BadRow]:
    paths = _paths(names)
    quoted: bool | None = None
    for record in records:
        if isinstance(record, BadRow):
            yield record
            continue
        line, row = record
        if len(row) != len(names):
            yield wrong_count(line, len(names))
            continue
        if quoted is None:
            quoted = _is_quoted(row)
        if quoted:
            row = [cell.removeprefix("'") for cell in row]
        found = {
            name: None if not cell or (null and cell in null) else cell for name, cell in zip(names, row, strict=True)
        }
        if found.pop("", None) is not None:
            yield BadRow(line, "malformed_message", UNNAMED)
            continue
        try:
            yield line, _nested(found, paths) if paths else found
        except Unfit as unfit:
            yield BadRow(line, "malformed_message", unfit.message)


def _is_quoted(row: list[str]) -> bool:
    """Whether each text begins with a quote, as in CSV of Auth0: spreadsheets then take it for nothing else."""
    texts = [cell for cell in row if cell and cell.lower() not in ("true", "false") and cell[0] not in "{[0123456789"]
    return bool(texts) and all(cell[0] == "'" for cell in texts) and any("@" in cell for cell in texts)


def _paths(names: list[str]) -> dict[str, list[str | int]]:
    """The steps to the value of each column whose name is a path: `a.b`, `a[0].b`."""
    found: dict[str, list[str | int]] = {}
    plain = set(names)
    for name in names:
        if ("." in name or "[" in name) and _PATH.fullmatch(name):
            steps: list[str | int] = [int(step) if step.isdecimal() else step for step in _STEP.findall(name)]
            # A column of the path's own name, or one step of it, holds a value already.
            if not any(name != other and name.startswith((f"{other}.", f"{other}[")) for other in plain):
                found[name] = steps
    return found


def _nested(row: Json, paths: Mapping[str, list[str | int]]) -> Json:
    user: Json = {}
    for name, cell in row.items():
        at: Any = user
        steps = paths.get(name, [name])
        if cell is None and len(steps) > 1:
            continue
        for step, following in itertools.pairwise(steps):
            inner: Any = [] if isinstance(following, int) else {}
            at = _step(at, step, inner)
        _step(at, steps[-1], cell)
    return user


def _step(at: Any, step: str | int, value: Any) -> Any:
    """What is there, or `value` put there."""
    if isinstance(at, dict):
        return cast(Json, at).setdefault(str(step), value)
    if isinstance(at, list) and isinstance(step, int):
        items = cast(list[Any], at)
        while len(items) <= step:
            items.append({} if not isinstance(value, str) else None)
        if isinstance(value, str):
            items[step] = value
        return items[step]
    raise Unfit("the header has a column within another: rename or remove one")
