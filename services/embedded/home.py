"""The directory of `denizen up` (DENIZEN_HOME): its lock, its passwords, and the addresses where it answers."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

from services.platform.settings import Settings
from services.platform.startup import CannotStart

_ADDRESSES = "up.json"
_MAILDIR = ("cur", "new", "tmp")


class Home:
    """The directory and everything in it that is not a server's own."""

    def __init__(self, directory: Path) -> None:
        self.path = Path(os.path.realpath(directory))  # Path.resolve raises RuntimeError for a loop of links.

    def create(self) -> None:
        """Make what is missing. Raises CannotStart."""
        try:
            str(self.path).encode()
        except UnicodeEncodeError:
            raise CannotStart(f"the path of DENIZEN_HOME is not UTF-8: {os.fsencode(self.path)!r}") from None
        try:
            # Open to pass through, for PostgreSQL may run as another user; its rooms are not.
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            for room in ("keys", "log", "mail", "nats"):
                (self.path / room).mkdir(mode=0o700, exist_ok=True)
            for folder in _MAILDIR:
                (self.path / "mail" / folder).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CannotStart(f"cannot make {self.path}: {error.strerror}") from error

    @contextlib.contextmanager
    def held(self) -> Generator[None]:
        """Hold the directory alone. The lock dies with this process. Raises CannotStart, also where another has it."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError:
            raise CannotStart(f"{self.path} belongs to another user") from None
        except OSError as error:
            raise CannotStart(f"cannot write in {self.path}: {error.strerror}") from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
            except BlockingIOError:
                other = os.read(descriptor, 32).decode("ascii", "replace").strip()
                raise CannotStart(f"another `denizen up` (process {other or 'unknown'}) runs on {self.path}") from None
            except OSError as error:
                raise CannotStart(f"cannot write in {self.path}: {error.strerror}") from error
            yield
        finally:
            os.close(descriptor)

    def password(self, name: str) -> str:
        """The password in keys/<name>, made at its first use: a letter (deploy/nats/accounts.conf), then 192 bits."""
        path = self.path / "keys" / name
        if not path.exists():
            _write(path, f"k{secrets.token_hex(24)}\n".encode())
        return path.read_text("ascii").strip()

    def announce(self, addresses: Mapping[str, str]) -> None:
        """Tell the command line where this `denizen up` answers; the owner's password included."""
        write_private(self.path / _ADDRESSES, addresses)

    def withdraw(self) -> None:
        """Nothing answers any more."""
        (self.path / _ADDRESSES).unlink(missing_ok=True)

    def addresses(self) -> dict[str, str]:
        """The addresses that `announce` wrote; none where there are none."""
        return read_json(self.path / _ADDRESSES)


def with_addresses(settings: Settings) -> Settings:
    """The settings, with the addresses of the `denizen up` on this home where the environment names none."""
    known = Home(settings.home).addresses()
    found: dict[str, Any] = {}
    if settings.nats_url is None and "natsUrl" in known:
        found["nats_url"] = known["natsUrl"]
    if settings.database_url is None and "databaseUrl" in known:
        found["database_url"] = SecretStr(known["databaseUrl"])
    if settings.nats_url is None and settings.nats_websocket_url is None and "websocketUrl" in known:
        found["nats_websocket_url"] = known["websocketUrl"]
    return settings.model_copy(update=found)


def read_json(path: Path) -> dict[str, Any]:
    """An object of ours, or an empty one where it is missing or not whole."""
    try:
        content: Any = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return content


def write_private(path: Path, value: Mapping[str, Any]) -> None:
    """An object of ours, readable by us alone."""
    _write(path, orjson.dumps(value))


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by us alone."""
    draft = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
