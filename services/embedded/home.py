"""The directory of `denizen up` (DENIZEN_HOME): who holds it, the passwords in it, what runs on it, and where it answers."""

import contextlib
import fcntl
import os
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import psutil
from pydantic import SecretStr

from services.embedded.program import CannotStart, end
from services.settings import Settings

_ADDRESSES = "up.json"
_CHILDREN = "children.json"
_MAILDIR = ("cur", "new", "tmp")


class Home:
    """The directory and everything in it that is not a server's own."""

    def __init__(self, directory: Path) -> None:
        self.path = directory.expanduser().resolve()

    def create(self) -> None:
        """Make what is missing. The home is open to pass through (PostgreSQL may run as another user), its rooms are not."""
        try:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            for room in ("keys", "log", "mail", "nats"):
                (self.path / room).mkdir(mode=0o700, exist_ok=True)
            for folder in _MAILDIR:
                (self.path / "mail" / folder).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CannotStart(f"cannot make {self.path}: {error.strerror}") from error

    @contextlib.contextmanager
    def held(self) -> Any:
        """Hold the directory alone. The lock dies with this process. Raises CannotStart where another has it."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                other = os.read(descriptor, 32).decode("ascii", "replace").strip()
                raise CannotStart(f"another `denizen up` (process {other or 'unknown'}) runs on {self.path}") from None
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            yield
        finally:
            os.close(descriptor)

    def password(self, name: str) -> str:
        """The password keys/<name>, made at its first use: 192 bits in hexadecimal, after a letter for nats-server's sake."""
        path = self.path / "keys" / name
        if not path.exists():
            _write(path, f"k{secrets.token_hex(24)}\n".encode())
        return path.read_text("ascii").strip()

    # --- what runs --------------------------------------------------------------------------------------------------

    def record_children(self, children: Mapping[str, tuple[int, signal.Signals]]) -> None:
        """Remember each child by name: its process and the signal that ends it. For the next start after a kill -9."""
        record: dict[str, dict[str, float]] = {}
        for name, (pid, how) in children.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                record[name] = {"pid": pid, "started": psutil.Process(pid).create_time(), "signal": how.value}
        _write(self.path / _CHILDREN, orjson.dumps(record))

    def end_orphans(self) -> list[str]:
        """End the children of an earlier `denizen up` that was killed; their names."""
        found: list[tuple[str, psutil.Process, signal.Signals]] = []
        for name, child in _read(self.path / _CHILDREN).items():
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(int(child["pid"]))
                if abs(process.create_time() - child["started"]) < 1:  # else the number is another's by now
                    found.append((name, process, signal.Signals(int(child["signal"]))))
        for how in {how for _, _, how in found}:
            end([process for _, process, each in found if each is how], how, seconds=5)
        return [name for name, _, _ in found]

    # --- where it answers -------------------------------------------------------------------------------------------

    def announce(self, addresses: Mapping[str, str]) -> None:
        """Tell the command line on this machine where this `denizen up` answers. It holds the owner's password: 0600."""
        _write(self.path / _ADDRESSES, orjson.dumps(addresses))

    def withdraw(self) -> None:
        """Nothing answers any more."""
        (self.path / _ADDRESSES).unlink(missing_ok=True)
        (self.path / _CHILDREN).unlink(missing_ok=True)

    def addresses(self) -> dict[str, str]:
        """What `announce` told, or nothing."""
        return _read(self.path / _ADDRESSES)


def with_addresses(settings: Settings) -> Settings:
    """The settings, with the addresses of the `denizen up` on this home where the environment names none."""
    known = Home(settings.home).addresses()
    found: dict[str, Any] = {}
    if settings.nats_url is None and "natsUrl" in known:
        found["nats_url"] = known["natsUrl"]
    if settings.database_url is None and "databaseUrl" in known:
        found["database_url"] = SecretStr(known["databaseUrl"])
    return settings.model_copy(update=found)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: Any = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return content


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by us alone."""
    draft = path.with_name(f".{path.name}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
