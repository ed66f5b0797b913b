"""Arguments that commands share, and secrets, which are no arguments: all users of the machine see arguments."""

import sys
from contextlib import AbstractContextManager, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

if TYPE_CHECKING:
    from denizen.transport import CommandOptions

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one line.")]
UserIdArgument = Annotated[str, typer.Argument(help="The id of the user, user_…", show_default=False)]
IdempotencyKey = Annotated[str | None, typer.Option("--idempotency-key", help="A repeat within 24 h changes nothing.")]
Expected = Annotated[
    int | None, typer.Option("--expected-version", help="Refuse the command if the user has another version.")
]
Actor = Annotated[str | None, typer.Option(help="An opaque id of the caller, for the history.")]

_LONGEST_SECRET = 4096
"""Octets, with the end of the line."""


def options(key: str | None, expected_version: int | None, actor: str | None) -> "CommandOptions":
    """Those of them that were given."""
    given: CommandOptions = {}
    if key is not None:
        given["idempotency_key"] = key
    if expected_version is not None:
        given["expected_version"] = expected_version
    if actor is not None:
        given["actor"] = actor
    return given


def time(text: str) -> datetime:
    """For an option's `parser`: a date or time as in ISO 8601, of UTC where it names no zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("is not like 2026-11-24 or 2026-11-24T12:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def asking() -> AbstractContextManager[Any]:
    """While a terminal is asked: typer would write the last letter of its question to stdout, which is the answer's."""
    return redirect_stdout(sys.stderr)


def has_terminal() -> bool:
    """Whether there is a terminal to ask on. A process without standard input, as cron may start it, has none."""
    return sys.stdin is not None and sys.stdin.isatty()


def standard_input() -> TextIO:
    """Standard input. Ends the command where it is closed."""
    if sys.stdin is None:
        raise typer.BadParameter("standard input is closed")
    return sys.stdin


def secret(name: str, *, hidden: bool = True, twice: bool = False) -> str:
    """A secret that is asked for on a terminal (`hidden`: not shown there), else the one line of standard input."""
    if has_terminal():
        with asking():
            return str(typer.prompt(name, hide_input=hidden, confirmation_prompt=twice, err=True))
    octets = standard_input().buffer.read(_LONGEST_SECRET + 1)
    try:
        text = octets.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        text = ""
    if len(octets) > _LONGEST_SECRET or not text or "\n" in text:
        raise typer.BadParameter(f"standard input must be the {name.lower()}, one line of UTF-8")
    return text
