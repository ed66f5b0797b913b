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
from services.embedded.program import Program
from services.embedded.sink import Sink
from services.embedded.supervisor import Child, Service, stop_in_order
from services.embedded.websocket import WebSocket
from services.platform import environment as needs
from services.platform.settings import Settings
from services.platform.startup import CannotStart

log = logging.getLogger(__name__)

_STEPS = (("accounts", "directory", "transfer"), ("projector", "relay", "mailer"), ("nats", "smtp"), ("postgres",))
"""The order of the end: first what takes requests, then what follows the log, then the servers."""
_SERVICES = (*_STEPS[0], *_STEPS[1])
_READY_SECONDS = 60
_LONGEST_TEMPORARY = 70

Announce = Callable[[dict[str, str]], None]
"""Called once everything answers, with natsUrl, databaseUrl, mailDir, and websocketUrl where browsers may connect."""


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
                addresses, shared = await self._start_servers()
                logins = await self._migrate(addresses["databaseUrl"])
                environments = {
                    name: needs.of_service(name, shared | {"DENIZEN_DATABASE_URL": logins[name]}) for name in _SERVICES
                }
                await self._run([Service(name, environments[name], self._sockets) for name in _SERVICES])
        except TimeoutError:
            late = [child.waits_for() for child in self._children.values() if not child.ready.is_set()]
            raise CannotStart(f"not ready after {_READY_SECONDS} s: {', '.join(late) or 'the database'}") from None
        self._home.announce(addresses)
        announce(addresses)

    async def stop(self) -> None:
        await stop_in_order([[self._children[name] for name in step if name in self._children] for step in _STEPS])
        self._home.withdraw()
        orphans.forget(self._home.path)
        shutil.rmtree(self._sockets, ignore_errors=True)

    async def _start_servers(self) -> tuple[dict[str, str], dict[str, str]]:
        """The addresses to announce, and what the environments of the services are chosen from."""
        settings = self._settings
        if settings.nats_url is None and settings.nats_ca is not None:
            raise CannotStart("the embedded NATS has no TLS: set DENIZEN_NATS_URL too, or unset DENIZEN_NATS_CA")
        if settings.nats_url is not None and settings.nats_websocket_origins is not None:
            raise CannotStart(
                "DENIZEN_NATS_WEBSOCKET_ORIGINS is for the embedded NATS, and DENIZEN_NATS_URL names another one: "
                "unset one of them, and configure the WebSocket listener of your own nats-server"
            )
        postgres = Postgres(self._home) if settings.database_url is None else None
        websocket = WebSocket.of(settings)
        nats = Nats(self._home, settings.nats_port, websocket) if settings.nats_url is None else None
        sink = Sink(self._home) if settings.smtp_url is None else None
        # Importing takes as long as PostgreSQL does to start: do both at once.
        importing = asyncio.to_thread(importlib.import_module, "services.eventstore.migrations.at_start")
        servers = [server for server in (postgres, nats, sink) if server is not None]
        await asyncio.gather(importing, self._run(servers))
        addresses = {
            "natsUrl": nats.url if nats else settings.nats_url or "",
            "databaseUrl": postgres.url if postgres else _plain(settings.database_url),
            "mailDir": str(self._home.path / "mail"),
            **({"websocketUrl": websocket.url} if websocket else {}),
        }
        passwords = nats.passwords if nats else {}
        shared = {
            "DENIZEN_HOME": str(self._home.path),
            "DENIZEN_NATS_URL": addresses["natsUrl"],
            "DENIZEN_SMTP_URL": sink.url if sink else _plain(settings.smtp_url),
            **{f"DENIZEN_NATS_{user.upper()}_PASSWORD": password for user, password in passwords.items()},
        }
        return addresses, shared

    async def _migrate(self, owner: str) -> dict[str, str]:
        """Migrate, and give each service its login; the addresses of PostgreSQL by service. Raises CannotStart."""
        # Here, because it was imported while the servers started.
        from services.eventstore.keys import data_keys as keys
        from services.eventstore.migrations import at_start as migration
        from services.eventstore.migrations import roles

        settings = self._settings
        if not keys.in_environment(settings):
            keys.create_missing(self._home.path)
        try:
            ring = keys.load(settings)
        except keys.KeysMissing as error:
            raise CannotStart(str(error)) from error
        # Always the same of one log, so that a second `denizen up` on it does not lock the first one's services out.
        derived = {each: ring.claim("postgres login", roles.role_of(settings.cell, each)).hex() for each in _SERVICES}
        passwords = derived | roles.passwords_given(settings)
        migrate = migration.migrate_when_reachable
        await asyncio.to_thread(migrate, owner, settings.cell, _READY_SECONDS / 2, passwords, ring.checks)
        return {each: roles.login(owner, settings.cell, each, passwords[each]) for each in _SERVICES}

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
