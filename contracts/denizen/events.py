"""`client.auth.events`: subscriptions to the feed of events, and the events that they parked."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import get_args

from denizen import arguments, durables, parking
from denizen.blocking import Blocking, blocking
from denizen.errors import VersionConflict
from denizen.event import STREAM, Event
from denizen.jetstream import failure
from denizen.messages import EventType
from denizen.parking import ParkedEvent
from denizen.starting import Beginning, Start
from denizen.subscription import Handler, Subscription, SubscriptionPlan
from denizen.transport import Transport
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError

__all__ = ["ALL_EVENTS", "STREAM", "Event", "Events", "Handler", "ParkedEvent", "Start", "Subscription", "filters"]

ALL_EVENTS = "*"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Events:
    """The feed of events."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._subscriptions: set[Subscription] = set()

    async def subscribe(
        self,
        event: str | Sequence[str],
        *more: str,
        handler: Handler,
        durable: str | None = None,
        start: Start | None = None,
        park_after: int | None = None,
    ) -> Subscription:
        """Call `handler` for each event of these types (`"*"`: of all types).

        They come one at a time, in the log's order, each at least once (dedupe by `Event.id`); one whose handler raises
        comes again, after a pause, before any later one.

        Args:
            event, more: types, as arguments or as a list.
            handler: an async function, or a plain one, which is called in a thread.
            durable: the subscription's name at the server. It goes on where it was after a restart, and processes that
                share the name share the events. Without it the subscription ends with this process.
            start: where a new subscription begins: `"first"` (a durable's default), `"new"` (the default without a
                durable), a position of the log, or a time with its zone. A durable that exists goes on where it was;
                one that began elsewhere is refused.
            park_after: how often an event is tried before it is parked, so that the next one comes (see `parked`);
                without it, an event is tried until its handler succeeds. Needs a durable.

        Raises ValueError where a type or name does not exist, or the durable follows other events or began elsewhere;
        TypeError where the handler could never run or an argument has a wrong type; NoAnswer and its kinds.
        """
        names = [*([event] if isinstance(event, str) else arguments.texts("event", event)), *more]
        plan = SubscriptionPlan(
            filters(names), _checked(durable), Beginning.of(start) if start is not None else None, park_after
        )
        subscription = Subscription(self._transport, plan, handler)
        await subscription.start()
        self._subscriptions.add(subscription)
        return subscription

    async def parked(self, durable: str) -> list[ParkedEvent]:
        """The events that a durable gave up on, in the log's order. Raises ValueError, NoAnswer."""
        async with self._jetstream() as jetstream:
            return await parking.parked(jetstream, _required(durable))

    async def retry_parked(self, durable: str, *positions: int) -> list[int]:
        """Have the durable's subscription handle parked events once more: these, or all of them.

        One that succeeds is parked no more; one that fails stays parked. A subscription with `park_after` does it, now
        or when it next runs. Returns the positions. Raises ValueError where an event is not parked; NoAnswer.
        """
        async with self._jetstream() as jetstream:
            found = await parking.notes(jetstream, _required(durable))
            for position in positions:
                if arguments.whole("positions", position) not in found:
                    raise ValueError(f"the durable {durable} has no event at position {position} parked")
            asked: list[int] = []
            for position in sorted(set(positions) or found):
                at, note = found[position]
                with suppress(VersionConflict):  # It was handled, or asked for, meanwhile.
                    await durables.set_parked(self._transport, durable, replace(note, state="retry"), replaces=at)
                asked.append(position)
            return asked

    @asynccontextmanager
    async def _jetstream(self) -> AsyncGenerator[JetStreamContext]:
        try:
            yield (await self._transport.connection()).jetstream()
        except (NatsError, JetStreamError) as error:
            raise failure(f"the stream {parking.PARKED_STREAM}", error) from error

    async def stop(self) -> None:
        """Stop every subscription."""
        while self._subscriptions:
            await self._subscriptions.pop().stop()


def filters(names: Sequence[str]) -> list[str]:
    """The subjects of types of events. Raises ValueError, which lists the types, where one does not exist."""
    known = get_args(EventType)
    if not names:
        raise ValueError("event: name a type of events, or * for all")
    for name in names:
        if name not in known and name != ALL_EVENTS:
            raise ValueError(
                f"event: there is no type of events {name!r}; the types are {', '.join(known)}, and * for all"
            )
    return durables.subjects([] if ALL_EVENTS in names else [name for name in known if name in names])


def _required(durable: str) -> str:
    if not _NAME.fullmatch(arguments.text("durable", durable)):
        raise ValueError("durable: 1 to 64 letters, digits, - and _")
    return durable


def _checked(durable: str | None) -> str | None:
    return None if durable is None else _required(durable)


class BlockingSubscription(Blocking[Subscription]):
    """`Subscription`, each call waiting for its end."""

    stop = blocking(Subscription.stop)
    wait = blocking(Subscription.wait)


class BlockingEvents(Blocking[Events]):
    """`Events`, each call waiting for its result; handlers run in threads of their own, and may use the client."""

    _subscribe = blocking(Events.subscribe)
    parked = blocking(Events.parked)
    retry_parked = blocking(Events.retry_parked)

    def subscribe(
        self,
        event: str | Sequence[str],
        *more: str,
        handler: Handler,
        durable: str | None = None,
        start: Start | None = None,
        park_after: int | None = None,
    ) -> BlockingSubscription:
        """As `Events.subscribe`."""
        subscription = self._subscribe(
            event, *more, handler=handler, durable=durable, start=start, park_after=park_after
        )
        return BlockingSubscription(self._thread, subscription)
