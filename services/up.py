"""All in one: the embedded servers and every service, on one directory (`denizen up`)."""

import asyncio
import importlib
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

from services.embedded import orphans
from services.embedded.home import Home
from services.embedded.nats import Nats
from services.embedded.postgres import Postgres
from services.embedded.program import CannotStart, Program
from services.embedded.sink import Sink
from services.settings import Settings
from services.supervisor import Child, Service, stop_in_order

log = logging.getLogger(__name__)

_STEPS = (("accounts", "directory", "transfer"), ("projector", "relay", "mailer"), ("nats", "smtp"), ("postgres",))
"""The order of the end: first what takes requests, then what follows the log, then the servers."""
_SERVICES = (*_STEPS[0], *_STEPS[1])
_READY_SECONDS = 60
_LONGEST_TEMPORARY = 70

Announce = Callable[[dict[str, str]], None]
"""Called once everything answers, with natsUrl, databaseUrl and mailDir."""


async def up(settings: Settings, announce: Announce) -> None:
    """Run everything until SIGTERM, SIGINT or SIGHUP. Raises CannotStart."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    home = Home(settings.home)
    home.create()
    with home.held():
        ended = await asyncio.to_thread(orphans.end_recorded, home.path)
        if ended:
            log.warning("ended_orphans", extra={"children": ended})
        everything = _Everything(settings, home)
        try:
            starting = asyncio.create_task(everything.start(announce))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
            starting.cancel()
        finally:
            await everything.stop()


class _Everything:
    """The children of one `denizen up`."""

    def __init__(self, settings: Settings, home: Home) -> None:
        self._settings = settings
        self._home = home
        self._children: dict[str, Child] = {}
        self._sockets = _short_directory()

    async def start(self, announce: Announce) -> None:
        """Servers, migration, services. Raises CannotStart, also after a minute in which not all became ready."""
        try:
            async with asyncio.timeout(_READY_SECONDS):
                addresses, environment = await self._start_servers()
                await self._migrate(addresses["databaseUrl"])
                await self._run([Service(name, environment, self._sockets) for name in _SERVICES])
        except TimeoutError:
            late = [child.told() for child in self._children.values() if not child.ready.is_set()]
            raise CannotStart(f"not ready after {_READY_SECONDS} s: {', '.join(late) or 'the database'}") from None
        self._home.announce(addresses)
        announce(addresses)

    async def stop(self) -> None:
        await stop_in_order([[self._children[name] for name in step if name in self._children] for step in _STEPS])
        self._home.withdraw()
        orphans.forget(self._home.path)
        shutil.rmtree(self._sockets, ignore_errors=True)

    async def _start_servers(self) -> tuple[dict[str, str], dict[str, str]]:
        """The addresses to announce, and the environment of the services."""
        settings = self._settings
        if settings.nats_url is None and settings.nats_ca is not None:
            raise CannotStart("the embedded NATS has no TLS: set DENIZEN_NATS_URL too, or unset DENIZEN_NATS_CA")
        postgres = Postgres(self._home) if settings.database_url is None else None
        nats = Nats(self._home, settings.nats_port) if settings.nats_url is None else None
        sink = Sink(self._home) if settings.smtp_url is None else None
        # Importing takes as long as PostgreSQL does to start: do both at once.
        importing = asyncio.to_thread(importlib.import_module, "services.migration")
        servers = [server for server in (postgres, nats, sink) if server is not None]
        await asyncio.gather(importing, self._run(servers))
        addresses = {
            "natsUrl": nats.url if nats else settings.nats_url or "",
            "databaseUrl": postgres.url if postgres else _plain(settings.database_url),
            "mailDir": str(self._home.path / "mail"),
        }
        environment = {
            "DENIZEN_HOME": str(self._home.path),
            "DENIZEN_NATS_URL": addresses["natsUrl"],
            "DENIZEN_DATABASE_URL": addresses["databaseUrl"],
            "DENIZEN_SMTP_URL": sink.url if sink else _plain(settings.smtp_url),
            **(nats.environment() if nats else {}),
        }
        return addresses, environment

    async def _migrate(self, database_url: str) -> None:
        # Here, because it was imported while the servers started.
        from services import migration
        from services.eventstore import keys

        if not keys.in_environment(self._settings):
            keys.create_missing(self._home.path)
        await asyncio.to_thread(migration.migrate_when_reachable, database_url, self._settings.cell, _READY_SECONDS / 2)

    async def _run(self, programs: Sequence[Program]) -> None:
        """Start children and wait until each answers. Raises CannotStart."""
        for program in programs:
            self._children[program.name] = Child(program, self._home.path / "log", self._record)
        started = [self._children[program.name] for program in programs]
        for child in started:
            child.start()
        await asyncio.gather(*(child.started() for child in started))

    def _record(self) -> None:
        children = {name: (child.pid, child.program.stop_signal) for name, child in self._children.items() if child.pid}
        orphans.record(self._home.path, children)


def _short_directory() -> Path:
    """A new directory for sockets, whose addresses have 107 octets at most (104 on macOS): TMPDIR may be too long."""
    temporary = tempfile.gettempdir()
    short = len(os.fsencode(temporary)) <= _LONGEST_TEMPORARY
    return Path(tempfile.mkdtemp(prefix="denizen-", dir=temporary if short else "/tmp"))  # noqa: S108


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
