"""`denizen run SERVICE`."""

import gc
from importlib import import_module
from typing import Annotated, Literal

import typer

app = typer.Typer(add_completion=False)


@app.command()
def run(
    service: Annotated[
        Literal["accounts", "directory", "transfer", "projector", "relay", "mailer"],
        typer.Argument(help="The service to run.", show_default=False),
    ],
) -> None:
    """Run one service until SIGTERM. It tells NOTIFY_SOCKET, where set, when it is ready (sd_notify)."""
    # The imports make 100,000 objects that all stay. The collector need not look through them: not while they are made,
    # which would be a fifth of the time, nor at any time after.
    gc.disable()
    from services.eventstore.migrations.at_start import when_migrated
    from services.platform.process import serve

    program = import_module(f"services.{service}.service")
    gc.freeze()
    gc.enable()
    raise typer.Exit(serve(service, when_migrated(program.run, service)))
