"""`denizen migrate`."""

import sys
from typing import Annotated

import typer

from services.cli import environment, errors
from services.platform import logging as logs
from services.platform.startup import CannotStart

app = typer.Typer(add_completion=False)


@app.command()
def migrate(
    wait: Annotated[float, typer.Option(help="Seconds to wait for the database.")] = 60,
) -> None:
    """Bring the schema of DENIZEN_CELL in DENIZEN_DATABASE_URL (the owner's) and the services' logins up to date.

    Each service logs in as `<cell>_<service>`, by the password that DENIZEN_POSTGRES_<SERVICE>_PASSWORD sets here.
    """
    from services.eventstore.migrations import roles
    from services.eventstore.migrations.at_start import migrate_when_reachable

    logs.configure("migrate", for_people=sys.stderr.isatty())
    settings, owner = environment.with_database()
    try:
        passwords = roles.passwords_given(settings)
        migrate_when_reachable(owner, settings.cell, wait, passwords)
    except CannotStart as error:
        raise errors.failed(str(error)) from error
