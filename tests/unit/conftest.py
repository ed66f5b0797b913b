"""No test here opens a socket."""

from collections.abc import Iterator

import pytest
import pytest_socket


@pytest.fixture(autouse=True, scope="module")
def no_sockets() -> Iterator[None]:
    """The event loop's own pair of sockets is a Unix one, and that alone is let pass."""
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()
