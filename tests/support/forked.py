"""Runs `denizen …` in a process that is forked from one that has imported it.

The tests start `denizen` several hundred times, and each start of a new interpreter costs half a second of processor
time for imports. Everything else is as in a program of its own: arguments, environment, directory, standard streams,
signals and exit status. Tests of the process itself (its pid, its terminal, its children, its limits, streams that are
closed) start `python -m services.cli` instead.

    python -m tests.support.forked SOCKET

is the process that forks; it ends when its standard input does. tests/support/forked_client.py is what a test starts.
"""

import atexit
import gc
import io
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FrameType

_CLIENT = Path(__file__).with_name("forked_client.py")
_REQUEST_SECONDS = 30
"""What a client has for its request, which it sends at once."""
_SERVICES = ("accounts", "directory", "transfer", "projector", "relay", "mailer")
_COMMANDS = (
    *("run", "users", "sessions", "imports", "import_undo", "export", "events", "keys", "nats_users", "log", "doctor"),
    *("migrate", "projections", "erasure"),
)
_LATE = (
    *("denizen.client", "denizen.exporting", "denizen.undoing", "denizen.importing.without_hashes"),
    *("services.platform.process", "services.eventstore.migrations.at_start"),
    *("typer._adapters", "rich.columns", "rich.markdown", "rich.panel", "rich.table", "rich.traceback"),
)
"""What is imported only once a command needs it."""


def denizen(*arguments: str) -> list[str]:
    """The command line of `denizen` with these arguments, for subprocess."""
    return [sys.executable, "-I", "-S", str(_CLIENT), _server(), *arguments]


@cache
def _server() -> str:
    """The address of the process that forks, started when it is first needed; it ends with this process."""
    path = str(Path(tempfile.mkdtemp(prefix="denizen-")) / "socket")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.forked", path],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )

    def end() -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()

    atexit.register(end)
    deadline = time.monotonic() + 60
    while not Path(path).exists():
        assert process.poll() is None, "the process that forks has ended"
        assert time.monotonic() < deadline, "the process that forks does not listen"
        time.sleep(0.01)
    return path


class _Forker:
    """Forks a child for each connection, passes signals on to it, and answers with its exit status."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._children: dict[int, socket.socket] = {}
        self._pids: dict[socket.socket, int] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def child(self) -> bytes | None:
        """What a child is to run, in that child; None at the end, in this process."""
        signal.signal(signal.SIGCHLD, _wake_up)
        signal.set_wakeup_fd(self._wake)
        for each in (self._listener, self._woken, sys.stdin.fileno()):
            self._selector.register(each, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    if (request := self._fork(connection)) is not None:
                        return request
                elif key.fileobj == self._woken:
                    os.read(self._woken, 4096)
                    self._reap()
                elif isinstance(key.fileobj, socket.socket):
                    self._pass_on(key.fileobj)
                else:
                    for pid in self._children:
                        os.kill(pid, signal.SIGKILL)
                    return None

    def _fork(self, connection: socket.socket) -> bytes | None:
        """The request, in the child. A client that was killed before it had said all gets no child."""
        streams: list[int] = []
        request = bytearray()
        try:
            connection.settimeout(_REQUEST_SECONDS)
            head, streams, _, _ = socket.recv_fds(connection, 8, 3)
            wanted = int.from_bytes(head)
            while len(request) < wanted and (piece := connection.recv(wanted - len(request))):
                request += piece
            whole = len(head) == 8 and len(streams) == 3 and len(request) == wanted
        except OSError:
            whole = False
        if not whole:
            for stream in streams:
                os.close(stream)
            connection.close()
            return None
        pid = os.fork()
        if pid == 0:
            self._become_child(connection, streams)
            return bytes(request)
        for stream in streams:
            os.close(stream)
        self._children[pid], self._pids[connection] = connection, pid
        self._selector.register(connection, selectors.EVENT_READ)
        return None

    def _become_child(self, connection: socket.socket, streams: list[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for each in (self._listener, connection, *self._pids):
            each.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for each in (self._woken, self._wake, *streams):
            os.close(each)

    def _pass_on(self, connection: socket.socket) -> None:
        """Signals that the client got. A client that is gone was killed, and so is its child."""
        if connection not in self._pids:
            return  # The child has ended since the selector told of its client.
        try:
            told = connection.recv(64)
        except OSError:
            told = b""
        for number in told or [signal.SIGKILL]:
            os.kill(self._pids[connection], number)
            if number == signal.SIGKILL:
                self._selector.unregister(connection)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection = self._children.pop(pid)
            del self._pids[connection]
            if connection in self._selector.get_map():
                self._selector.unregister(connection)
                with suppress(OSError):  # The client may be killed at any time.
                    connection.send(os.waitstatus_to_exitcode(status).to_bytes(2, signed=True))
            connection.close()


def _wake_up(_number: int, _frame: FrameType | None) -> None:
    """Let the signal come: it wakes the selector."""


def _run(request: bytes) -> None:
    """Be `python -m services.cli` with what the client has: its directory, arguments and environment."""
    directory, number, *words = (os.fsdecode(word) for word in request.split(b"\0"))
    os.chdir(directory)
    os.environ.clear()
    for variable in words[int(number) :]:
        name, _, value = variable.partition("=")
        os.environ[name] = value
    time.tzset()
    sys.argv = ["denizen", *words[: int(number)]]
    sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False), encoding="utf-8")  # noqa: SIM115
    sys.stdout = _written(1, "strict")
    sys.stderr = _written(2, "backslashreplace")
    code = 0
    try:
        runpy.run_module("services.cli", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        code = ended.code or 0
    _end(code)


def _end(code: int) -> None:
    """End as the interpreter does, but do not take all modules apart: that would copy the memory of the parent."""
    if threading.active_count() == 1:
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        with suppress(OSError, ValueError):  # The interpreter tries again, and says so.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)


def _written(number: int, errors: str) -> io.TextIOWrapper:
    raw = open(number, "wb", closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(raw, encoding="utf-8", errors=errors, line_buffering=number == 2 or raw.isatty())


def main() -> None:
    for module in (*(f"{each}.service" for each in _SERVICES), *(f"cli.{each}" for each in _COMMANDS)):
        import_module(f"services.{module}")
    for module in _LATE:
        import_module(module)
    assert threading.active_count() == 1, "a fork would lose the threads"
    # Otherwise each child would look through all objects when it ends, and copy the memory in which they lie.
    gc.collect()
    gc.freeze()
    path = Path(sys.argv[1])
    # The path appears when it can be connected to.
    early = path.with_suffix(".early")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(early))
        listener.listen(64)
        early.rename(path)
        request = _Forker(listener).child()
    if request is not None:
        _run(request)
    else:
        path.unlink()
        path.parent.rmdir()


if __name__ == "__main__":
    main()
