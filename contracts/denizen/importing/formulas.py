"""Cells that a spreadsheet would run (OWASP, CSV injection): an export defuses them, an import makes that undone."""

from __future__ import annotations

import re

STARTS = frozenset("'=+-@\t\r")
"""Whatever is to be defused begins with one of these."""
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def defused(cell: str) -> str:
    """A cell that a spreadsheet takes for text.

    One that looks defused already gets another quote, so that `restored` gives every cell back as it was.
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def restored(cell: str) -> str:
    """The cell that `defused` was given."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell
