"""Cells that a spreadsheet would run (OWASP, CSV injection): an export defuses them, an import makes that undone.

A spreadsheet that expects another separator splits a cell at its semicolons and tabs, and does not see the quotes
around it, so that a line break within it begins a row. So what follows those is defused like the beginning of a cell.
"""

from __future__ import annotations

import re

_SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
"""Also the full-width and small forms, which spreadsheets of East Asia take for the same."""
_SPACES = f" \x0b\x0c\x85\xa0\u1680{''.join(map(chr, range(0x2000, 0x2010)))}\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
"""What spreadsheets skip before a sign: every space, and what has no width."""
_BREAKS = ";\t\r\n"
STARTS = frozenset(f"'{_SIGNS}{_SPACES}{_BREAKS}")
"""A cell without any of these at its beginning, and without a break, is the same when it is defused."""
_FORMULA = rf"(?='*[{_SPACES}]*[{re.escape(_SIGNS)}]"
_AT_THE_START = rf"{_FORMULA}|'*[{_SPACES}]*[\t\r\n])"
_DEFUSE = re.compile(rf"^{_AT_THE_START}|[{_BREAKS}]{_FORMULA})")
_RESTORE = re.compile(rf"^'{_AT_THE_START}|[{_BREAKS}]'{_FORMULA})")


def defused(cell: str) -> str:
    """A cell that a spreadsheet takes for text.

    One that looks defused already gets another quote, so that `restored` gives every cell back as it was.
    """
    return _DEFUSE.sub(r"\g<0>'", cell)


def restored(cell: str) -> str:
    """The cell that `defused` was given."""
    return _RESTORE.sub(lambda match: match[0][:-1], cell)
