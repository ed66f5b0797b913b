"""Answers subscribers: makes their durables, and stores what becomes of the events that they park.

NATS has no permission for what a consumer is configured to do. So a subscriber may make none; it asks for a durable
whose name ends the subject, which NATS does have a permission for, and every durable is made with the same settings.
"""

import asyncio
import logging
import re
from collections import Counter
from datetime import datetime
from functools import partial

import orjson
from denizen import durables, parking
from denizen import messages as m
from denizen.event import STREAM
from denizen.jetstream import WRONG_LAST_SEQUENCE
from denizen.operations import SUBSCRIBER, Operation
from denizen.parking import Note
from denizen.starting import Beginning
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig
from nats.js.errors import APIError, NotFoundError
from nats.js.errors import Error as JetStreamError

from services.domain import refusals
from services.endpoint.answering import answering
from services.endpoint.call import Call
from services.endpoint.server import RequestServer
from services.platform.batching import Batcher
from services.platform.settings import Settings

log = logging.getLogger(__name__)

MOST_PARKED_EACH = 1000
"""Events that a durable may have parked at a time: the stream has room for as many of each of the 200 durables that
`denizen nats-users` gives out."""
_WAITING = 64
"""Requests that wait for their turn; later ones are refused with `overloaded`."""
_WAITING_EACH = 2
"""Of one durable. A NATS user has up to 16 durables, and so leaves places to others however much it asks."""
_DURABLE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EXISTS_OTHERWISE = (10148, 10013)
"""Error numbers of JetStream: a consumer of this name exists, configured otherwise."""
_MOST_CONSUMERS = 10026


class Subscribers:
    """The operations of subscribers, one request at a time.

    Args:
        publisher: the relay's connection, which may make consumers and store parked events.
    """

    def __init__(self, settings: Settings, publisher: Client) -> None:
        self._publisher = publisher
        operations = list(SUBSCRIBER.values())
        hot = [operation.request for operation in operations]
        self._server = RequestServer(settings, operations, None, hot, user="registrar")
        self._calls = Batcher[Call](self._work, most=1, capacity=_WAITING)
        self._waiting = Counter[str]()
        self._ending = False

    async def start(self) -> None:
        """Connect and take requests. Raises what `broker.connect` does."""
        await self._server.start(self._accept, self._full)

    async def run(self, stop: asyncio.Event) -> None:
        """Answer requests until `stop` is set; those that wait then are refused."""
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(self._calls.run())
            await stop.wait()
            self._ending = True
            await self._server.stop_receiving()
            await self._calls.drained()
            working.cancel()
        await self._server.close()

    def _full(self, _: Operation, subject: str, __: bytes) -> bool:
        """Whether a request is refused unread: a flood of one subscriber must cost the relay as little as it can."""
        return self._waiting[subject.rpartition(".")[2]] >= _WAITING_EACH or self._waiting.total() >= _WAITING

    def _accept(self, call: Call) -> bool:
        if not self._calls.put(call):
            return False
        self._waiting[call.durable] += 1
        return True

    async def _work(self, calls: list[Call]) -> None:
        for call in calls:
            await answering(self._answer(call), partial(self._server.refuse_call, call))
            self._waiting[call.durable] -= 1
            self._waiting += Counter()  # Without those that are at zero.

    async def _answer(self, call: Call) -> None:
        call.check_deadline()
        if self._ending:
            raise refusals.service_ends()
        try:
            body = await self._done(call)
        except (NatsError, JetStreamError) as error:
            log.warning("jetstream_refused", extra={"operation": call.operation.id, "error": str(error)})
            raise refusals.jetstream_unavailable() from None
        await self._server.answer(call, orjson.dumps(body))

    async def _done(self, call: Call) -> dict[str, object]:
        """The body of the reply. Raises Refusal, nats.errors.Error, nats.js.errors.Error."""
        if not _DURABLE.fullmatch(call.durable):
            raise refusals.durable_not_named()
        if isinstance(call.request, m.FollowEvents):
            await self._follow(call.durable, call.request)
            return {"durable": call.durable}
        assert isinstance(call.request, m.SetParkedEvent)
        await self._set_parked(call.durable, call.request)
        return {}

    async def _follow(self, durable: str, request: m.FollowEvents) -> None:
        jetstream = self._publisher.jetstream()
        subjects, start = durables.subjects(request.types), _start(request)
        try:
            known = await jetstream.consumer_info(STREAM, durable)
        except NotFoundError:
            beginning = start or Beginning.of("first")
            sequence = request.sequence or await beginning.sequence(jetstream)
            await self._make(STREAM, durable, durables.following(durable, subjects, beginning, sequence))
        else:
            try:
                durables.compare(durable, known.config, subjects, start)
            except ValueError as error:
                raise refusals.invalid(str(error)) from None
        if request.parks:
            await self._make(parking.PARKED_STREAM, durable, durables.retrying(durable))

    async def _make(self, stream: str, durable: str, config: ConsumerConfig) -> None:
        """Make a consumer; one that has been made just so stays. Raises Refusal, nats.errors.Error, APIError."""
        # nats-py cannot name the action; without it, a consumer that exists would be given this configuration.
        body = {"stream_name": stream, "config": config.as_dict(), "action": "create"}
        reply = await self._publisher.request(
            f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{durable}", orjson.dumps(body), timeout=5
        )
        error = orjson.loads(reply.data).get("error")
        if error is None:
            return
        if error.get("err_code") in _EXISTS_OTHERWISE:
            raise refusals.durable_differs(durable)
        if error.get("err_code") == _MOST_CONSUMERS:
            raise refusals.too_many_durables(stream)
        APIError.from_error(error)

    async def _set_parked(self, durable: str, request: m.SetParkedEvent) -> None:
        jetstream = self._publisher.jetstream()
        info = await jetstream.stream_info(parking.PARKED_STREAM, subjects_filter=parking.subjects(durable))
        parked = info.state.subjects or {}
        if f"{parking.PREFIX}.{durable}.{request.position}" not in parked:
            if request.state == "done":
                return
            if request.state == "retry":
                raise refusals.not_parked()
            if len(parked) >= MOST_PARKED_EACH:
                raise refusals.too_many_parked(durable, len(parked))
        note = Note(**request.model_dump(exclude={"replaces"}))
        try:
            await parking.write(jetstream, durable, note, replaces=request.replaces)
        except APIError as error:
            if error.err_code == WRONG_LAST_SEQUENCE:
                raise refusals.parked_event_changed() from error
            raise


def _start(request: m.FollowEvents) -> Beginning | None:
    """None: any. Raises Refusal."""
    found: list[Beginning] = []
    if request.start is not None:
        found.append(Beginning.of(request.start))
    if request.start_position is not None:
        found.append(Beginning.of(request.start_position))
    if request.start_time is not None:
        try:
            found.append(Beginning.of(datetime.fromisoformat(request.start_time.upper())))
        except (ValueError, OverflowError):
            raise refusals.not_a_time("startTime") from None
    if len(found) > 1:
        raise refusals.two_starts()
    return found[0] if found else None
