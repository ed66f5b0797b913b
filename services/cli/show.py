"""Prints for all commands: a user as lines, a list as a table, JSON.

Names, reasons, file names and messages of servers are text from others, and never reach a terminal raw.
"""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from datetime import datetime
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


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], note: str) -> None:
    """Rows: on a terminal as a table and a note, else as lines with tabs between the cells, for programs.

    Where the terminal is too narrow for the table, each row is a block with a line for each cell, as psql does it.
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
    widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) <= console.width:
        drawn = Table(*headings, box=None, pad_edge=False)
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


def time(at: datetime) -> str:
    """RFC 3339, in seconds of UTC."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
