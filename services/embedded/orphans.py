"""Ends what an earlier `denizen up` left running: on Linux children die with it, but not at once, and not elsewhere."""

import contextlib
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from services.embedded.home import read_json, write_private

_NAME = "children.json"
_SECONDS = 3
_POLL_SECONDS = 0.02


def record(home: Path, children: Mapping[str, tuple[int, signal.Signals]]) -> None:
    """Remember each child by name: its process and the signal that ends it."""
    known: dict[str, dict[str, float]] = {}
    for name, (pid, how) in children.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            known[name] = {"pid": pid, "started": psutil.Process(pid).create_time(), "signal": how.value}
    write_private(home / _NAME, known)


def forget(home: Path) -> None:
    """All have ended."""
    (home / _NAME).unlink(missing_ok=True)


def end_recorded(home: Path) -> list[str]:
    """End those that still run; their names."""
    found: dict[str, tuple[psutil.Process, signal.Signals]] = {}
    for name, child in read_json(home / _NAME).items():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(child["pid"]))
            if abs(process.create_time() - child["started"]) < 1:  # else the number is another's by now
                found[name] = process, signal.Signals(int(child["signal"]))
    end(found.values(), _SECONDS)
    return list(found)


def end(processes: Iterable[tuple[psutil.Process, signal.Signals]], seconds: float) -> None:
    """Signal processes that are not our children, wait, and kill those that take longer than `seconds`."""
    alive = list(processes)
    for process, number in alive:
        _send(process, number)
    alive = _await_end(alive, seconds)
    for process, _ in alive:
        _send(process, signal.SIGKILL)
    _await_end(alive, seconds)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _await_end(
    processes: list[tuple[psutil.Process, signal.Signals]], seconds: float
) -> list[tuple[psutil.Process, signal.Signals]]:
    """Those that have not ended by then. Not psutil.wait_procs, which waits for zombies that are never reaped."""
    deadline = time.monotonic() + seconds
    while (alive := [each for each in processes if _is_alive(each[0])]) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return alive


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
