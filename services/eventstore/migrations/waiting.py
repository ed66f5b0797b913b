"""Migrates a database that may still be starting, for `denizen up` and for containers."""

import logging
import time
from collections.abc import Mapping

import psycopg

from services.embedded.program import CannotStart
from services.eventstore.keys.encryption import KeysMissing
from services.eventstore.migrations.migrate import migrate
from services.eventstore.migrations.schema import SchemaTooNew
from services.platform import causes

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
