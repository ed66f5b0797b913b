"""`denizen doctor`: is everything in place, does it answer, and does it keep up?"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Annotated

import psycopg
import typer
from denizen import NoAnswer
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from services.cli import environment, show
from services.doctor import broker, database, files, processes, websocket
from services.doctor.finding import Finding, Report, Wanting
from services.eventstore.keys import data_keys as keys
from services.eventstore.migrations.roles import SERVICES
from services.platform.database import DatabaseUnavailable
from services.platform.settings import Settings

app = typer.Typer(add_completion=False)

Check = Callable[[Settings], Awaitable[Report]]
_CHECKS: dict[str, Check] = {
    "files": files.check,
    "keys": database.check_keys,
    "postgresql": database.check_server,
    "log": database.check_log,
    "triggers": database.check_triggers,
    "projections": database.check_projections,
    "mails": database.check_mails,
    "nats": broker.check_server,
    "websocket": websocket.check,
    "services": broker.check_operations,
    "stream": broker.check_stream,
    **{service: partial(processes.check, service=service) for service in SERVICES},
}


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Check files, keys, PostgreSQL, the log, NATS, and whether each service lives and keeps up.

    Exit code 1 if a check fails. Looks where DENIZEN_DATABASE_URL (the owner's) and DENIZEN_NATS_URL say, else at
    the `denizen up` on DENIZEN_HOME.
    """
    settings = environment.settings()
    findings = asyncio.run(_examine(settings))
    well = all(finding.ok for finding in findings)
    if as_json:
        show.json({"ok": well, "checks": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            show.hanging(f"{'ok     ' if finding.ok else 'WANTING'}  {finding.check:<12}", finding.says)
    raise typer.Exit(0 if well else 1)


async def _examine(settings: Settings) -> list[Finding]:
    """All at once: each may wait for a server that does not answer, and together they would for most of a minute."""
    return await asyncio.gather(*(_found(name, check, settings) for name, check in _CHECKS.items()))


async def _found(name: str, check: Check, settings: Settings) -> Finding:
    try:
        report = await check(settings)
        return Finding(name, True, report.says, report.figures)
    except Wanting as error:
        return Finding(name, False, str(error), error.figures)
    except NoAnswer as error:
        says = error.message
    except keys.KeysMissing as error:
        says = str(error)
    except DatabaseUnavailable as error:
        says = str(error)
    except psycopg.Error as error:
        says = f"PostgreSQL says: {str(error).partition(chr(10))[0]}"
    except (NatsError, JetStreamError, OSError, TimeoutError) as error:
        says = f"NATS: {type(error).__name__}"
    return Finding(name, False, says, {})
