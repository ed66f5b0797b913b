"""`denizen log`."""

import sys
from dataclasses import asdict
from typing import Annotated

import psycopg
import typer

from services.cli import environment, errors, show
from services.eventstore.log.verify import MOST_FINDINGS, Verification
from services.platform import causes
from services.platform.database import DatabaseUnavailable
from services.platform.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Check the log."""


@app.command()
def verify(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Read the whole log and find every row that was changed or is missing. Exit code 1 where any is.

    Needs DENIZEN_DATABASE_URL with the right to read the log, or a running `denizen up` on DENIZEN_HOME. Where the keys
    are there too, each snapshot is compared with the events that it stands for.
    """
    settings, url = environment.with_database()
    try:
        result, compared = _read(settings, url)
    except psycopg.Error as error:
        raise errors.failed(f"The log cannot be read: {causes.of_postgres(error) or type(error).__name__}.") from error
    if json:
        show.json({"intact": not result.findings, **asdict(result), "snapshotsCompared": compared})
    else:
        if not compared:
            show.say("The snapshots are not compared: that needs the keys and the rights of the services.", err=True)
        _tell(result)
    raise typer.Exit(1 if result.findings else 0)


def _read(settings: Settings, url: str) -> tuple[Verification, bool]:
    """What was found, and whether the snapshots were compared with the log."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from services.accounts.checking import check
    from services.eventstore.keys.data_keys import KeysMissing
    from services.eventstore.log.verify import verify as read

    columns = TextColumn("Reading the log"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("", total=None)
        result = read(url, settings.cell, lambda done, total: progress.update(task, completed=done, total=total))
        snapshots = progress.add_task("Comparing snapshots", total=None)
        try:
            found = check(settings, lambda done: progress.update(snapshots, completed=done))
        except (KeysMissing, DatabaseUnavailable, psycopg.Error):  # Those who may only read the log have no keys.
            return result, False
        result.findings += found[: MOST_FINDINGS - len(result.findings)]
        return result, True


def _tell(result: Verification) -> None:
    for finding in result.findings:
        where = f", {finding.stream} version {finding.version}" if finding.stream else ""
        show.say(f"position {finding.position}{where}: {finding.problem}")
    if len(result.findings) == MOST_FINDINGS:
        show.say(f"({MOST_FINDINGS} findings shown, there may be more)")
    if not result.findings:
        show.say(f"The log is intact: {result.events} events, each in its place, up to position {result.head}.")
