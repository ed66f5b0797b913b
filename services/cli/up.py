"""`denizen up`."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from services.cli import environment, errors, show
from services.platform import logging as logs
from services.platform.settings import Settings
from services.platform.startup import CannotStart

app = typer.Typer(add_completion=False)

_EMBEDDED = ("aiosmtpd", "psutil")
"""Packages of the extra `embedded` that are imported."""
_WELCOME = """\
Denizen is ready after {seconds:.1f} s.

  NATS        {nats}{websocket}
  PostgreSQL  {database}
  Mail        {mail}
  Logs        {log}

Try, in another terminal:

  nats -s {nats} request users.v1.command.CreateUser \\
    '{{"email":"ada@example.com"}}'
  {denizen} users list
  {denizen} events tail
{programs}
Ctrl-C stops it; {home} keeps everything.
"""
_DEFAULT = "nats://127.0.0.1:4222"
_PROGRAMS = """
Programs with the Python client find it by

  export DENIZEN_NATS_URL={nats}
"""


@app.command()
def up(
    json: Annotated[bool, typer.Option("--json", help="One line on stdout once everything answers.")] = False,
) -> None:
    """Run embedded PostgreSQL and NATS (unless DENIZEN_DATABASE_URL, DENIZEN_NATS_URL name others) and all services."""
    try:
        from services.embedded.up import up as run_everything
    except ModuleNotFoundError as error:
        if error.name not in _EMBEDDED:
            raise
        raise errors.failed(
            "denizen up: this installation has no embedded servers: pip install 'denizen-server[embedded]'. "
            "In a container start each service by `denizen run SERVICE`, as compose.yaml does."
        ) from error

    logs.configure("up", for_people=not json)
    settings = environment.read()
    try:
        asyncio.run(run_everything(settings, _json if json else _welcome(settings)))
    except CannotStart as error:
        raise errors.failed(f"denizen up: {error}") from error


def _json(addresses: dict[str, str]) -> None:
    show.json({"ready": True, **addresses})


def _welcome(settings: Settings) -> Callable[[dict[str, str]], None]:
    began = time.monotonic()

    def welcome(addresses: dict[str, str]) -> None:
        from psycopg.conninfo import conninfo_to_dict

        database = conninfo_to_dict(addresses["databaseUrl"])
        home = settings.home.resolve()
        show.say(
            _WELCOME.format(
                programs="" if addresses["natsUrl"] == _DEFAULT else _PROGRAMS.format(nats=addresses["natsUrl"]),
                seconds=time.monotonic() - began,
                nats=addresses["natsUrl"],
                websocket=f"\n  WebSocket   {addresses['websocketUrl']}" if "websocketUrl" in addresses else "",
                # Without the password, which would stay in the terminal's history.
                database=f"{database.get('host')}:{database.get('port', 5432)}, database {database.get('dbname')}",
                mail=addresses["mailDir"],
                log=home / "log",
                home=home,
                denizen=_shown(Path(sys.argv[0])),
            )
        )

    return welcome


def _shown(program: Path) -> str:
    """The command as it can be typed here."""
    if program.name != "denizen":
        return "denizen"
    return str(program.relative_to(Path.cwd())) if program.is_relative_to(Path.cwd()) else str(program)
