"""Cells that a spreadsheet would run (OWASP, CSV injection): an export defuses them, an import makes that undone."""

from __future__ import annotations

import re

_SIGNS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # the full-width ones, which spreadsheets of East Asia take for the same
STARTS = frozenset(f"'{_SIGNS}")
"""Whatever is to be defused begins with one of these."""
_FORMULA = re.compile(f"'*[{re.escape(_SIGNS)}]")


def defused(cell: str) -> str:
    """A cell that a spreadsheet takes for text.

    One that looks defused already gets another quote, so that `restored` gives every cell back as it was.
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def restored(cell: str) -> str:
    """The cell that `defused` was given."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell
