"""Reads users, wherever they come from: good rows and bad ones, in the order of the source."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict, Unpack, cast, get_args

from denizen.importing import arrays, dumps, ldif, lines, plain_tables, tables
from denizen.importing.columns import Columns
from denizen.importing.conversion import converted
from denizen.importing.dates import DateOrder
from denizen.importing.encodings import Octets, known
from denizen.importing.presets import DATABASES, PRESETS, Preset
from denizen.importing.recognition import check_own
from denizen.importing.records import Cells
from denizen.importing.rows import BadRow, Json, LeftOutRow, RefusedFile, Row
from denizen.importing.sources import Format, opened
from denizen.importing.strict import Malformed, checked

Source = str | os.PathLike[str] | Octets | Iterable[Json] | Iterable[Row | BadRow | LeftOutRow]
_NULLS = frozenset({"NULL", "null", r"\N"})
_Read = Iterator[tuple[int, Any] | Row | BadRow | LeftOutRow]


class Reading(TypedDict, total=False):
    """How a source is read: the arguments of `read_all`."""

    format: Format | None
    preset: str | Preset | None
    encoding: str | None
    null: Iterable[str] | None
    dates: DateOrder | None


def read(source: Source, **options: Unpack[Reading]) -> Iterator[Row | BadRow]:
    """The users of a file, or of anything that yields dicts: `read_all` without the rows that are left out."""
    return (row for row in read_all(source, **options) if not isinstance(row, LeftOutRow))


def read_all(
    source: Source,
    *,
    format: Format | None = None,
    preset: str | Preset | None = None,
    encoding: str | None = None,
    null: Iterable[str] | None = None,
    dates: DateOrder | None = None,
) -> Iterator[Row | BadRow | LeftOutRow]:
    r"""The users of a file, or of anything that yields dicts, and the rows that are no users.

    source: a path, `-` for standard input, or a binary file object, gzipped or not; or an iterable. Rows that
        `read_all` made already are passed on as they are.
    format: guessed from the name and the first octets where it is not given.
    preset: whose export it is, by name (`PRESETS`) or as a function, such as `Columns.parse(…)`; without one the rows
        are Denizen's own.
    encoding: of the text; without one, what a byte order mark names, or UTF-8.
    null: texts that are no value; without them, `NULL`, `null` and `\N` in CSV of presets in `DATABASES`.
    dates: the order of day and month in dates such as 03/04/2024; without it, a row with such a date is bad.

    A bad row never stops the good ones. Raises OSError where the source cannot be read, RefusedFile where nothing can
    be taken from it, and ValueError at once for an argument that does not exist; what an iterable raises, it raises.
    """
    if isinstance(preset, str) and preset not in PRESETS:
        raise ValueError(f"preset: there is no such preset; there are {', '.join(PRESETS)}")
    if format is not None and format not in get_args(Format):
        raise ValueError(f"format: there is no such format; there are {', '.join(get_args(Format))}")
    if dates is not None and dates not in get_args(DateOrder):
        raise ValueError(f"dates: there is no such order; there are {', '.join(get_args(DateOrder))}")
    made = PRESETS[preset] if isinstance(preset, str) else preset
    if made is not None and not callable(made):
        raise TypeError(f"preset: must be a name or a function, not {type(preset).__name__}")
    named = None if encoding is None else known(encoding)
    default: frozenset[str] = _NULLS if preset in DATABASES else frozenset()
    nulls = default if null is None else frozenset(null)
    if isinstance(source, str | os.PathLike) or hasattr(source, "read"):
        cells = Cells(nulls, dates, made.check) if isinstance(made, Columns) else Cells(nulls, dates)
        rows = _of_octets(source, format, named, cells, others=made is not None)  # pyright: ignore[reportArgumentType]
        return converted(rows if null is None else _without(rows, nulls), made, dates)
    if isinstance(source, bytes | Mapping) or not isinstance(source, Iterable):
        kind = type(source).__name__  # pyright: ignore[reportUnknownArgumentType]
        raise TypeError(f"source: must be a path, a binary file or an iterable of dicts, not {kind}")
    return converted(_of_dicts(source), made, dates)  # pyright: ignore[reportArgumentType]


def _of_octets(
    source: str | os.PathLike[str] | Octets, format: Format | None, encoding: str | None, cells: Cells, *, others: bool
) -> _Read:
    with opened(source, encoding, format) as (stream, found):
        match found:
            case "jsonl":
                yield from lines.rows(stream)
            case "json":
                yield from arrays.rows(stream)
            case "csv":
                yield from plain_tables.rows(stream, cells) if others else tables.rows(stream, cells)
            case "ldif":
                yield from _preset_needed(ldif.rows(stream), others=others)
            case "sql":
                yield from _preset_needed(dumps.rows(stream, cells.check), others=others)


def _preset_needed(rows: Iterator[tuple[int, Json] | BadRow], *, others: bool) -> _Read:
    """The rows, if there is a preset for them. Raises RefusedFile: no export of Denizen has this format."""
    if not others:
        for row in rows:
            if not isinstance(row, BadRow):
                check_own(row[1])
                break
        raise RefusedFile("LDIF and dumps of PostgreSQL are read with --from NAME or with --map FILE")
    yield from rows


def _without(rows: _Read, nulls: frozenset[str]) -> _Read:
    """The rows, without the fields whose text is no value."""
    for row in rows:
        if isinstance(row, tuple) and isinstance(row[1], dict):
            found = cast(Json, row[1])
            yield row[0], {name: each for name, each in found.items() if not isinstance(each, str) or each not in nulls}
        else:
            yield row


def _of_dicts(source: Iterable[Any]) -> _Read:
    for number, raw in enumerate(source, 1):
        if isinstance(raw, Row | BadRow | LeftOutRow):
            yield raw
            continue
        try:
            yield number, checked(raw)
        except Malformed as malformed:
            yield BadRow(number, "malformed_message", str(malformed))
