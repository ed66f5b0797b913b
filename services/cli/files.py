"""Errors of files, for commands that read and write them."""

from contextlib import suppress
from typing import IO

import typer

from services.cli import errors


def stopped(what: object, how: str, error: OSError) -> typer.Exit:
    """Say what cannot be read or written; what to end the command with."""
    return errors.failed(f"{what} cannot be {how}: {error.strerror or error}")


def shut(file: IO[bytes]) -> None:
    """Close a file that may be one that cannot be written: what is left in its buffer cannot be either."""
    with suppress(OSError):
        file.close()
