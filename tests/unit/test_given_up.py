"""What nats-server says of a stream that it cannot write to, and what clients can make it say."""

from pathlib import Path

import pytest

from services.embedded.home import Home
from services.embedded.nats import Nats

_WRITE = "write /home/nats/jetstream/STREAMS/streams/USERS_EVENTS/msgs/5.blk"
_FULL = "no space left on device"


@pytest.mark.parametrize(
    "said",
    [
        f"JetStream stream 'STREAMS > USERS_EVENTS' critical write error: {_WRITE}: {_FULL}",
        f"JetStream failed to store a msg on stream 'STREAMS > USERS_EVENTS': {_WRITE}: {_FULL}",
    ],
)
def test_full_disk_message_is_recognised(said: str, tmp_path: Path) -> None:
    assert _given_up(tmp_path, f"[7489] 2026/11/24 14:55:25.171988 [ERR] {said}")


@pytest.mark.parametrize(
    "said",
    [
        f'127.0.0.1:43218 - cid:6 - authentication error - User "{_FULL}"',
        f'127.0.0.1:43218 - cid:7 - "x: {_FULL}" - "A/user:b" - Publish Violation - Subject "y"',
        f'127.0.0.1:43218 - cid:7 - "[ERR] JetStream : {_FULL}',
        f"JetStream consumer '\"x: {_FULL}\"' is late",
    ],
)
def test_text_of_a_client_causes_no_restart(said: str, tmp_path: Path) -> None:
    assert not _given_up(tmp_path, f"[7489] 2026/11/24 14:55:25.171988 [ERR] {said}")


def _given_up(directory: Path, line: str) -> bool:
    home = Home(directory)
    home.create()
    return Nats(home, 0).has_given_up(line.encode())
