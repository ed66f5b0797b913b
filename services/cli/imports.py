"""`denizen import`."""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal

import typer

from services.cli import errors, show
from services.cli.arguments import standard_input
from services.cli.environment import client
from services.cli.files import stopped
from services.cli.import_report import print_report
from services.cli.import_results import results_of

if TYPE_CHECKING:
    from denizen.import_results import ImportSummary

app = typer.Typer(add_completion=False)

_UNQUOTED = re.compile(r"[\w,@%+=-][\w.,@%+=/-]*")
"""Names of files that bash can take as they are."""
SourceSystem = Literal[
    "auth0", "keycloak", "supabase", "clerk", "django", "firebase", "kratos", "supertokens", "zitadel", "fusionauth",
    "better-auth", "cognito", "entra", "wordpress", "ldif",
]  # fmt: skip


def _undo_or_file(incomplete: str) -> list[str]:
    """The completions of FILE: `undo` and the files here. Where there are none, the shell offers files by itself."""
    if not "undo".startswith(incomplete):
        return []
    names = (f"{path.name}/" if path.is_dir() else path.name for path in Path().iterdir())
    return ["undo", *sorted(name for name in names if name.startswith(incomplete) and _UNQUOTED.fullmatch(name))]


_File = Annotated[
    str,
    typer.Argument(
        help="JSONL, a JSON array, CSV, LDIF or a plain dump of PostgreSQL; - for standard input.",
        autocompletion=_undo_or_file,
    ),
]
_From = Annotated[SourceSystem | None, typer.Option("--from", help="The system that the file was exported from.")]
_Format = Annotated[
    Literal["jsonl", "json", "csv", "ldif", "sql"] | None,
    typer.Option(help="Set the format of the file, if it is not detected."),
]
_Columns = Annotated[
    Path | None,
    typer.Option(
        "--map",
        exists=True,
        dir_okay=False,
        help="A file that says which column holds which field of a user (TOML or JSON).",
    ),
]
_Encoding = Annotated[
    str | None, typer.Option(help="The encoding of the text, such as windows-1252, if it is not UTF-8.")
]
_Null = Annotated[
    list[str] | None,
    typer.Option(help="A text that means no value, such as NULL. Repeat the option for more texts."),
]
_Dates = Annotated[
    Literal["dmy", "mdy"] | None, typer.Option(help="The order of day and month in dates such as 03/04/2024.")
]
_HashConfig = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Firebase: a file with the hash parameters that its console shows."),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Check every row, change nothing.")]
_OnConflict = Annotated[
    Literal["fail", "skip", "update"], typer.Option(help="What to do with a row whose address belongs to a user.")
]
_Verified = Annotated[
    Literal["all", "none", "as-given"],
    typer.Option(help="Whether the addresses count as verified: all of them, none, or as each row says."),
]
_WithoutHashes = Annotated[
    Literal["none", "unsupported", "all"],
    typer.Option(
        help="The password hashes to leave out: none (a row whose hash cannot be taken is refused), those that are "
        "unsupported, or all. These users reset the password by mail."
    ),
]
_Results = Annotated[Path | None, typer.Option(help="The file to write the result of each row to, as JSONL.")]
_ImportId = Annotated[
    str | None,
    typer.Option(
        help="The name of the job. By default it is made from the content of the file, so the job can be resumed."
    ),
]
_SummaryAsJson = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")]


@app.command("import")
def import_users(
    *,
    file: _File,
    system: _From = None,
    format: _Format = None,
    columns: _Columns = None,
    encoding: _Encoding = None,
    null: _Null = None,
    dates: _Dates = None,
    hash_config: _HashConfig = None,
    dry_run: _DryRun = False,
    on_conflict: _OnConflict = "fail",
    verified: _Verified = "as-given",
    without_hashes: _WithoutHashes = "none",
    results: _Results = None,
    import_id: _ImportId = None,
    as_json: _SummaryAsJson = False,
) -> None:
    """Import users. Begun again with the same file, it goes on where it stopped, and imports no row twice.

    Exit code 0 where every row is in, 1 where one failed or it was stopped.
    """
    source: Any = standard_input().buffer if file == "-" else file
    path = _regular(file)
    preset = _preset(system, hash_config) if columns is None else _mapped(columns, system)
    reading = (encoding and _encoding(encoding), tuple(null or ()), dates, columns and columns.read_bytes())
    settings: tuple[object, ...] = (system, format, on_conflict, hash_config and hash_config.read_bytes())
    settings = (*settings, *_later_options(reading, verified, without_hashes))
    before = _state(path)
    with _reading(file):
        name = import_id or (None if path is None else _of_content(path, settings))
    with ExitStack() as stack:
        stack.enter_context(_stopping(resumable=name is not None and not dry_run))
        told, note = stack.enter_context(results_of(results, path, name, dry_run=dry_run))
        denizen = stack.enter_context(client())
        stack.enter_context(_reading(file))
        if path is not None:
            source = stack.enter_context(path.open("rb"))
        advance = stack.enter_context(_bar(source, path))
        from denizen.importing.reading import read_all

        summary = denizen.auth.users.import_users(
            read_all(source, format=format, preset=preset, encoding=encoding, null=null or None, dates=dates),
            dry_run=dry_run,
            on_conflict=on_conflict,
            import_id=name,
            on_result=note,
            on_progress=advance,
            told=told,
            verified=verified,
            without_hashes=without_hashes,
        )
    print_report(summary, results, dry_run=dry_run, as_json=as_json)
    _check_whole(file, changed=_state(path) != before, empty=not summary.rows + summary.left_out)
    raise typer.Exit(1 if summary.failed else 0)


