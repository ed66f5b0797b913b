"""Subscribes the operations of a service, parses requests, and sends the answers."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from contextlib import suppress
from functools import partial

import orjson
from denizen.connection import taken
from denizen.messages import Request
from denizen.operations import Operation
from faststream.nats import NatsBroker, NatsMessage
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

from services.domain import refusals
from services.domain.refusals import Refusal
from services.endpoint import sealed_replies
from services.endpoint.answering import refusal_of
from services.endpoint.call import Call, understand
from services.endpoint.discovery import Discovery
from services.endpoint.opaque_positions import Positions
from services.eventstore.keys.data_keys import KeyRing
from services.platform import broker
from services.platform.settings import Settings

log = logging.getLogger(__name__)

_INBOX = re.compile(r"_INBOX\.[^\s*>]{1,4070}")
"""NATS takes 4,096 octets after the verb of a line, with sizes; more of ours would end the connection."""

QUEUE_GROUP = "users"
_TOGETHER_SECONDS = 0.01
"""How long requests that are refused unread gather."""
_OVERLOADED = refusals.too_many_requests()
_OVERLOADED_BODY, _OVERLOADED_HEADERS = orjson.dumps(_OVERLOADED.body()), _OVERLOADED.headers()
_UNREADABLE = refusals.headers_unreadable()
_HEADER_OCTETS = 1024
"""Room for the headers of an answer, which count as it does."""
_TOO_LARGE = refusals.answer_too_large()
_DONE = refusals.done_but_answer_too_large()


class RequestServer:
    """The connection that answers. It may publish to inboxes only, and hands each request on without waiting for it."""

    def __init__(
        self,
        settings: Settings,
        operations: Iterable[Operation],
        ring: KeyRing | None,
        hot: Container[type[Request]] = (),
        *,
        user: broker.OwnNatsUser = "responder",
    ) -> None:
        """Prepare to serve; `start` connects.

        Args:
            ring: of the opaque positions; None where no caller sees any.
            hot: the requests that nats-py serves directly, because FastStream would take 75-105 us of each message
                (docs/decisions/0003).
            user: the NATS user that it connects as.
        """
        self._operations = list(operations)
        self._hot_requests = hot
        self._positions = Positions(ring, settings.cell) if ring is not None else None
        self._broker = _Broker(partial(broker.connect, settings, user, self._refuse_unreadable))
        self._subscriptions: list[Subscription] = []
        self._hot: dict[str, Subscription] = {}
        self._discovery: Discovery | None = None
        self._client: Client | None = None
        self._full: Callable[[Operation, str, bytes], bool] = lambda _, __, ___: False

    @property
    def positions(self) -> Positions:
        """The opaque positions of its callers."""
        assert self._positions is not None
        return self._positions

    async def start(
        self, accept: Callable[[Call], bool], full: Callable[[Operation, str, bytes], bool] | None = None
    ) -> None:
        """Connect and serve. Raises what `broker.connect` does.

        `accept` takes a request over, to answer it later by `answer` or `refuse_call`; it says False where its queue is
        full, and may raise Refusal. Where `full` says so of an operation, subject and body, the request is refused
        unread.
        """
        self._full = full or self._full
        self._client = client = await self._broker.connect()
        self._discovery = discovery = Discovery(client, self._operations, QUEUE_GROUP)
        for operation in self._operations:
            if operation.request not in self._hot_requests:
                handler = self._handler(operation, accept)
                self._broker.subscriber(operation.subject, queue=QUEUE_GROUP, no_reply=True)(handler)
        await self._broker.start()
        subscribed = [getattr(subscriber, "subscription", None) for subscriber in self._broker.subscribers]
        self._subscriptions = [each for each in subscribed if isinstance(each, Subscription)]
        for operation in self._operations:
            if operation.request in self._hot_requests:
                handler = self._handler(operation, accept)
                self._hot[operation.id] = await client.subscribe(operation.subject, QUEUE_GROUP, cb=handler)
                self._subscriptions.append(self._hot[operation.id])
        await discovery.start()
        await taken(client)

    def _handler(self, operation: Operation, accept: Callable[[Call], bool]) -> Callable[[Msg], Awaitable[None]]:
        async def handle(message: Msg) -> None:
            await self._receive(operation, message, accept)

        return handle

    async def _receive(self, operation: Operation, message: Msg, accept: Callable[[Call], bool]) -> None:
        if not _INBOX.fullmatch(message.reply):
            # The caller chooses where we publish: anything but an inbox is an attack, or no caller waits for an answer.
            log.warning("reply_subject_refused", extra={"operation": operation.id})
            return
        if self._full(operation, message.subject, message.data):
            await self._turn_away(operation, message.reply)
            return
        key = None
        try:
            key = sealed_replies.key_of(message.reply, message.headers)
            call = understand(operation, message.reply, message.headers, message.data)
            call.reply_key = key
            if operation.kind == "subscriber":
                call.durable = message.subject.rpartition(".")[2]
            else:
                self.positions.introduce(call)
            if not accept(call):
                await self._refuse(operation, message.reply, _OVERLOADED, key)
        except Exception as error:  # noqa: BLE001 - the caller gets an answer, whatever it is
            await self._refuse(operation, message.reply, refusal_of(error), key)

    async def _refuse_unreadable(self, reply: bytes) -> None:
        reply_to = reply.decode(errors="replace")
        if _INBOX.fullmatch(reply_to) and "\N{REPLACEMENT CHARACTER}" not in reply_to:
            await self._publish(reply_to, orjson.dumps(_UNREADABLE.body()), _UNREADABLE.headers())

    async def _turn_away(self, operation: Operation, reply_to: str) -> None:
        """Refuse it unread; then let others gather: in a flood waking up and writing cost most, not answers."""
        self._count(operation, _OVERLOADED)
        await self._publish(reply_to, _OVERLOADED_BODY, _OVERLOADED_HEADERS)
        subscription = self._hot.get(operation.id)
        if subscription and not subscription.pending_msgs:
            await asyncio.sleep(_TOGETHER_SECONDS)

    async def answer(self, call: Call, body: bytes, headers: dict[str, str] | None = None) -> None:
        if self._client and len(body) > self._client.max_payload - _HEADER_OCTETS:
            await self.refuse_call(call, _TOO_LARGE if call.operation.reads else _DONE)
            return
        self._count(call.operation, None)
        await self._reply(call.reply_to, body, headers, call.reply_key)

    async def refuse_call(self, call: Call, refusal: Refusal) -> None:
        await self._refuse(call.operation, call.reply_to, refusal, call.reply_key)

    async def _refuse(self, operation: Operation, reply_to: str, refusal: Refusal, key: bytes | None) -> None:
        self._count(operation, refusal)
        await self._reply(reply_to, orjson.dumps(refusal.body()), refusal.headers(), key)

    async def _reply(self, reply_to: str, body: bytes, headers: Mapping[str, str] | None, key: bytes | None) -> None:
        """Send an answer, sealed where the caller asked for that."""
        if key is not None:
            body, headers = sealed_replies.sealed(key, body, headers)
        await self._publish(reply_to, body, headers)

    def _count(self, operation: Operation, refusal: Refusal | None) -> None:
        if self._discovery:
            self._discovery.count(operation, refusal)

    async def _publish(self, subject: str, body: bytes, headers: Mapping[str, str] | None) -> None:
        assert self._client
        try:
            await self._client.publish(subject, body, headers=dict(headers) if headers else None)
        except Error as error:
            log.warning("reply_lost", extra={"error": type(error).__name__})

    async def serve(
        self, subject: str, piece: Callable[[bytes], Awaitable[tuple[bytes, dict[str, str]]]]
    ) -> Callable[[], Awaitable[None]]:
        """Answer requests on a subject of this process's own, one at a time; returns what ends that.

        `piece` gives the body and headers of an answer, or raises Refusal.
        """
        assert self._client

        async def handle(message: Msg) -> None:
            if not _INBOX.fullmatch(message.reply):
                return
            try:
                body, headers = await piece(message.data)
            except Refusal as refusal:
                body, headers = orjson.dumps(refusal.body()), refusal.headers()
            await self._publish(message.reply, body, headers)

        subscription = await self._client.subscribe(subject, cb=handle)

        async def end() -> None:
            with suppress(Error):
                await subscription.unsubscribe()

        return end

    async def stop_receiving(self) -> None:
        """Take no new requests; those that have arrived are handed on before this returns."""
        for subscription in self._subscriptions:
            try:
                await subscription.drain()
            except Error as error:  # Without a connection nothing can arrive either.
                log.warning("drain_failed", extra={"error": type(error).__name__})

    async def close(self) -> None:
        """Send what is still in the buffer, and disconnect."""
        if self._client:
            await broker.disconnect(self._client)


class _Broker(NatsBroker):
    """FastStream over our own connection, because FastStream's would not insist on TLS."""

    def __init__(self, connect: Callable[[], Awaitable[Client]]) -> None:
        super().__init__(logger=None, apply_types=False, decoder=_raw_message)
        self._open = connect

    async def _connect(self) -> Client:
        connection = await self._open()
        self.config.connect(connection)
        return connection


async def _raw_message(message: NatsMessage) -> Msg:
    return message.raw_message
