"""A relay that does not know whether an event is on the stream, when nats-server does not know its id any more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from pydantic import SecretStr

from services.embedded.home import Home
from services.embedded.nats import Nats
from services.eventstore.log.postgres import PostgresEventStore
from services.platform.settings import Settings
from services.platform.signal import Signal
from services.relay import publishing
from services.relay.feed import Feed
from services.relay.service import Relay
from tests.support import log
from tests.support.servers import running

_FORGOTTEN_SECONDS = 2.5
"""After which nats-server knows no ids, which it drops once a second when they are a second old."""


async def _connected(server: Nats, user: str) -> Client:
    return await nats.connect(
        server.url, user=user, password=server.passwords[user], inbox_prefix=f"_INBOX.{user}".encode()
    )


@asynccontextmanager
async def _relaying(settings: Settings, publisher: Client, signals: Client) -> AsyncGenerator[None]:
    """A relay that has just been started."""
    relay = Relay(settings, publisher, Signal(signals, settings, "log"))
    working = asyncio.create_task(relay.run(lambda: None))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.wait([working])
        await relay.close()


async def _count(client: Client) -> int:
    return (await client.jetstream().stream_info(publishing.STREAM)).state.messages


@pytest.mark.embedded
async def test_event_of_unknown_outcome_is_once_on_the_stream(database_url: str, tmp_path: Path) -> None:
    """Its acknowledgement was lost; the relay tries again where it was, and then starts again."""
    home = Home(tmp_path)
    home.create()
    server = Nats(home, 0)
    store = PostgresEventStore(log.settings(database_url), log.ring(), "test")
    with running(server, tmp_path / "nats.log"):
        passwords = {f"nats_{user}_password": SecretStr(server.passwords[user]) for user in ("relay", "signal")}
        settings = log.settings(database_url).model_copy(update={"nats_url": server.url, **passwords})
        relay, signals = await _connected(server, "relay"), await _connected(server, "signal")
        user_id = log.user_id()
        await store.append([log.append(user_id, 0, 3)])
        await publishing.declare(relay, 1)
        feed, before = Feed(settings), await publishing.tip(relay)
        events = await feed.read(0, 10)
        await publishing.publish(relay, "/denizen/test", events, before)

        await asyncio.sleep(_FORGOTTEN_SECONDS)
        with pytest.raises(publishing.NotInOrder):
            await publishing.publish(relay, "/denizen/test", events, before)
        assert await _count(relay) == 3
        async with _relaying(settings, relay, signals):
            await store.append([log.append(user_id, 3)])

            async def published() -> bool:
                return await _count(relay) > 3

            await log.until(published, "the next event")
        messages = [
            await relay.jetstream().get_msg(publishing.STREAM, seq) for seq in range(1, await _count(relay) + 1)
        ]
        assert [(each.headers or {})["ce-sequence"] for each in messages] == ["1", "2", "3", "4"]
        await feed.close()
        await relay.close()
        await signals.close()
    await store.close()
