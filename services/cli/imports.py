"""`denizen import`."""

import hashlib
import os
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer

from services.cli.environment import client

if TYPE_CHECKING:
    from denizen.transfer import ImportResult, ImportSummary

app = typer.Typer(add_completion=False)

System = Literal["auth0", "keycloak", "supabase", "clerk", "django", "firebase"]


@app.command("import")
def import_users(
    *,
    file: Annotated[str, typer.Argument(help="JSONL, a JSON array or CSV, gzipped or not; - for standard input.")],
    system: Annotated[System | None, typer.Option("--from", help="The system that the file was exported from.")] = None,
    format: Annotated[Literal["jsonl", "json", "csv"] | None, typer.Option(help="If it cannot be guessed.")] = None,
    hash_config: Annotated[
        Path | None, typer.Option(help="Firebase: the project's hash parameters, a JSON file (docs/import.md).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, change nothing.")] = False,
    on_conflict: Annotated[
        Literal["fail", "skip", "update"], typer.Option(help="What becomes of a row whose address is taken.")
    ] = "fail",
    results: Annotated[Path | None, typer.Option(help="Where to write what became of each row, as JSONL.")] = None,
    import_id: Annotated[
        str | None, typer.Option(help="Names the job; by default what is in the file does, so that it can be resumed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Import users. Begun again with the same file, it goes on where it stopped, and imports no row twice.

    Exit code 0 where every row is in, 1 where one failed or it was stopped.
    """
    source: Any = sys.stdin.buffer if file == "-" else file
    path = None if file == "-" else Path(file)
    if path is not None and not path.is_file():
        raise typer.BadParameter(f"there is no file {file}", param_hint="FILE")
    settings = (system, format, on_conflict, None if hash_config is None else hash_config.read_bytes())
    name = import_id or (None if path is None else _of_content(path, settings))
    with ExitStack() as stack:
        stack.enter_context(_stopping(resumable=name is not None and not dry_run))
        told, note = stack.enter_context(_results(results, name, dry_run=dry_run))
        advance = stack.enter_context(_bar(path))
        denizen = stack.enter_context(client())
        summary = denizen.auth.users.import_users(
            source,
            format=format,
            preset=_preset(system, hash_config),
            dry_run=dry_run,
            on_conflict=on_conflict,
            import_id=name,
            on_result=note,
            on_progress=advance,
            told=told,
        )
    _tell(summary, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(1 if summary.failed else 0)


@contextmanager
def _stopping(*, resumable: bool) -> Generator[None]:
    """Ctrl-C: says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from there" if resumable else "stopped", err=True)
        # Not at the end of what it waits for: standard input may never end.
        sys.stderr.flush()
        os._exit(1)


def _preset(system: System | None, hash_config: Path | None) -> Any:
    if hash_config is None:
        return system
    from denizen.importing import HashConfig, firebase

    if system != "firebase":
        raise typer.BadParameter("only --from firebase has one", param_hint="--hash-config")
    try:
        return firebase(HashConfig(**orjson.loads(hash_config.read_bytes())))
    except (OSError, TypeError, ValueError) as error:
        raise typer.BadParameter("not the hash parameters of a Firebase project", param_hint="--hash-config") from error


def _of_content(file: Path, settings: object) -> str:
    """The same content, to be taken in the same way, is the same job."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256")
    digest.update(repr(settings).encode())
    return digest.hexdigest()[:32]


@contextmanager
def _results(
    path: Path | None, import_id: str | None, *, dry_run: bool
) -> "Generator[tuple[int, Callable[[ImportResult], None] | None]]":
    """How many results an earlier run of this job has written to the file, and what writes one behind them.

    The file's first line names the job; results of another job are not added to.
    """
    if path is None:
        yield 0, None
        return
    head = orjson.dumps({"importId": import_id, "dryRun": dry_run}) + b"\n"
    told, size = (0, 0) if import_id is None or dry_run else _written(path, head)
    with path.open("r+b" if size else "wb") as file:
        file.truncate(size)
        file.seek(size)
        if not size:
            file.write(head)
            file.flush()

        def note(result: "ImportResult") -> None:
            error = {} if result.error is None else result.error.model_dump(exclude_none=True, exclude_defaults=True)
            line = {"line": result.line, "status": result.status, "userId": result.user_id, **error}
            file.write(orjson.dumps({name: value for name, value in line.items() if value is not None}) + b"\n")

        yield told, note


def _written(path: Path, head: bytes) -> tuple[int, int]:
    """How many results a file of this job has, and the octets up to there.

    What was killed may have left a part of a line behind.
    """
    count = size = 0
    if path.is_file():
        with path.open("rb") as file:
            if file.readline() != head:
                return 0, 0
            size = len(head)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                count, size = count + 1, size + len(line)
    return count, size


@contextmanager
def _bar(file: Path | None) -> "Generator[Callable[[ImportSummary], None] | None]":
    """Rows, their rate and the time left, on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]:,.0f} rows/s")
    columns = TextColumn("Importing"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None if file is None else _lines(file), rate=0.0)

        def advance(summary: "ImportSummary") -> None:
            progress.update(task, completed=summary.success + summary.failed, rate=progress.tasks[0].speed or 0.0)

        yield advance


def _lines(file: Path) -> int | None:
    """About how many rows there are; None where the file does not tell."""
    with file.open("rb") as content:
        if content.read(2) == b"\x1f\x8b":
            return None
        content.seek(0)
        return sum(block.count(b"\n") for block in iter(lambda: content.read(1 << 20), b"")) or None


def _tell(summary: "ImportSummary", *, dry_run: bool, as_json: bool) -> None:
    counts = {name: getattr(summary, name) for name in ("created", "updated", "skipped", "failed")}
    if as_json:
        told = {"importId": summary.import_id, "dryRun": dry_run, "before": summary.before, **counts}
        typer.echo(orjson.dumps(told).decode())
        return
    if summary.before:
        typer.echo(f"{summary.before:,} rows by an earlier run; --import-id NAME begins a job of its own", err=True)
    would = " (nothing was changed)" if dry_run else ""
    typer.echo(", ".join(f"{count:,} {name}" for name, count in counts.items()) + would)
    shown = [result for result in summary.results if result.status == "failed"][:20]
    for result in shown:
        error = result.error
        if error is not None:
            at = f" ({error.field})" if error.field else ""
            typer.echo(f"  line {result.line}: {error.code}: {error.message}{at}", err=True)
    if summary.failed > len(shown):
        typer.echo(f"  and {summary.failed - len(shown):,} more: --results FILE has them all", err=True)
