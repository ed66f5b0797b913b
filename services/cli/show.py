"""Prints for all commands: a user as lines, a list as a table, JSON.

Names, reasons, file names and messages of servers are text from others, and never reach a terminal raw.
"""

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import orjson
import typer
from denizen.messages import User
from pydantic import BaseModel

from services.platform.printable import escaped, lines, plain

_LEAST_ROOM = 20
"""Columns. Where there are fewer, the terminal breaks the lines."""


def say(text: str, *, err: bool = False) -> None:
    """Print text for people."""
    typer.echo(lines(text), err=err)


def hanging(head: str, text: str) -> None:
    """Print text behind a head. On a terminal, words that do not fit go to lines below the first word."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    room = width - len(head)
    folded = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) if room > _LEAST_ROOM else [text]
    say(head + f"\n{' ' * len(head)}".join(folded))


def counted(number: int, one: str, more: str) -> str:
    """`1 attempt`, `2 attempts`."""
    return f"{number} {one if number == 1 else more}"


def json(value: Any, *, err: bool = False) -> None:
    """Print a value as one line of JSON."""
    text = value.model_dump_json(by_alias=True) if isinstance(value, BaseModel) else _encoded(value)
    typer.echo(escaped(text), err=err)


def _encoded(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()


def user(shown: User, as_json: bool) -> None:
    """A user: one line of JSON, or a line for each field."""
    if as_json:
        json(shown)
        return
    for name, value in shown.model_dump(mode="json", by_alias=True, exclude_none=True).items():
        if value not in ({}, []):
            say(f"{name:<24}{plain(value) if isinstance(value, str) else escaped(_encoded(value))}")


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], note: str, shorten: Mapping[str, int] | None = None
) -> None:
    """Rows: on a terminal as a table and a note, else as lines with tabs between the cells, for programs.

    Where the terminal is too narrow for the table, the columns of `shorten` end in an ellipsis, but keep the number of
    characters that it names. Where that does not help, each row is a block with a line for each cell, as psql does it.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in cells:
            say("\t".join(row))
        return
    from rich.cells import cell_len
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table

    console = Console(markup=False, highlight=False)
    columns = zip(headings, headings, *cells, strict=True)
    needs = {heading: max(map(cell_len, column)) for heading, *column in columns}
    widths = _fitted(needs, shorten or {}, console.width - 2 * (len(headings) - 1))
    if widths is not None:
        drawn = Table(box=None, pad_edge=False)
        for heading in headings:
            drawn.add_column(heading, no_wrap=True, overflow="ellipsis", width=widths[heading])
        for row in cells:
            drawn.add_row(*row)
        console.print(drawn)
    else:
        for row in cells:
            block = Table.grid(padding=(0, 2))
            block.add_column(no_wrap=True, style="bold")
            block.add_column(overflow="fold")  # Nothing is cut off.
            for heading, cell in zip(headings, row, strict=True):
                if cell:
                    block.add_row(heading, cell)
            console.print(Padding(block, (0, 0, 1, 0)))
    say(note, err=True)


def _fitted(needs: Mapping[str, int], shorten: Mapping[str, int], room: int) -> dict[str, int] | None:
    """The width of each column, or None where the shortened columns do not fit either.

    In the order of `shorten`, each column that fits is shown whole. The first one gets the rest of the room.
    """
    widths = {heading: min(need, shorten.get(heading, need)) for heading, need in needs.items()}
    left = room - sum(widths.values())
    if left < 0:
        return None
    for heading in shorten:
        if (more := needs[heading] - widths[heading]) <= left:
            widths[heading] += more
            left -= more
    for first in islice(shorten, 1):
        widths[first] += min(left, needs[first] - widths[first])
    return widths


def time(at: datetime) -> str:
    """RFC 3339, in seconds of UTC."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
