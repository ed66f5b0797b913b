"""The process that forks `denizen` for tests: what becomes of clients and children that are killed."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support import forked


def _version() -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(forked.denizen("--version"), check=False, capture_output=True, timeout=60)


@pytest.mark.parametrize("said", [b"", (100).to_bytes(8), (100).to_bytes(8) + b"/tmp"])
def test_client_killed_before_its_request_is_whole_leaves_the_forker_running(said: bytes) -> None:
    path = forked.denizen()[-1]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(said)
    assert _version().returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_client_of_a_child_that_was_killed_ends_by_the_same_signal(number: signal.Signals, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        command = [*forked.denizen()[:-1], str(tmp_path / "socket")]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as client:
            connection, _ = listener.accept()
            with connection:
                _, streams, _, _ = socket.recv_fds(connection, 8, 3)
                for stream in streams:
                    os.close(stream)
                connection.send((-number).to_bytes(2, signed=True))
                assert client.wait(60) == -number
