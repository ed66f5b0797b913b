"""What commands print for people: a user as lines, a list as a table."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime

import typer
from denizen.messages import User


def user(shown: User, as_json: bool) -> None:
    """A user: one line of JSON, or a line for each field."""
    if as_json:
        typer.echo(shown.model_dump_json(by_alias=True))
        return
    for name, value in shown.model_dump(mode="json", by_alias=True, exclude_none=True).items():
        if value not in ({}, []):
            typer.echo(f"{name:<24}{plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))}")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], note: str) -> None:
    """Rows: on a terminal as a table and a note, else as lines with tabs between the cells, for programs."""
    cells = [[plain(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in cells:
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False)
    for heading in headings:
        # Nothing is cut off, and what the next command needs stays in one piece, to be copied.
        drawn.add_column(heading, no_wrap=heading == "id", overflow="fold")
    for row in cells:
        drawn.add_row(*row)
    Console(markup=False).print(drawn)
    typer.echo(note, err=True)


def time(at: datetime) -> str:
    """RFC 3339, in seconds of UTC."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def plain(text: str) -> str:
    """Text as one line of a terminal: what others wrote must not move the cursor."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
