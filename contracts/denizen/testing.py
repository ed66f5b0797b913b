"""A real Denizen for the tests of your own services: embedded servers, in a directory that is removed afterwards.

With pytest, in conftest.py:

    pytest_plugins = ["denizen.testing"]

and in a test:

    def test_order_of_a_blocked_user_is_refused(denizen_server):
        with denizen_server.client() as client:
            user = client.auth.users.create(email="ada@example.com", email_verified=True)
            client.auth.users.block(user.id)

With another test runner: `with denizen.testing.running() as server: …`. Needs `pip install 'denizen-server[embedded]'`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denizen.client import AsyncClient, Client

try:
    import pytest
except ModuleNotFoundError:  # Another test runner, which calls `running`.
    pytest = None


@dataclass(frozen=True, slots=True)
class Server:
    """A `denizen up` that answers.

    Attributes:
        nats_url: the address for your services. Without a user and a password a connection has the permissions of a
            back end.
        mail_dir: the Maildir of the mails that were sent, each a file in `new/`.
        home: its directory. `keys/nats-frontend` has the password of the NATS user `frontend`, and so on.
    """

    nats_url: str
    mail_dir: Path
    home: Path

    def client(self, **options: Any) -> Client:
        """A client of this server, as a back end unless `options` say otherwise."""
        return Client(self.nats_url, **options)

    def async_client(self, **options: Any) -> AsyncClient:
        """As `client`, for asyncio."""
        return AsyncClient(self.nats_url, **options)


@contextmanager
def running(**settings: str) -> Generator[Server]:
    """Start Denizen on a new directory and free ports, and end it. `settings`: variables, `DENIZEN_…`.

    It also ends, and its directory goes, where this process is killed.

    Raises RuntimeError where it is not installed or cannot start, with what it said.
    """
    program = Path(sysconfig.get_path("scripts")) / "denizen"
    if not program.exists():
        raise RuntimeError("no `denizen` in this environment: pip install 'denizen-server[embedded]'")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-P", Path(__file__).with_name("guard.py"), str(os.getpid()), program],
            env={**inherited, "DENIZEN_NATS_PORT": "0", **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            # Ctrl-C is for the tests, which end it then.
            start_new_session=True,
        )
        with process:  # Its end closes the standard input of the guard, and waits for it.
            assert process.stdout
            line = process.stdout.readline()
            if not line:
                process.communicate()
                said.seek(0)
                raise RuntimeError(f"Denizen did not start: {said.read().decode('utf-8', 'replace').strip()}")
            addresses = json.loads(line)
            mails = Path(addresses["mailDir"])
            yield Server(addresses["natsUrl"], mails, mails.parent)


if pytest is not None:

    @pytest.fixture(scope="session")
    def denizen_server() -> Iterator[Server]:
        """One Denizen for all tests of the session; each test makes its users with addresses of its own."""
        with running() as server:
            yield server
