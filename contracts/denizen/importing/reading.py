"""Reads users, wherever they come from: good rows and bad ones, in the order of the source."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from denizen.importing import arrays, lines, tables
from denizen.importing.conversion import converted
from denizen.importing.presets import PRESETS, Preset
from denizen.importing.rows import BadRow, Json, LeftOutRow, Row
from denizen.importing.sources import Format, Octets, guessed, opened
from denizen.importing.strict import Malformed, checked

Source = str | os.PathLike[str] | Octets | Iterable[Json] | Iterable[Row | BadRow | LeftOutRow]
_Read = Iterator[tuple[int, Any] | Row | BadRow | LeftOutRow]


def read(source: Source, *, format: Format | None = None, preset: str | Preset | None = None) -> Iterator[Row | BadRow]:
    """The users of a file, or of anything that yields dicts: `read_all` without the rows that are left out."""
    return (row for row in read_all(source, format=format, preset=preset) if not isinstance(row, LeftOutRow))


def read_all(
    source: Source, *, format: Format | None = None, preset: str | Preset | None = None
) -> Iterator[Row | BadRow | LeftOutRow]:
    """The users of a file, or of anything that yields dicts, and the rows that are no users.

    source: a path, `-` for standard input, or a binary file object, gzipped or not; or an iterable. Rows that
        `read_all` made already are passed on as they are.
    format: guessed from the name and the first octets where it is not given.
    preset: whose export it is, by name (`PRESETS`) or as a function; without one the rows are Denizen's own.

    A bad row never stops the good ones. Raises OSError where the source cannot be read, and ValueError at once for a
    preset or a format that does not exist; what an iterable raises, it raises.
    """
    if isinstance(preset, str) and preset not in PRESETS:
        raise ValueError(f"preset: there is no such preset; there are {', '.join(PRESETS)}")
    if format is not None and format not in ("jsonl", "json", "csv"):
        raise ValueError("format: there is no such format; there are jsonl, json, csv")
    made = PRESETS[preset] if isinstance(preset, str) else preset
    if made is not None and not callable(made):
        raise TypeError(f"preset: must be a name or a function, not {type(preset).__name__}")
    if isinstance(source, str | os.PathLike) or hasattr(source, "read"):
        return converted(_of_octets(source, format, made is not None), made)  # pyright: ignore[reportArgumentType]
    if isinstance(source, bytes | Mapping) or not isinstance(source, Iterable):
        kind = type(source).__name__  # pyright: ignore[reportUnknownArgumentType]
        raise TypeError(f"source: must be a path, a binary file or an iterable of dicts, not {kind}")
    return converted(_of_dicts(source), made)  # pyright: ignore[reportArgumentType]


def _of_octets(source: str | os.PathLike[str] | Octets, format: Format | None, others: bool) -> _Read:
    with opened(source) as (stream, head):
        name = os.fspath(source) if isinstance(source, str | os.PathLike) else ""
        match format or guessed(name, head):
            case "jsonl":
                yield from lines.rows(stream)
            case "json":
                yield from arrays.rows(stream)
            case "csv":
                yield from tables.plain_rows(stream) if others else tables.rows(stream)


def _of_dicts(source: Iterable[Any]) -> _Read:
    for number, raw in enumerate(source, 1):
        if isinstance(raw, Row | BadRow | LeftOutRow):
            yield raw
            continue
        try:
            yield number, checked(raw)
        except Malformed as malformed:
            yield BadRow(number, "malformed_message", str(malformed))
