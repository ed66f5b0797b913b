"""The form of a program that the supervisor can run, and how it is launched."""

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Protocol, runtime_checkable

_LAUNCHER = str(Path(__file__).with_name("launch.py"))


class Program(Protocol):
    """A child process: how to start it, how to tell that it answers, how to end it."""

    name: str
    stop_signal: signal.Signals

    def prepare(self) -> None:
        """Before each start; blocks. Raises CannotStart."""
        ...

    def command(self) -> list[str]: ...

    def environment(self) -> dict[str, str]:
        """All its variables: it inherits none (services/platform/environment.py)."""
        ...

    def is_ready(self) -> bool:
        """Whether it answers, asked every few milliseconds after a start. Raises CannotStart."""
        ...


@runtime_checkable
class GivesUp(Protocol):
    """A program that can go on living without doing its work, until it is restarted."""

    def has_given_up(self, line: bytes) -> bool:
        """Whether a line that it wrote says so."""
        ...

    def would_work_again(self) -> bool:
        """Whether a new start would help by now."""
        ...


def launched(command: list[str], directory: Path, death_signal: signal.Signals, uid: int | None = None) -> list[str]:
    """The command, run in a directory and tied to this process: it gets `death_signal` when we die (Linux).

    `uid`: as that user; needs root.
    """
    launcher = [sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), str(death_signal.value)]
    return [*launcher, "-" if uid is None else str(uid), str(directory), *command]


def free_port() -> int:
    """A TCP port on loopback that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_taken(port: int) -> bool:
    """Whether another program listens on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
