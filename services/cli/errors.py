"""How a command says that it failed: a sentence on stderr, or one line of JSON there if it was called with --json."""

import sys
from typing import Any

import typer
from denizen import DenizenError, ValidationFailed

from services.cli import show

_FAILED, _USAGE = 1, 2


def failed(message: str, code: str = "failed") -> typer.Exit:
    """Say what went wrong; what to end the command with. `code`: a stable name for programs."""
    _say(message, code)
    return typer.Exit(_FAILED)


def not_configured(message: str) -> typer.Exit:
    """Say which setting is wrong or missing; what to end the command with."""
    _say(message, "not_configured")
    return typer.Exit(_USAGE)


def misused(message: str) -> typer.Exit:
    """Say what is wrong with the command line, as JSON; what to end the command with."""
    _say(message, "usage")
    return typer.Exit(_USAGE)


def say_stopped() -> None:
    """Say with --json that the command was stopped. On a terminal the person who stopped it knows."""
    if as_json():
        _say("the command was stopped before its end", "stopped")


def refused(error: DenizenError) -> typer.Exit:
    """Say what Denizen refused, a line for each field that is at fault; what to end the command with."""
    if as_json():
        body: dict[str, Any] = {"code": error.code, "message": error.message}
        if error.field is not None:
            body["field"] = error.field
        show.json({"error": body | ({"details": error.details} if error.details else {})}, err=True)
    else:
        faults = error.details if isinstance(error, ValidationFailed) else []
        if len(faults) > 1:
            lines = [f"{error.code}:", *(f"  {each['field']}: {each['message']}" for each in faults)]
            show.say("\n".join(lines), err=True)
        else:
            show.say(str(error), err=True)
    return typer.Exit(_FAILED)


def as_json() -> bool:
    """Whether the command was called with --json, also where the rest of its options is wrong."""
    return "--json" in sys.argv[1:]


def _say(message: str, code: str) -> None:
    if as_json():
        show.json({"error": {"code": code, "message": message}}, err=True)
    else:
        show.say(message, err=True)
