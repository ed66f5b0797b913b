"""Keeps child processes running: starts them, restarts those that die, and ends them in order."""

import asyncio
import contextlib
import logging
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from services.embedded.program import GivesUp, Program, launched
from services.platform.startup import CannotStart

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.02
_STOP_SECONDS = 10
_LONGEST_BACKOFF = 1.0
_STEADY_SECONDS = 10
"""A child that has lived this long counts as healthy again."""
_FEW_DEATHS = 5
_ROOM_SECONDS = 1.0
_LOG_BYTES = 10_000_000
_NOTABLE = re.compile(rb'"level":"(error|critical)"|\[(ERR|FTL)\]|(FATAL|PANIC): ')
"""Lines that people should see at once: of our services, nats-server, PostgreSQL."""


class Service:
    """One of our services as a child process: `denizen run <name>`, ready when it says so (sd_notify)."""

    stop_signal = signal.SIGTERM

    def __init__(self, name: str, environment: dict[str, str], directory: Path) -> None:
        """`environment`: all its variables. `directory`: where its notify socket is made; a short path, for a socket's
        address has 107 octets.
        """
        self.name = name
        self._environment = environment
        self._address = str(directory / name)
        self._socket: socket.socket | None = None
        self.reason: str | None = None
        """Why it is not ready, in its own words."""

    def prepare(self) -> None:
        if self._socket is not None:
            self._socket.close()
        Path(self._address).unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._socket.bind(self._address)

    def command(self) -> list[str]:
        return launched([sys.executable, "-m", "services.cli", "run", self.name], Path.cwd(), self.stop_signal)

    def environment(self) -> dict[str, str]:
        return {**self._environment, "NOTIFY_SOCKET": self._address}

    def is_ready(self) -> bool:
        assert self._socket is not None
        try:
            while True:
                state = self._socket.recv(4096)
                if state == b"READY=1":
                    self.reason = None
                    return True
                if state.startswith(b"STATUS="):
                    self.reason = state.removeprefix(b"STATUS=").decode(errors="replace")
                    log.warning("waiting", extra={"child": self.name, "reason": self.reason})
        except BlockingIOError:
            return False


