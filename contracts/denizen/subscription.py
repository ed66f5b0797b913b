"""A subscription: events on their way from JetStream to a handler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from denizen import arguments, durables, errors, parking
from denizen.event import STREAM, Event, headers_of, position_of
from denizen.following import Follower, at_work
from denizen.handling import Calling
from denizen.parking import Note
from denizen.starting import Beginning
from denizen.transport import Transport
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, ConsumerInfo
from nats.js.errors import APIError, NotFoundError
from nats.js.errors import Error as JetStreamError

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 30.0
_FORGOTTEN_SECONDS = 60.0
"""After so long without a request the server forgets a consumer that is not durable."""
_INTERRUPTED = 8
"""So many more deliveries than tries, twice counted, are put down to processes that ended while they handled it."""

Handler = Callable[[Event], Awaitable[None] | None]
"""An async function, or a plain one, which is called in a thread."""


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """The events that a subscription follows, and how.

    Attributes:
        subjects: of the events.
        beginning: None: a durable that exists goes on, wherever it began.
    """

    subjects: list[str]
    durable: str | None
    beginning: Beginning | None
    park_after: int | None

    def __post_init__(self) -> None:
        if self.park_after is not None:
            if arguments.whole("park_after", self.park_after) < 1:
                raise ValueError("park_after: at least one try")
            if self.durable is None:
                raise ValueError("park_after: events are parked under the name of a durable")


class Subscription:
    """Events on their way to a handler, until it is stopped."""

    def __init__(self, transport: Transport, plan: SubscriptionPlan, handler: Handler) -> None:
        """Raises TypeError where the handler could never run."""
        self._transport = transport
        self._plan = plan
        self._handler = Calling(handler)
        self._consumer = plan.durable
        self._beginning = plan.beginning or Beginning.of("new" if plan.durable is None else "first")
        self._next: int | None = None
        """The stream's sequence number behind what this process has handled: a consumer that is lost begins there."""
        name = plan.durable or "a subscription"
        self._followers = [Follower(name, self._bind, self._take)]
        if plan.park_after is not None:
            self._followers.append(Follower(f"{name}'s retries", self._bind_retries, self._retry))

    async def start(self) -> None:
        """Make the consumers where they are missing, and follow them. Raises ValueError, NoAnswer."""
        try:
            for follower in self._followers:
                await follower.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Take no further events; the one under way comes again another time. By its own handler: it is the last."""
        await asyncio.gather(*(follower.stop() for follower in self._followers))

    async def wait(self) -> None:
        """Wait until it is stopped. Raises what else ended it."""
        waiting = [asyncio.create_task(follower.wait()) for follower in self._followers]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
            for each in waiting:
                if each.done():
                    each.result()
        finally:
            for each in waiting:
                each.cancel()

    async def _bind(self) -> JetStreamContext.PullSubscription:
        jetstream = (await self._transport.connection()).jetstream()
        if self._consumer is None:
            self._consumer = (await self._create(jetstream)).name
        else:
            try:
                known = await jetstream.consumer_info(STREAM, self._consumer)
            except NotFoundError:
                known = await self._recreate(jetstream)
            self._check(known.config)
            self._consumer = known.name
        return await jetstream.pull_subscribe_bind(self._consumer, STREAM)

    async def _recreate(self, jetstream: JetStreamContext) -> ConsumerInfo:
        """Make the consumer, or take the one that another process has made at the same moment."""
        try:
            return await self._create(jetstream)
        except (APIError, errors.ValidationFailed) as error:
            if self._plan.durable is None:
                raise
            try:
                return await jetstream.consumer_info(STREAM, self._plan.durable)
            except NotFoundError:
                raise error from None

    async def _create(self, jetstream: JetStreamContext) -> ConsumerInfo:
        async def directly() -> ConsumerInfo:
            if self._next is None:
                self._next = await self._beginning.sequence(jetstream)
            config = durables.following(durable, self._plan.subjects, self._beginning, self._next)
            if durable is None:
                config.inactive_threshold = _FORGOTTEN_SECONDS
            return await jetstream.add_consumer(STREAM, config)

        durable = self._plan.durable
        if durable is None:
            return await directly()
        await self._ask_for(durable, self._beginning, directly)
        made = await jetstream.consumer_info(STREAM, durable)
        if self._next is None:
            self._next = made.config.opt_start_seq or 1
        return made

    async def _ask_for(self, durable: str, start: Beginning | None, directly: Callable[[], Awaitable[Any]]) -> None:
        """Have the relay make what is missing of the durable. Raises as `durables.by_relay`."""
        body: dict[str, Any] = {
            "types": durables.types(self._plan.subjects),
            "parks": self._plan.park_after is not None,
        }
        if start is not None:
            body |= start.asked()
        if self._next is not None:
            body["sequence"] = self._next
        await durables.by_relay(self._transport, "FollowEvents", durable, body, directly)

    def _check(self, known: ConsumerConfig) -> None:
        """Raises ValueError where the consumer that is there is not the one that was asked for."""
        durables.compare(self._plan.durable, known, self._plan.subjects, self._plan.beginning)
        if self._plan.durable is not None:
            self._beginning = Beginning.stored(known.metadata)

    async def _take(self, message: Msg) -> None:
        headers = headers_of(message)
        self._transport.seen(position_of(headers))
        try:
            async with at_work(message):
                await self._handle(message)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - `_failed` logs it
            await self._give_back_if_stopped(message, error)
            await self._failed(message, error)
        else:
            await message.ack_sync()
            self._next = message.metadata.sequence.stream + 1

    async def _handle(self, message: Msg) -> None:
        event = Event.of(message)
        if not self._beginning.includes(event.position, event.time):
            return  # It began beyond the newest event of that time.
        if self._was_interrupted_too_often(message):
            # The event ends the process that handles it, before its handler can fail.
            await self._park(message, None)
        else:
            await self._handler(event)

    def _was_interrupted_too_often(self, message: Msg) -> bool:
        tries = self._plan.park_after
        return tries is not None and message.metadata.num_delivered > 2 * tries + _INTERRUPTED

    async def _give_back_if_stopped(self, message: Msg, error: BaseException) -> None:
        """Raises the error where this task is being cancelled, and not a task that the handler awaited."""
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            if not self._handler.in_thread:  # A thread goes on with it: others must wait until it is late.
                with suppress(NatsError):
                    await message.nak()
            raise error

    async def _failed(self, message: Msg, error: BaseException) -> None:
        tries, event = message.metadata.num_delivered, headers_of(message).get("ce-id")
        log.error("denizen: the handler of %s failed on event %s, try %d", self._consumer, event, tries, exc_info=error)
        if self._plan.park_after is not None and tries >= self._plan.park_after:
            try:
                await self._park(message, error)
            except (NatsError, JetStreamError, errors.DenizenError):
                log.exception("denizen: event %s of %s cannot be parked; it is tried again", event, self._consumer)
            else:
                await message.ack_sync()
                return
        await message.nak(delay=min(0.1 * 2 ** min(tries, 10), _LONGEST_PAUSE))

    async def _park(self, message: Msg, error: BaseException | None) -> None:
        assert self._plan.durable is not None
        position, metadata = position_of(headers_of(message)), message.metadata
        note = Note.given_up(position, metadata.sequence.stream, metadata.num_delivered, error)
        await durables.set_parked(self._transport, self._plan.durable, note)
        log.warning("denizen: %s parked the event at position %d", self._consumer, position)

    async def _bind_retries(self) -> JetStreamContext.PullSubscription:
        durable = self._plan.durable
        assert durable is not None
        jetstream = (await self._transport.connection()).jetstream()
        try:
            await jetstream.consumer_info(parking.PARKED_STREAM, durable)
        except NotFoundError:
            config = durables.retrying(durable)
            await self._ask_for(durable, None, lambda: jetstream.add_consumer(parking.PARKED_STREAM, config))
        return await jetstream.pull_subscribe_bind(durable, parking.PARKED_STREAM)

    async def _retry(self, message: Msg) -> None:
        """Handle a parked event once more where that is what its message asks for."""
        note = Note.of(message.data)
        if note is not None and note.state == "retry":
            await self._handle_again(message, note)
        await message.ack_sync()

    async def _handle_again(self, message: Msg, note: Note) -> None:
        assert self._plan.durable is not None
        jetstream = (await self._transport.connection()).jetstream()
        if self._was_interrupted_too_often(message):
            # As in `_handle`; here, too, it would end this process at each start.
            await durables.set_parked(self._transport, self._plan.durable, note.failed_again(None))
            return
        event = await parking.event_of(jetstream, note)
        if event is None:
            log.warning("denizen: the event at position %d, which %s parked, is missing", note.position, self._consumer)
            await durables.set_parked(self._transport, self._plan.durable, note.not_retried())
            return
        try:
            async with at_work(message):
                await self._handler(event)
        except (Exception, asyncio.CancelledError) as error:
            await self._give_back_if_stopped(message, error)
            log.exception("denizen: the handler of %s failed again on event %s", self._consumer, event.id)
            await durables.set_parked(self._transport, self._plan.durable, note.failed_again(error))
        else:
            await durables.set_parked(self._transport, self._plan.durable, note.handled())
