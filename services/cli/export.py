"""`denizen export`."""

import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from denizen.messages import Status

from services.cli.environment import client, operator

app = typer.Typer(add_completion=False)


@app.command()
def export(
    *,
    format: Annotated[Literal["csv", "jsonl", "json"], typer.Option()] = "jsonl",
    fields: Annotated[
        str | None, typer.Option(help="With commas between: id,email,profile.firstName,metadata.plan; by default all.")
    ] = None,
    status: Annotated[Status | None, typer.Option()] = None,
    created_after: Annotated[datetime | None, typer.Option(help="Then or later, UTC.")] = None,
    created_before: Annotated[datetime | None, typer.Option(help="UTC.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="By default standard output.")] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV: leave cells that a spreadsheet takes for formulas as they are.")
    ] = False,
    with_hashes: Annotated[
        bool, typer.Option("--with-hashes", help="The hashes of passwords, too: as the NATS user operator.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell position and size on stderr as one JSON object.")
    ] = False,
) -> None:
    """Export users, as they were at one position of the log, which is told on stderr."""
    chosen = [field.strip() for field in fields.split(",")] if fields else []
    if with_hashes and "passwordHash" not in chosen:
        chosen = [*(chosen or _all_fields()), "passwordHash"]
    position = octets = 0
    with ExitStack() as stack:
        denizen = stack.enter_context(operator() if with_hashes else client())
        options: dict[str, Any] = {
            "format": format,
            "fields": chosen,
            "status": status,
            "created_after": _utc(created_after),
            "created_before": _utc(created_before),
            "raw": raw,
            "hashes": with_hashes,
        }
        file = None
        for piece in denizen.auth.users.export(**options):
            # Not before there is something: a refusal leaves the file that is there alone.
            file = file or (stack.enter_context(output.open("wb")) if output else sys.stdout.buffer)
            file.write(piece.data)
            position, octets = piece.position, octets + len(piece.data)
        if file is not None:
            file.flush()
    if as_json:
        typer.echo(f'{{"position": {position}, "octets": {octets}}}', err=True)
    else:
        typer.echo(f"{octets:,} octets, as of log position {position}", err=True)


def _all_fields() -> list[str]:
    from denizen.messages import User

    return [str(field.alias) for field in User.model_fields.values()]


def _utc(at: datetime | None) -> datetime | None:
    from datetime import UTC

    return None if at is None else at.replace(tzinfo=UTC) if at.tzinfo is None else at
