"""A connection that nats-py gives up for good ends its process, so that a new one can take its place."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from services import broker, process
from services.embedded.home import Home
from services.embedded.nats import Nats
from services.settings import Settings
from tests.support.servers import running


def server(home: Path, port: int) -> Nats:
    """A NATS with passwords of its own."""
    home.mkdir()
    made = Home(home)
    made.create()
    return Nats(made, port)


# nats-py forgets the streams of connections that were refused while it reconnected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_password_that_is_no_longer_good_ends_the_service(tmp_path: Path) -> None:
    first = server(tmp_path / "first", 0)
    connected = asyncio.Event()

    async def run(settings: Settings, stop: asyncio.Event, ready: object) -> None:
        client = await broker.connect(settings, "signal")
        connected.set()
        await stop.wait()
        await broker.disconnect(client)

    with running(first, tmp_path / "first.log"):
        password = SecretStr(first.passwords["signal"])
        settings = Settings(nats_url=first.url, nats_signal_password=password)
        living = asyncio.create_task(process.live(settings, run))
        await asyncio.wait_for(connected.wait(), 5)
    second = server(tmp_path / "second", first.port)
    with running(second, tmp_path / "second.log"):
        await asyncio.wait_for(living, 10)
