"""A connection that nats-py gives up for good ends its process, so that a new one can take its place."""

import asyncio
import re
import signal
from pathlib import Path

from pydantic import SecretStr

from services.embedded.home import Home
from services.embedded.nats import Nats
from services.platform import broker, process
from services.platform.settings import Settings
from tests.support.servers import REPOSITORY, running


async def test_revoked_nats_password_ends_the_service(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    server = Nats(home, 0)
    connected = asyncio.Event()

    async def run(settings: Settings, stop: asyncio.Event, ready: object) -> None:
        client = await broker.connect(settings, "signal")
        connected.set()
        await stop.wait()
        await broker.disconnect(client)

    with running(server, tmp_path / "nats.log") as running_server:
        settings = Settings(nats_url=server.url, nats_signal_password=SecretStr(server.passwords["signal"]))
        living = asyncio.create_task(process.live(settings, run, "accounts"))
        await asyncio.wait_for(connected.wait(), 5)
        accounts = (REPOSITORY / "deploy/nats/accounts.conf").read_text("utf-8")
        (home.path / "nats/other.conf").write_text(
            accounts.replace("$DENIZEN_NATS_SIGNAL_PASSWORD", "another"), "utf-8"
        )
        config = home.path / "nats/server.conf"
        config.write_text(re.sub("include .*", "include other.conf", config.read_text("utf-8")), "utf-8")
        running_server.send_signal(signal.SIGHUP)
        await asyncio.wait_for(living, 10)
