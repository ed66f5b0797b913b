"""`denizen export`."""

import codecs
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

import typer
from denizen.messages import Status

from services.cli import show
from services.cli.arguments import time
from services.cli.environment import client, operator
from services.cli.files import shut, stopped
from services.platform.printable import escaped, lines

if TYPE_CHECKING:
    from denizen import Client
    from denizen.exporting import ExportOptions, FilePiece

app = typer.Typer(add_completion=False)


_Format = Annotated[Literal["csv", "jsonl", "json"], typer.Option(help="The format of the file.")]
_Fields = Annotated[
    str | None,
    typer.Option(help="The fields, with commas between them, such as id,email,status. The default is all."),
]
_Status = Annotated[Status | None, typer.Option(help="Only users with this status.")]
_CreatedAfter = Annotated[
    datetime | None,
    typer.Option(parser=time, metavar="TIME", help="Only users who were created at this time (UTC) or later."),
]
_CreatedBefore = Annotated[
    datetime | None,
    typer.Option(parser=time, metavar="TIME", help="Only users who were created before this time (UTC)."),
]
_Search = Annotated[str | None, typer.Option(help="Words of an address or name, as `users list` finds them.")]
_Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        dir_okay=False,
        help="The file to write, which appears once it is complete. The default is standard output.",
    ),
]
_Raw = Annotated[
    bool, typer.Option("--raw", help="CSV: leave cells that a spreadsheet takes for formulas as they are.")
]
_Bom = Annotated[bool, typer.Option("--bom", help="CSV: begin with a byte order mark, so that Excel reads UTF-8.")]
_WithHashes = Annotated[
    bool, typer.Option("--with-hashes", help="Export the password hashes too. Needs the NATS user operator.")
]
_SizeAsJson = Annotated[
    bool, typer.Option("--json", help="Print the position and the size on stderr as one JSON object.")
]


@app.command()
def export(
    *,
    format: _Format = "jsonl",
    fields: _Fields = None,
    status: _Status = None,
    created_after: _CreatedAfter = None,
    created_before: _CreatedBefore = None,
    search: _Search = None,
    output: _Output = None,
    raw: _Raw = False,
    bom: _Bom = False,
    with_hashes: _WithHashes = False,
    as_json: _SizeAsJson = False,
) -> None:
    """Export users as they were at one position of the log, which is printed on stderr."""
    if bom and format != "csv":
        raise typer.BadParameter("only --format csv has one", param_hint="--bom")
    chosen = [field.strip() for field in fields.split(",")] if fields else []
    if with_hashes and "passwordHash" not in chosen:
        chosen = [*(chosen or _all_fields()), "passwordHash"]
    options: ExportOptions = {
        "format": format,
        "fields": chosen,
        "status": status,
        "created_after": created_after,
        "created_before": created_before,
        "search": search,
        "raw": raw,
        "hashes": with_hashes,
    }
    position = octets = 0
    _end_by_signals()
    with ExitStack() as stack:
        file, part = _opened(stack, output, private=with_hashes)
        # A refusal is printed where the client ends: after the bar is gone.
        denizen = stack.enter_context(operator() if with_hashes else client())
        advance = stack.enter_context(_bar(shares_terminal=file.isatty()))
        shown = _shown(format) if file.isatty() else bytes
        if bom:
            _write(file, codecs.BOM_UTF8, output)
            octets = len(codecs.BOM_UTF8)
        for piece in stack.enter_context(closing(_pieces(denizen, options))):
            _write(file, shown(piece.data), output)
            position, octets = piece.position, octets + len(piece.data)
            advance(octets)
        if output is not None:
            file.close()
        if output is not None and part is not None:
            part.replace(output.resolve())
    if as_json:
        show.say(f'{{"position": {position}, "octets": {octets}}}', err=True)
    else:
        show.say(f"{octets:,} octets, as of log position {position}", err=True)


def _end_by_signals() -> None:
    """SIGINT, SIGTERM and SIGHUP end the command in order; what `nohup` has ignored stays so.

    Python's own way for SIGINT, KeyboardInterrupt, kills the process by the signal if it comes while a module is
    imported that makes classes of text, as dataclasses do; the exit code would not be 130 then.
    """
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heeded = [each for each in ends if signal.getsignal(each) != signal.SIG_IGN]

    def end(number: int, _: object) -> None:
        # Another one would come between what is done in the end: systemd sends both.
        for each in heeded:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for each in heeded:
        signal.signal(each, end)


def _opened(stack: ExitStack, path: Path | None, *, private: bool) -> tuple[IO[bytes], Path | None]:
    """The file to write to, and its temporary name if it takes the place of another one at the end.

    `stack`: removes what is not whole. A signal can end the command between any two steps, so this is known before the
    file is made. `private`: only the owner of the file can read it.
    """
    if path is None:
        if sys.stdout is None:
            raise typer.BadParameter("standard output is closed", param_hint="--output")
        return sys.stdout.buffer, None
    try:
        part = _part(path)
        if part is not None:
            stack.callback(part.unlink, missing_ok=True)
        opener = _private if private else None
        file = stack.enter_context(open(part or path, "xb" if part else "wb", opener=opener))  # noqa: SIM115 - closed by the caller's stack
        stack.callback(shut, file)
        if part is not None and path.exists() and not private:
            shutil.copymode(path, part)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--output") from error
    return file, part


def _part(path: Path) -> Path | None:
    """The temporary name of a file that is not whole yet; None for a pipe or a device."""
    if path.exists() and not path.is_file():
        return None
    real = path.resolve()
    return real.with_name(f"{real.name}.{secrets.token_hex(4)}.part")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write(file: IO[bytes], data: bytes, path: Path | None) -> None:
    try:
        file.write(data)
        file.flush()
    except OSError as error:
        if path is None:
            if isinstance(error, BrokenPipeError):
                raise
            # Python would try once more in the end, and say that it failed.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise stopped(path or "standard output", "written", error) from error


def _shown(format: str) -> Callable[[bytes], bytes]:
    """Make pieces printable on a terminal: text that users wrote must not move its cursor."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # A piece can end within a character.

    def shown(data: bytes) -> bytes:
        text = decoder.decode(data)
        return (lines(text.replace("\r\n", "\n")) if format == "csv" else escaped(text)).encode()

    return shown


def _pieces(denizen: "Client", options: "ExportOptions") -> "Generator[FilePiece]":
    from denizen import DenizenError

    begun = False
    try:
        with closing(denizen.auth.users.export(**options)) as pieces:
            for piece in pieces:
                begun = True
                yield piece
    except DenizenError as error:
        if begun:
            error.message += "; the export ended too early and cannot be continued: start it again"
        raise


@contextmanager
def _bar(*, shares_terminal: bool) -> Generator[Callable[[int], None]]:
    """Octets and their rate, on a terminal; how many there will be is not known before the end.

    A terminal that shows the users (`shares_terminal`) shows no bar between them.
    """
    if shares_terminal or sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("Exporting"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda octets: progress.update(task, completed=octets)


def _all_fields() -> list[str]:
    from denizen.messages import User

    return [str(field.alias) for field in User.model_fields.values()]
