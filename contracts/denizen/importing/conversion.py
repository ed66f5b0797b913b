"""Turns the rows of a source into users: by a preset, and then fitted into the fields of Denizen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from denizen.importing.allauth import joined
from denizen.importing.dates import ORDER, DateOrder
from denizen.importing.fitting import fit
from denizen.importing.hashes import UnfitHash
from denizen.importing.presets import Preset, django
from denizen.importing.recognition import recognised
from denizen.importing.rows import BadRow, Json, LeftOutRow, Row, Unfit, own, user
from denizen.importing.source_row import LeftOut, SourceRow

_NO_USER = "the preset takes it for no user"


def converted(
    rows: Iterator[tuple[int, Any] | Row | BadRow | LeftOutRow], preset: Preset | None, dates: DateOrder | None = None
) -> Iterator[Row | BadRow | LeftOutRow]:
    """The user of each row, or why there is none. Without a preset, the rows are in Denizen's own form.

    dates: the order of day and month in the dates of the rows, where they do not show it.
    """
    made = preset if preset is None or dates is None else _ordered(preset, dates)
    found = recognised(rows, preset)
    for row in joined(found) if preset is django.user else found:
        if not isinstance(row, tuple):
            yield row
            continue
        line, raw = row
        try:
            yield own(line, raw) if made is None else _made(made, line, raw)
        except LeftOut as left_out:
            yield LeftOutRow(line, left_out.message)
        except Unfit as unfit:
            yield BadRow(line, "validation_failed", unfit.message, unfit.field)


def _ordered(preset: Preset, dates: DateOrder) -> Preset:
    def ordered(raw: Json) -> Json | None:
        token = ORDER.set(dates)
        try:
            return preset(raw)
        finally:
            ORDER.reset(token)

    return ordered


def _made(preset: Preset, line: int, raw: Any) -> Row | BadRow:
    """The user that a preset makes; or none, where the hash cannot be taken. Raises Unfit and LeftOut."""
    if not isinstance(raw, dict):
        raise Unfit("the row is not an object")
    source = SourceRow(cast(Json, raw))
    try:
        made = preset(source)
        if made is None:
            raise LeftOut(_NO_USER)
        found = {name: value for name, value in user(made).items() if value is not None}
        hashed = found.get("passwordHash")
        if isinstance(hashed, UnfitHash):
            del found["passwordHash"]
        not_taken = source.not_taken()
        changes = fit(found, source)
    except Unfit:
        raise
    except (AttributeError, ArithmeticError, LookupError, TypeError, ValueError):
        # An export has its system's form. Where it has not, what breaks first depends on the row.
        raise Unfit("the row has not the form of such an export") from None
    row = Row(line, found, not_taken, source.changed() + changes)
    if isinstance(hashed, UnfitHash):
        return BadRow(line, "validation_failed", hashed.message, "passwordHash", without_hash=row)
    return row
