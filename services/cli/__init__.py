"""The command `denizen`. Each command is a module of this package, imported only when it is called.

Imports every folder. It starts all programs and serves operators.
"""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from services.cli import errors, help_texts, show
from services.platform import faults
from services.platform.printable import lines

_COMMANDS = {
    "up": "Run everything on this machine: embedded servers and all services.",
    "run": "Run one service; for containers.",
    "migrate": "Bring the database's schema up to date.",
    "doctor": "Check that everything is in place and answers.",
    "users": "Create, find, change, erase users.",
    "sessions": "See where users are signed in, and end sessions.",
    "import": "Import users from a file, of Denizen's or of another system.",
    "import undo": "Erase the users that an import created and no one has used or changed.",
    "export": "Export users to a file.",
    "events": "Follow the published events, and retry those that subscriptions gave up on.",
    "keys": "Rotate keys.",
    "nats-users": "Give each service a NATS user of its own.",
    "log": "Check the log.",
    "projections": "See how far the projections are, and rebuild them.",
    "erasure": "Prove that a user was erased.",
}
"""Name, and the line that `denizen --help` shows. Module `services.cli.<name>` has `app`, a typer.Typer."""


_RENAMED = {"import": "imports", "import undo": "import_undo", "nats-users": "nats_users"}
"""Commands whose names no module can have."""


@contextmanager
def _printable() -> Generator[None]:
    """Errors name what was typed, which a shell may have taken from names of files. With --json they are JSON."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):  # A signal.
        errors.say_stopped()
        raise
    except Abort as error:
        if not errors.as_json():
            raise
        raise errors.failed("the question was not answered with yes: nothing was done", "stopped") from error
    except TyperException as error:
        if isinstance(message := getattr(error, "message", None), str):
            # Typer takes the words of pydantic, which are for programmers.
            if isinstance(cause := error.__cause__, ValidationError):
                message = faults.message(cause.errors(include_input=False)[0])
            vars(error)["message"] = lines(message)
        if errors.as_json() and (said := error.format_message()):
            raise errors.misused(said) from error
        raise


class _Lazy(TyperGroup):
    def make_context(self, *args: Any, **extra: Any) -> Any:
        with _printable():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        with _printable():
            return super().invoke(ctx)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """A shell completes one word at a time: `undo` is offered behind `import`."""
        return [each for each in super().shell_complete(ctx, incomplete) if " " not in each.value]

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """`import undo` is a command of its own beside `import FILE`; a file of that name is `import ./undo`."""
        name = " ".join(args[:2])
        if len(args) > 1 and name in _COMMANDS:
            return name, self.get_command(ctx, name), args[2:]
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        command = typer.main.get_command(import_module(f"services.cli.{_RENAMED.get(cmd_name, cmd_name)}").app)
        command.name, command.short_help = cmd_name, _COMMANDS[cmd_name]
        help_texts.write_for_people(command)
        return command


def _print_version(asked: bool) -> None:
    if asked:
        from denizen import __version__

        show.say(f"denizen {__version__}")
        raise typer.Exit


if "_DENIZEN_COMPLETE" in os.environ:  # A completion that is broken off leaves no traceback in the line that is typed.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    help_texts.keep_apostrophes_in_zsh()
help_texts.name_types_for_people()
app = typer.Typer(
    cls=_Lazy,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Denizen: user accounts for services that talk over NATS."""
