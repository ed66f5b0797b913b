"""`denizen import undo`."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli import show
from services.cli.arguments import AsJson, asking, has_terminal
from services.cli.environment import operator
from services.cli.errors import failed

if TYPE_CHECKING:
    from denizen.undoing import UndoSummary

app = typer.Typer(add_completion=False)

_SHOWN = 20


@app.command()
def undo(
    *,
    import_id: Annotated[str, typer.Argument(help="The import id, which the report on the import names.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where there is no terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase the users that an import created and that no one has used or changed since.

    A user who has signed in, or was changed by any other command, stays and is listed. You can run it again: it goes on
    where it stopped. Needs the NATS user operator. Exit code 0 if no user of the import is left, 1 if some stay.
    """
    if not yes:
        if not has_terminal():
            raise typer.BadParameter("is needed where no terminal can be asked", param_hint="--yes")
        with asking():
            typer.confirm(f"Erase the users that the import {import_id} created?", abort=True, err=True)
    with _bar() as advance, operator() as denizen:
        summary = denizen.auth.users.undo_import(import_id, on_progress=advance)
    if not (summary.undone or summary.gone or summary.kept):
        raise failed(f"No user was created by an import of the name {summary.import_id}.", "import_not_found")
    if as_json:
        kept = [each.model_dump(by_alias=True) for each in summary.users]
        counts = {"undone": summary.undone, "gone": summary.gone, "kept": summary.kept}
        show.json({"importId": import_id, **counts, "users": kept})
    else:
        _tell(summary)
    raise typer.Exit(1 if summary.kept else 0)


def _tell(summary: "UndoSummary") -> None:
    show.say(f"{summary.undone:,} undone, {summary.gone:,} erased before, {summary.kept:,} kept")
    if summary.gone and not summary.undone:
        show.say("This import was undone before; there was nothing left to do.", err=True)
    for each in summary.users[:_SHOWN]:
        show.say(f"  {each.user_id}: kept, because of {each.because}", err=True)
    if summary.kept > _SHOWN:
        show.say(f"  and {summary.kept - _SHOWN:,} more; --json lists a thousand", err=True)


@contextmanager
def _bar() -> "Generator[Callable[[UndoSummary], None] | None]":
    """How far the log is looked through, on a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    counts = TextColumn("{task.fields[undone]:,} undone, {task.fields[kept]:,} kept")
    columns = TextColumn("Undoing"), BarColumn(), TaskProgressColumn(), counts, TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, undone=0, kept=0)

        def advance(summary: "UndoSummary") -> None:
            progress.update(
                task, total=summary.until, completed=summary.after, undone=summary.undone, kept=summary.kept
            )

        yield advance
