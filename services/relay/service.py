"""The program `denizen run relay`: publishes the log, one process at a time."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import nats.errors
import orjson
from nats.aio.client import Client
from nats.js.errors import APIError, ServiceUnavailableError

from services.domain.sessions import ENDING_TYPES, ended_by_stored
from services.platform import broker
from services.platform.leadership import Leadership
from services.platform.settings import Settings
from services.platform.signal import Rest, Signal
from services.relay import publishing
from services.relay.feed import Feed, PublicEvent
from services.relay.subscribers import Subscribers
from services.tokens.revocations import Revocation, RevocationFailed, Revocations

log = logging.getLogger(__name__)

_BATCH = 500


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Publish until `stop` is set."""
    signals = await broker.connect(settings, "signal")
    publisher = await broker.connect(settings, "relay")
    relay = Relay(settings, publisher, Signal(signals, settings, "log"))
    subscribers = Subscribers(settings, publisher)
    serving = settings.nats_registrar_password is not None
    if serving:
        await subscribers.start()
    else:
        log.warning("subscribers_not_served", extra={"reason": "DENIZEN_NATS_REGISTRAR_PASSWORD is not set"})
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(relay.run(ready))
        if serving:
            tasks.create_task(subscribers.run(stop))
        await stop.wait()
        work.cancel()
    await relay.close()
    await broker.disconnect(publisher)
    await broker.disconnect(signals)


class Reconnected(Exception):
    """NATS was away, and may have come back without its data."""


class Relay:
    """Follows the log and publishes each event once, in order; what it revokes is stored before it is published."""

    def __init__(self, settings: Settings, publisher: Client, signal: Signal) -> None:
        self._settings = settings
        self._publisher = publisher
        self._signal = signal
        self._revocations = Revocations(publisher)
        self._feed = Feed(settings)
        self._leadership = Leadership(settings, "relay")

    async def run(self, ready: Callable[[], None]) -> None:
        """Publish; after a failure start again from the end of the stream."""
        await self._signal.listen()
        failures = (
            publishing.NotInOrder, Reconnected, RevocationFailed, nats.errors.Error, APIError, ServiceUnavailableError
        )  # fmt: skip
        await self._leadership.lead(lambda: self._follow(ready), failures)

    async def _follow(self, ready: Callable[[], None]) -> None:
        connection = self._publisher.stats["reconnects"]
        await self._revocations.declare(self._settings.stream_replicas)
        # The process that appended them has stored them already, unless it died in between or NATS lost them.
        await self._revocations.fill(await self._feed.revoked())
        await publishing.declare(self._publisher, self._settings.stream_replicas)
        await self._declare_parked()
        tip = await publishing.tip(self._publisher)
        ready()
        source = f"/denizen/{self._settings.cell}"
        while True:
            rest = Rest()
            events = await self._feed.read(tip.position, _BATCH)
            await self._leadership.check()
            if self._publisher.stats["reconnects"] != connection:
                raise Reconnected
            if events:
                await self._revoke(events)
                tip = await publishing.publish(self._publisher, source, events, tip)
            if len(events) < _BATCH:
                await rest.take(len(events))
                await self._signal.wait()

    async def _declare_parked(self) -> None:
        """Publishing does not depend on it: a NATS whose permissions are older than this version refuses it."""
        try:
            await publishing.declare_parked(self._publisher, self._settings.stream_replicas)
        except (nats.errors.Error, APIError) as error:
            log.warning("subscriptions cannot park events: the stream cannot be made (%s)", type(error).__name__)

    async def _revoke(self, events: Sequence[PublicEvent]) -> None:
        """Store what events revoke, in case the process that appended them died before it could."""
        found = [
            ended_by_stored(event.type, event.user_id, event.place, orjson.loads(event.public).get("sessionId"))
            for event in events
            if event.type in ENDING_TYPES
        ]
        await self._revocations.put([Revocation.of(ended) for ended in found if ended is not None])

    async def close(self) -> None:
        await self._leadership.release()
        await self._feed.close()