def _check_whole(file: str, *, changed: bool, empty: bool) -> None:
    """Fail where the file was not read as a whole, or has nothing in it."""
    if changed:
        raise errors.failed(show.plain(f"{file} changed during the import: run the command again when it is complete"))
    if empty:
        raise errors.failed(show.plain(f"{file} has no rows"))


def _later_options(reading: tuple[object, ...], verified: str, without_hashes: str) -> tuple[object, ...]:
    """Those of the options of later versions that were given: without them a job keeps the name that it had before."""
    given = reading if any(reading) else ()
    if verified != "as-given":
        given = (*given, verified)
    if without_hashes != "none":
        given = (*given, "without hashes", without_hashes)
    return given


def _regular(file: str) -> Path | None:
    """The file, where it can be read more than once: no standard input, and no pipe, as `<(…)` of a shell is."""
    if file == "-":
        return None
    path = Path(file)
    if path.is_dir():
        raise typer.BadParameter(f"{file} is a directory", param_hint="FILE")
    if not path.exists():
        raise typer.BadParameter(f"there is no file {file}", param_hint="FILE")
    return path if path.is_file() else None


def _state(path: Path | None) -> tuple[int, int] | None:
    """What changes when a file is written: its size, and the time of the last change."""
    if path is None or not path.exists():
        return None
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@contextmanager
def _reading(file: str) -> Generator[None]:
    """Say so if the file cannot be read, or not to its end, or if nothing can be taken from it."""
    from denizen.importing import RefusedFile

    name = "standard input" if file == "-" else file
    try:
        yield
    except OSError as error:
        raise stopped(name, "read", error) from error
    except RefusedFile as error:
        raise errors.failed(show.plain(f"{name}: {error}"), "file_refused") from error


@contextmanager
def _stopping(*, resumable: bool) -> Generator[None]:
    """Ctrl-C: says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        errors.failed("stopped; the same command goes on from there" if resumable else "stopped", "stopped")
        # Not at the end of what it waits for: standard input may never end.
        os._exit(1)


def _preset(system: SourceSystem | None, hash_config: Path | None) -> Any:
    if hash_config is None:
        return system
    from denizen.importing import HashConfig, firebase

    if system != "firebase":
        raise typer.BadParameter("only --from firebase has one", param_hint="--hash-config")
    try:
        return firebase(HashConfig.parse(hash_config.read_text("utf-8")))
    except UnicodeDecodeError as error:
        raise typer.BadParameter("the file is no text in UTF-8", param_hint="--hash-config") from error
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--hash-config") from error


def _mapped(columns: Path, system: SourceSystem | None) -> Any:
    """The preset that a file of `--map` describes."""
    from denizen.importing import Columns

    if system is not None:
        raise typer.BadParameter("a file is read by --from or by --map, not by both", param_hint="--map")
    try:
        return Columns.parse(columns.read_text("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise typer.BadParameter("the file is no text in UTF-8", param_hint="--map") from error
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--map") from error


def _encoding(name: str) -> str:
    """An encoding by the name that Python has for it."""
    from denizen.importing.encodings import known

    try:
        return known(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--encoding") from error


def _of_content(file: Path, settings: object) -> str:
    """The same content, to be taken in the same way, is the same job."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256")
    digest.update(repr(settings).encode())
    return digest.hexdigest()[:32]


@contextmanager
def _bar(source: BinaryIO, path: Path | None) -> "Generator[Callable[[ImportSummary], None] | None]":
    """The share of the file that was read, the rows and their rate, and the time left, on a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    rows = TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f}/s")
    columns = TextColumn("Importing"), BarColumn(), TaskProgressColumn(), rows, TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        size = None if path is None else path.stat().st_size
        task = progress.add_task("", total=size, rows=0, rate=0.0)

        def advance(summary: "ImportSummary") -> None:
            rows = summary.success + summary.failed
            rate = rows / (progress.tasks[0].elapsed or 1.0)
            # Whole octets of the file, gzipped or not, whatever its lines hold: a JSON array may be one line.
            progress.update(task, completed=0 if size is None else source.tell(), rows=rows, rate=rate)

        yield advance
