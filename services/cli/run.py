"""`denizen run SERVICE`."""

from importlib import import_module
from typing import Annotated, Literal

import typer

app = typer.Typer(add_completion=False)


@app.command()
def run(
    service: Annotated[Literal["accounts", "directory", "transfer", "projector", "relay", "mailer"], typer.Argument()],
) -> None:
    """Run one service until SIGTERM. It tells NOTIFY_SOCKET, where set, when it is ready (sd_notify)."""
    from services.eventstore.migrations.at_start import when_migrated
    from services.platform.process import serve

    program = import_module(f"services.{service}.service")
    raise typer.Exit(serve(service, when_migrated(program.run, service)))
