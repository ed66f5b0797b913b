"""At a start: migrates a database that may still be starting, and begins a service when its database is migrated."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

import psycopg

from services.eventstore.keys.encryption import KeysMissing
from services.eventstore.migrations.migrate import migrate
from services.eventstore.migrations.schema import SchemaTooNew, is_current
from services.platform import causes, sql, startup
from services.platform.database import Database, DatabaseUnavailable
from services.platform.settings import Settings
from services.platform.startup import CannotStart, Run

log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5


def migrate_when_reachable(
    owner_url: str,
    cell: str,
    seconds: float,
    passwords: Mapping[str, str],
    checks: Mapping[str, bytes] | None = None,
) -> None:
    """Apply what is missing, waiting up to `seconds` for the server. Blocks. Raises CannotStart.

    `passwords`: of the logins of services, by service; a service without one keeps its own. `checks`: of the keys that
    the services will have, where they are known.
    """
    deadline, told = time.monotonic() + seconds, ""
    while True:
        try:
            migrate(owner_url, cell, passwords, checks)
        except psycopg.OperationalError as error:
            reason, passes = causes.of_connecting(error)
            if not passes or time.monotonic() > deadline:
                raise CannotStart(reason) from error
            if reason != told:
                log.warning("waiting", extra={"reason": reason})
            told = reason
            time.sleep(_RETRY_SECONDS)
        except (SchemaTooNew, KeysMissing) as error:
            raise CannotStart(str(error)) from error
        except psycopg.Error as error:
            raise CannotStart(f"the migration of {cell} failed: {_first_line(error)}") from error
        else:
            return


def _first_line(error: psycopg.Error) -> str:
    """The lines behind it may quote a row."""
    return str(error).partition("\n")[0]


def when_migrated(run: Run, service: str) -> Run:
    """The service, begun when its database answers and is migrated.

    It raises DatabaseUnavailable or SchemaTooNew where something is wrong with that which does not pass by itself.
    """

    async def started(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        database = Database(settings, "start", role=service)
        try:
            while reason := await _missing(database, settings.cell):
                startup.waiting(reason)
                await asyncio.sleep(_RETRY_SECONDS)
            startup.waiting(None)
        finally:
            await database.close()
        await run(settings, stop, ready)

    return started


async def _missing(database: Database, cell: str) -> str | None:
    """Say what the database lacks, if anything. Raises SchemaTooNew, and DatabaseUnavailable where waiting is vain."""
    try:
        rows = await database.fetch(sql.load("services.eventstore.migrations", "applied_migrations"), [])
    except DatabaseUnavailable as error:
        if not error.passes:
            raise
        return str(error)
    except psycopg.errors.UndefinedTable:
        return f"the database has no schema {cell} of Denizen yet: run `denizen migrate`"
    except psycopg.errors.InsufficientPrivilege:
        rows = []  # It is migrated, and the grants are of an earlier version.
    if is_current(cell, [name for (name,) in rows]):
        return None
    return f"the schema {cell} is not yet that of this version of Denizen: run `denizen migrate`"
