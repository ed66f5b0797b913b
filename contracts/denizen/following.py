"""Follows one pull consumer of JetStream: message by message, through reconnects, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from denizen import errors
from denizen.jetstream import failure
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError

log = logging.getLogger(__name__)

ACK_WAIT = 30.0
"""Seconds after which the server delivers a message again that was neither acknowledged nor said to be at work."""
_STILL_AT_WORK = 10.0
_FETCH_SECONDS = 5.0
_SETTLED_SECONDS = 0.05


class Follower:
    """Messages of one consumer on their way to `take`, one at a time, until it is stopped.

    Args:
        name: of the consumer, for the log.
        bind: makes the consumer where it is missing, and a pull subscription on it.
        take: handles a message and acknowledges it.
    """

    def __init__(
        self,
        name: str,
        bind: Callable[[], Awaitable[JetStreamContext.PullSubscription]],
        take: Callable[[Msg], Awaitable[None]],
    ) -> None:
        self._name = name
        self._bind = bind
        self._take = take
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Make the consumer where it is missing, and follow it. Raises NoAnswer."""
        try:
            pulling = await self._bind()
        except (NatsError, JetStreamError) as error:
            raise failure(f"the stream of {self._name}", error) from error
        self._task = asyncio.create_task(self._run(pulling))

    async def stop(self) -> None:
        """Take no further message; the one under way comes again another time. By its own handler: it is the last."""
        self._stopping = True
        if self._task is not None and self._task is not asyncio.current_task():
            # In the midst of events it ends by itself. And where the inbox is closed just after an event was asked for,
            # nats-server 2.15.1 has the event delivered to it nonetheless (393 of 400 times; none of 40 after 0.3 ms),
            # and to others half a minute later.
            await asyncio.wait([self._task], timeout=_SETTLED_SECONDS)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def wait(self) -> None:
        """Wait until it is stopped. Raises what else ended it."""
        if self._task is not None:
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.result()

    async def _run(self, pulling: JetStreamContext.PullSubscription) -> None:
        while not self._stopping:
            try:
                await self._follow(pulling)
            except (NatsError, JetStreamError, errors.NoAnswer, errors.Unavailable) as error:
                log.warning("denizen: the feed of %s was interrupted: %s", self._name, type(error).__name__)
            finally:
                await _let_go(pulling)
            pulling = await self._bind_again(pulling)

    async def _bind_again(self, old: JetStreamContext.PullSubscription) -> JetStreamContext.PullSubscription:
        """A pull subscription can die of a reconnect: take a new one, however long that takes."""
        while not self._stopping:
            await asyncio.sleep(0.5)
            with suppress(NatsError, JetStreamError, errors.NoAnswer, errors.Unavailable):
                return await self._bind()
        return old

    async def _follow(self, pulling: JetStreamContext.PullSubscription) -> None:
        while not self._stopping:
            with suppress(NatsTimeoutError):
                for message in await pulling.fetch(1, timeout=_FETCH_SECONDS):
                    await (message.nak() if self._stopping else self._take(message))


@asynccontextmanager
async def at_work(message: Msg) -> AsyncGenerator[None]:
    """Tell the server meanwhile that a slow handler still has this message."""
    renewing = asyncio.create_task(_renew(message))
    try:
        yield
    finally:
        renewing.cancel()


async def _renew(message: Msg) -> None:
    while True:
        await asyncio.sleep(_STILL_AT_WORK)
        with suppress(NatsError):
            await message.in_progress()


async def _let_go(pulling: JetStreamContext.PullSubscription) -> None:
    """Have the next event go to others, not to a request of ours that is not waited for any more."""
    with suppress(NatsError):
        await pulling.unsubscribe()
        while pulling.pending_bytes:  # A status has none.
            for message in await pulling.fetch(1, timeout=_SETTLED_SECONDS):
                await message.nak()