class LogFile:
    """The output of a child: kept in a file of bounded size, the one before it beside it as `.1`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()

    def write(self, chunk: bytes) -> None:
        """An error (a full disk) loses the chunk, not the child."""
        try:
            self._file.write(chunk)
            self._size += len(chunk)
            if self._size > _LOG_BYTES:
                self._file.close()
                self._path.rename(self._path.with_name(f"{self._path.name}.1"))
                self._file, self._size = self._path.open("ab", buffering=0), 0
        except OSError as error:
            log.warning("log_lost", extra={"file": self._path.name, "error": error.strerror})

    def close(self) -> None:
        self._file.close()


class Child:
    """A program that is kept running from `start` to `stop`."""

    def __init__(self, program: Program, logs: Path, changed: Callable[[], None]) -> None:
        """`changed` is called when it has a new process."""
        self.program = program
        self.ready = asyncio.Event()
        self._log = logs / f"{program.name}.log"
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._deaths = 0
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int | None:
        """The process id, while one is running."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    def waits_for(self) -> str:
        """The program's name, and what it says that it waits for."""
        reason = self.program.reason if isinstance(self.program, Service) else None
        return f"{self.program.name} ({reason})" if reason else self.program.name

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=self.program.name)

    async def started(self) -> None:
        """Wait until it answers for the first time. Raises CannotStart where it dies again and again instead."""
        waiting = asyncio.create_task(self.ready.wait())
        await asyncio.wait([waiting, self._failed], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not self.ready.is_set():
            self._failed.result()

    async def stop(self) -> None:
        """End it by the signal of its program, and after ten seconds by force."""
        self._stopping = True
        if self._task is None:
            return
        if self.pid is None:
            self._task.cancel()
        else:
            self._signal(self.program.stop_signal)
        _, late = await asyncio.wait([self._task], timeout=_STOP_SECONDS)
        if late:
            log.warning("killed", extra={"child": self.program.name, "after_seconds": _STOP_SECONDS})
            self._signal(signal.SIGKILL)
            await asyncio.wait([self._task])
        self._failed.cancel()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _keep(self) -> None:
        while not self._stopping:
            began = time.monotonic()
            try:
                await asyncio.to_thread(self.program.prepare)
                reason = await self._live()
            except CannotStart as error:
                reason = str(error)
                self._fail(reason)
            except OSError as error:
                reason = str(error)
            if not self._stopping:
                await self._back_off(reason, time.monotonic() - began)

    def _fail(self, reason: str) -> None:
        """Give up the first start; whatever has once been ready is never given up."""
        if not self.ready.is_set() and not self._failed.done():
            self._failed.set_exception(CannotStart(reason))

    async def _live(self) -> str:
        """Run one process to its end. Returns why it ended."""
        self._process = process = await asyncio.create_subprocess_exec(
            *self.program.command(),
            env=self.program.environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A Ctrl-C at the terminal is for the supervisor, which ends its children in order.
            start_new_session=True,
        )
        if self._stopping:
            self._signal(self.program.stop_signal)
        self._changed()
        becoming_ready = asyncio.create_task(self._await_ready())
        gave_up = asyncio.Event()
        copying = asyncio.create_task(self._copy_output(process, gave_up))
        renewing = asyncio.create_task(self._renew(gave_up))
        try:
            return self._why(await process.wait())
        finally:
            becoming_ready.cancel()
            renewing.cancel()
            # Not to its end: a grandchild may hold the pipe for long.
            await asyncio.wait([copying], timeout=0.2)
            copying.cancel()

    def _why(self, code: int) -> str:
        """A service that says why it does not start has waited already, or trying again does not help."""
        if isinstance(self.program, Service) and code == 1:
            self.program.is_ready()  # Its last words may have come just now.
            if self.program.reason:
                self._fail(f"{self.program.name} does not start: {self.program.reason}")
                return self.program.reason
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    async def _await_ready(self) -> None:
        try:
            while not await asyncio.to_thread(self.program.is_ready):  # servers send no event
                await asyncio.sleep(_POLL_SECONDS)
        except CannotStart as error:
            self._fail(str(error))
            return
        if self.ready.is_set():
            log.info("back", extra={"child": self.program.name})
        self.ready.set()

    async def _renew(self, gave_up: asyncio.Event) -> None:
        """End a program that lives on and does its work no more, when a new start would help, but not at once again."""
        if isinstance(self.program, GivesUp):
            await asyncio.gather(gave_up.wait(), asyncio.sleep(_STEADY_SECONDS))
            while not await asyncio.to_thread(self.program.would_work_again):
                await asyncio.sleep(_ROOM_SECONDS)
            self._signal(self.program.stop_signal)
            await asyncio.sleep(_STOP_SECONDS)
            self._signal(signal.SIGKILL)

    async def _copy_output(self, process: asyncio.subprocess.Process, gave_up: asyncio.Event) -> None:
        assert process.stdout is not None
        file = LogFile(self._log)
        rest = b""
        try:
            while chunk := await process.stdout.read(65536):
                file.write(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                rest = rest[-65536:]
                for line in filter(_NOTABLE.search, () if self._stopping else lines):
                    if isinstance(self.program, GivesUp) and self.program.has_given_up(line):
                        gave_up.set()
                    log.error("said", extra={"child": self.program.name, "line": line.decode(errors="replace")})
        finally:
            file.close()

    async def _back_off(self, reason: str, lived: float) -> None:
        """Log why the process died, and wait before it is started again; fail where it dies again and again."""
        self._deaths = 1 if lived > _STEADY_SECONDS else self._deaths + 1
        log.warning("died", extra={"child": self.program.name, "reason": reason, "in_a_row": self._deaths})
        if self._deaths >= _FEW_DEATHS:
            self._fail(f"{self.program.name} does not start: {reason}; see {self._log}")
        await asyncio.sleep(min(_LONGEST_BACKOFF, 0.02 * 2**self._deaths))


async def stop_in_order(steps: Sequence[Sequence[Child]]) -> None:
    """End the children of each step together, one step after another."""
    for step in steps:
        await asyncio.gather(*(child.stop() for child in step))
