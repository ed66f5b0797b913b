"""The file of `denizen import --results`: a line that names the job, then the result of each row."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typer

from services.cli.files import shut, stopped
from services.platform.printable import escaped

if TYPE_CHECKING:
    from denizen.import_results import ImportResult

_HEAD = b'{"importId"'
"""What a file of results begins with."""


@contextmanager
def results_of(
    path: Path | None, source: Path | None, import_id: str | None, *, dry_run: bool
) -> "Generator[tuple[int, Callable[[ImportResult], None] | None]]":
    """How many results an earlier run of this job has written to the file, and what writes one behind them.

    The file's first line names the job; results of another job are not added to.
    """
    if path is None:
        yield 0, None
        return
    head = orjson.dumps({"importId": import_id, "dryRun": dry_run}) + b"\n"
    with ExitStack() as stack:
        try:
            _check_overwritten(path, source)
            told, size = (0, 0) if import_id is None or dry_run else _written(path, head)
            file = stack.enter_context(path.open("r+b" if size else "wb"))
            stack.callback(shut, file)
            if path.is_file():
                file.truncate(size)
                file.seek(size)
        except OSError as error:
            raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--results") from error
        with _writing(path):
            if not size:
                file.write(head)
                file.flush()

        def note(result: "ImportResult") -> None:
            text = orjson.dumps(line_of(result)).decode()
            with _writing(path):
                file.write(escaped(text).encode() + b"\n")

        yield told, note
        with _writing(path):
            file.close()


def line_of(result: "ImportResult") -> dict[str, Any]:
    """The result of a row as a line of `--results` has it."""
    from denizen.importing.report import shown_name

    error = {} if result.error is None else result.error.model_dump(exclude_none=True, exclude_defaults=True)
    if "field" in error:
        error["field"] = shown_name(error["field"])
    line = {
        "line": result.line, "status": result.status, "userId": result.user_id, "message": result.reason, **error,
        "notTaken": list(result.not_taken),
        "notChanged": list(result.not_changed),
        "changed": [{"field": field, "message": message} for field, message in result.changed],
    }  # fmt: skip
    return {name: value for name, value in line.items() if value not in (None, [])}


@contextmanager
def _writing(path: Path) -> Generator[None]:
    """Says so where it cannot be written."""
    try:
        yield
    except OSError as error:
        raise stopped(path, "written", error) from error


def _check_overwritten(path: Path, source: Path | None) -> None:
    """Only results may give way to results. Raises OSError."""
    if not path.is_file():
        return
    if source is not None and path.samefile(source):
        raise typer.BadParameter(f"{path} is the file of users itself", param_hint="--results")
    with path.open("rb") as file:
        begin = file.read(len(_HEAD))
    if begin not in (b"", _HEAD):
        raise typer.BadParameter(
            f"{path} is there already, and holds no results of an import; name another file", param_hint="--results"
        )


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
