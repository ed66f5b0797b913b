"""What is measured: a whole `denizen up` on a directory of its own, and a plain nats-server with an echo beside it."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import psutil

ROOT = Path(__file__).parent.parent


class System:
    """A running Denizen."""

    def __init__(self, home: Path, tree: Path = ROOT) -> None:
        """`tree`: of which version, with its own .venv where it is not this one."""
        self.home = home
        self.tree = tree
        self.python = sys.executable if tree == ROOT else str(tree / ".venv/bin/python")
        self._process: subprocess.Popen[bytes] | None = None
        self.nats_url = ""
        self.database_url = ""

    def start(self) -> float:
        """Start, and wait until everything answers; the seconds that it took."""
        began = time.perf_counter()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
        self._process = subprocess.Popen(
            [self.python, "-m", "services.cli", "up", "--json"],
            cwd=self.tree,
            env={**environment, "DENIZEN_HOME": str(self.home), "DENIZEN_NATS_PORT": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("denizen up did not start")
        addresses = orjson.loads(line)
        self.nats_url, self.database_url = addresses["natsUrl"], addresses["databaseUrl"]
        return time.perf_counter() - began

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def memory(self) -> dict[str, float]:
        """Megabytes by process and what it started: resident (RSS); of PostgreSQL the sum of the shares (PSS)."""
        assert self._process is not None
        processes = self._processes()
        result = {name: _resident(process) for name, process in processes.items() if name != "postgres"}
        result["up"] = psutil.Process(self._process.pid).memory_info().rss
        server = processes["postgres"]
        result["postgres"] = sum(each.memory_full_info().pss for each in (server, *server.children(recursive=True)))
        return {name: octets / 1e6 for name, octets in sorted(result.items())}

    def memory_of(self, name: str) -> float:
        """Of one process and what it started, in a tenth of the time; not of PostgreSQL."""
        return _resident(self._processes()[name]) / 1e6

    def processor_seconds(self) -> dict[str, float]:
        """That each process and what it started have spent."""
        assert self._process is not None
        result = {name: _spent(process) for name, process in self._processes().items()}
        return result | {"up": sum(psutil.Process(self._process.pid).cpu_times()[:4])}

    def _processes(self) -> dict[str, psutil.Process]:
        children: dict[str, dict[str, Any]] = orjson.loads((self.home / "children.json").read_bytes())
        return {name: psutil.Process(child["pid"]) for name, child in children.items()}


def _resident(process: psutil.Process) -> int:
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


def _spent(process: psutil.Process) -> float:
    """Seconds, those of children that have ended included."""
    spent = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            spent += sum(each.cpu_times()[:4])
    return spent


@contextmanager
def fresh(tree: Path = ROOT) -> Generator[System]:
    """A Denizen on an empty directory, not started yet; stopped and removed in the end."""
    home = Path(tempfile.mkdtemp(prefix="denizen-bench-"))
    system = System(home, tree)
    try:
        yield system
    finally:
        system.stop()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def echo() -> Generator[str]:
    """A plain nats-server and a process that echoes what is sent to `echo`; the server's address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"nats://127.0.0.1:{port}"
    program = Path(sys.executable).parent / "nats-server"
    server = subprocess.Popen([str(program), "-a", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    responder = subprocess.Popen([sys.executable, "-m", "bench.echo", url], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert responder.stdout is not None
        if not responder.stdout.readline():
            raise RuntimeError("the echo did not start")
        yield url
    finally:
        for process in (responder, server):
            process.kill()
            process.wait()
        assert responder.stdout is not None
        responder.stdout.close()
