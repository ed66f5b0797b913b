"""`client.auth.events`: the feed of events, followed by a durable consumer of JetStream."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from denizen import errors
from denizen.messages import EventData
from denizen.transport import Transport
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import APIError, NotFoundError
from nats.js.errors import Error as JetStreamError

log = logging.getLogger(__name__)

STREAM = "USERS_EVENTS"
ALL_EVENTS = "*"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ACK_WAIT = 30.0
_STILL_AT_WORK = 10.0
_FETCH_SECONDS = 5.0
_LONGEST_PAUSE = 30.0
_SETTLED_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a user. It is thin: who needs more asks for the user.

    Attributes:
        id: unique; an event that is delivered twice has the same.
        type: `UserBlocked`.
        position: its place in the log; positions ascend.
    """

    id: str
    type: str
    user_id: str
    time: datetime
    position: int
    data: EventData

    @classmethod
    def of(cls, message: Msg) -> Event:
        """The event that a message of the stream holds."""
        headers = cast(Mapping[str, str], message.headers or {})
        return cls(
            id=headers["ce-id"],
            type=headers["ce-type"].rpartition(".")[2],
            user_id=headers["ce-subject"],
            time=datetime.fromisoformat(headers["ce-time"]),
            position=int(headers["ce-sequence"]),
            data=EventData.model_validate_json(message.data),
        )


Handler = Callable[[Event], Awaitable[None] | None]
"""An async function, or a plain one, which is run in a thread."""


class Events:
    """The feed of events."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._subscriptions: set[Subscription] = set()

    async def subscribe(self, event: str, *, durable: str, handler: Handler) -> Subscription:
        """Call `handler` for each event of a type (`"*"`: of all types), from the first that was ever published.

        `durable` names the subscription at the server: it goes on where it was after a restart, and processes that
        share the name share the events. They come one at a time, in the log's order, each at least once (dedupe by
        `Event.id`); one whose handler raises comes again, after a pause, before any later one.

        Raises ValueError where a name is none, or the durable follows other events; NoAnswer.
        """
        if event != ALL_EVENTS and not _NAME.fullmatch(event):
            raise ValueError("an event's type is a name such as UserBlocked, or * for all")
        if not _NAME.fullmatch(durable):
            raise ValueError("durable: 1 to 64 letters, digits, - and _")
        subscription = Subscription(self._transport, f"users.v1.event.{event}.*", durable, handler)
        await subscription.start()
        self._subscriptions.add(subscription)
        return subscription

    async def stop(self) -> None:
        """Stop every subscription."""
        while self._subscriptions:
            await self._subscriptions.pop().stop()


class Subscription:
    """Events on their way to a handler, until it is stopped."""

    def __init__(self, transport: Transport, subject: str, durable: str, handler: Handler) -> None:
        self._transport = transport
        self._subject = subject
        self._durable = durable
        self._handler = handler
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Make the durable consumer where it is missing, and follow it."""
        try:
            pulling = await self._bind()
        except (NatsError, JetStreamError) as error:
            said = error.description if isinstance(error, APIError) else None
            raise errors.NoAnswer(f"the stream {STREAM} is out of reach: {said or error}") from error
        self._task = asyncio.create_task(self._run(pulling))

    async def stop(self) -> None:
        """Take no further events; the one under way comes again another time. By its own handler: it is the last."""
        self._stopping = True
        if self._task is not None and self._task is not asyncio.current_task():
            # In the midst of events it ends by itself. And where the inbox is closed just after an event was asked for,
            # nats-server 2.15.1 has the event delivered to it nonetheless (393 of 400 times; none of 40 after 0.3 ms),
            # and to others half a minute later.
            await asyncio.wait([self._task], timeout=_SETTLED_SECONDS)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def wait(self) -> None:
        """Wait until somebody stops it. Raises what else ended it."""
        if self._task is not None:
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.result()

    async def _bind(self) -> JetStreamContext.PullSubscription:
        jetstream = (await self._transport.connection()).jetstream()
        try:
            known = (await jetstream.consumer_info(STREAM, self._durable)).config
        except NotFoundError:
            # One at a time: the next event is not delivered before this one is acknowledged, whoever asks.
            known = ConsumerConfig(
                durable_name=self._durable,
                filter_subject=self._subject,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=_ACK_WAIT,
                max_ack_pending=1,
            )
            await jetstream.add_consumer(STREAM, known)
        if known.filter_subject != self._subject:
            raise ValueError(f"the durable {self._durable} follows {known.filter_subject}, not {self._subject}")
        return await jetstream.pull_subscribe_bind(self._durable, STREAM)

    async def _run(self, pulling: JetStreamContext.PullSubscription) -> None:
        while not self._stopping:
            try:
                await self._follow(pulling)
            except (NatsError, JetStreamError, errors.NoAnswer) as error:
                log.warning("denizen: the feed of %s was interrupted: %s", self._durable, type(error).__name__)
            finally:
                await _let_go(pulling)
            pulling = await self._bind_again(pulling)

    async def _bind_again(self, old: JetStreamContext.PullSubscription) -> JetStreamContext.PullSubscription:
        """A pull subscription can die of a reconnect: take a new one, however long that takes."""
        while not self._stopping:
            await asyncio.sleep(0.5)
            with suppress(NatsError, JetStreamError, errors.NoAnswer):
                return await self._bind()
        return old

    async def _follow(self, pulling: JetStreamContext.PullSubscription) -> None:
        while not self._stopping:
            with suppress(NatsTimeoutError):
                for message in await pulling.fetch(1, timeout=_FETCH_SECONDS):
                    await (message.nak() if self._stopping else self._take(message))

    async def _take(self, message: Msg) -> None:
        event = Event.of(message)
        self._transport.seen(event.position)
        renewing = asyncio.create_task(_renew(message))
        in_thread = not inspect.iscoroutinefunction(self._handler)
        try:
            if in_thread:
                await asyncio.to_thread(self._handler, event)
            else:
                await cast(Awaitable[None], self._handler(event))
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                if not in_thread:  # A thread goes on with it: others must wait until it is late.
                    with suppress(NatsError):
                        await message.nak()
                raise
            # Also where it is the handler that awaited what was cancelled.
            tries = message.metadata.num_delivered
            log.exception("denizen: the handler of %s failed on event %s, try %d", self._durable, event.id, tries)
            await message.nak(delay=min(0.1 * 2 ** min(tries, 10), _LONGEST_PAUSE))
        else:
            await message.ack_sync()
        finally:
            renewing.cancel()


async def _let_go(pulling: JetStreamContext.PullSubscription) -> None:
    """Have the next event go to others, not to a request of ours that nobody waits for any more."""
    with suppress(NatsError):
        await pulling.unsubscribe()
        while pulling.pending_bytes:  # A status has none.
            for message in await pulling.fetch(1, timeout=_SETTLED_SECONDS):
                await message.nak()


async def _renew(message: Msg) -> None:
    """Tell the server that a slow handler is still at work."""
    while True:
        await asyncio.sleep(_STILL_AT_WORK)
        with suppress(NatsError):
            await message.in_progress()
