"""The program `denizen run relay`: publishes the log, one process at a time."""

import asyncio
from collections.abc import Callable

import nats.errors
from nats.aio.client import Client
from nats.js.errors import APIError, ServiceUnavailableError

from services import broker
from services.leadership import Leadership
from services.relay import stream
from services.relay.feed import Feed
from services.settings import Settings
from services.signal import Rest, Signal

_BATCH = 500


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Publish until `stop` is set."""
    signals = await broker.connect(settings, "signal")
    publisher = await broker.connect(settings, "relay")
    relay = Relay(settings, publisher, Signal(signals, settings, "log"))
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(relay.run(ready))
        await stop.wait()
        work.cancel()
    await relay.close()
    await broker.disconnect(publisher)
    await broker.disconnect(signals)


class Relay:
    """Follows the log and publishes each event once, behind the one before it."""

    def __init__(self, settings: Settings, publisher: Client, signal: Signal) -> None:
        self._settings = settings
        self._publisher = publisher
        self._signal = signal
        self._feed = Feed(settings)
        self._leadership = Leadership(settings, "relay")

    async def run(self, ready: Callable[[], None]) -> None:
        """Publish, and begin anew from the end of the stream after whatever fails."""
        await self._signal.listen()
        failures = (stream.NotInOrder, nats.errors.Error, APIError, ServiceUnavailableError)
        await self._leadership.lead(lambda: self._follow(ready), failures)

    async def _follow(self, ready: Callable[[], None]) -> None:
        await stream.declare(self._publisher, self._settings.stream_replicas)
        tip = await stream.tip(self._publisher)
        ready()
        source = f"/denizen/{self._settings.cell}"
        while True:
            rest = Rest()
            events = await self._feed.read(tip.position, _BATCH)
            await self._leadership.check()
            if events:
                tip = await stream.publish(self._publisher, source, events, tip)
            if len(events) < _BATCH:
                await rest.take()
                await self._signal.wait()

    async def close(self) -> None:
        await self._leadership.release()
        await self._feed.close()
