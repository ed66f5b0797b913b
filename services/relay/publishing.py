"""Publishes events to the stream USERS_EVENTS; its configuration, and its newest message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import orjson
from denizen import headers as h
from denizen import parking
from denizen.event import STREAM
from nats.aio.client import Client
from nats.js.api import DiscardPolicy, PersistMode, RawStreamMsg, StreamConfig
from nats.js.errors import NotFoundError

from services.domain.values import rfc3339
from services.relay.feed import PublicEvent

_PREFIX = "users.v1.event"
_ACK_SECONDS = 5.0
_DUPLICATES_SECONDS = 1.0
"""How long nats-server remembers the ids of events, 120 octets each. Their order keeps duplicates out."""
_MOST_CONSUMERS = 256
"""Of all subscribers together. Each consumer costs NATS memory and files, and any subscriber may make one."""

_MOST_PARKED = 200_000
_PARKED_OCTETS = 1024


class NotInOrder(Exception):
    """The stream did not take the events at the place where we thought that it was."""


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of the stream: the log position of its last event, and its own sequence number."""

    position: int
    sequence: int


async def declare(client: Client, replicas: int) -> None:
    """Make the stream where it is missing. It keeps all: a new reader wants the events from the first."""
    jetstream = client.jetstream()
    try:
        await jetstream.stream_info(STREAM)
    except NotFoundError:
        await jetstream.add_stream(
            StreamConfig(
                name=STREAM,
                description="Denizen's events, in the order of its log",
                subjects=[f"{_PREFIX}.*.*"],
                num_replicas=replicas,
                duplicate_window=_DUPLICATES_SECONDS,
                max_consumers=_MOST_CONSUMERS,  # NATS changes it on no stream that is there
                # The log is what is durable: a tail that a crash takes is filled again from it, with the same sequence
                # numbers, and nats-server rewinds consumers that were ahead. One sync an event would cost 60 us.
                persist_mode=PersistMode.ASYNC if replicas == 1 else None,
                # No client deletes or purges, whatever subject it gets us to answer on.
                deny_delete=True,
                deny_purge=True,
            )
        )


async def declare_parked(client: Client, replicas: int) -> None:
    """Make the stream on which subscriptions park events where it is missing. Raises nats.errors.Error.

    It keeps the newest message of each parked event, and takes no more when it is full: none is dropped for another.
    """
    jetstream = client.jetstream()
    try:
        await jetstream.stream_info(parking.PARKED_STREAM)
    except NotFoundError:
        await jetstream.add_stream(
            StreamConfig(
                name=parking.PARKED_STREAM,
                description="Events that subscriptions gave up on",
                subjects=[f"{parking.PREFIX}.*.*"],
                num_replicas=replicas,
                max_consumers=_MOST_CONSUMERS,
                max_msgs=_MOST_PARKED,
                max_msgs_per_subject=1,
                max_msg_size=_PARKED_OCTETS,
                discard=DiscardPolicy.NEW,
                allow_msg_ttl=True,
                deny_delete=True,
                deny_purge=True,
            )
        )


async def tip(client: Client) -> Tip:
    """How far the stream is, by its own last event: no checkpoint could disagree with it, and one that lost its files
    is filled again from the log.
    """
    jetstream = client.jetstream()
    info = await jetstream.stream_info(STREAM)
    try:
        last: RawStreamMsg = await jetstream.get_last_msg(STREAM, f"{_PREFIX}.>")
    except NotFoundError:
        return Tip(0, info.state.last_seq)
    headers = cast(dict[str, str], last.headers or {})
    return Tip(int(headers["ce-sequence"]), info.state.last_seq)


async def publish(client: Client, source: str, events: Sequence[PublicEvent], at: Tip) -> Tip:
    """Add events behind the tip; returns the new tip.

    Each names the sequence number that it must follow, so either all are stored in order or the last is refused; hence
    only the last is acknowledged. A second relay would be refused likewise. Raises NotInOrder, nats.errors.Error.
    """
    sequence = at.sequence
    for event in events[:-1]:
        await client.publish(_subject(event), event.public.encode(), headers=_headers(event, source, sequence))
        sequence += 1
    last = events[-1]
    reply = await client.request(
        _subject(last), last.public.encode(), timeout=_ACK_SECONDS, headers=_headers(last, source, sequence)
    )
    acknowledged = orjson.loads(reply.data)
    if acknowledged.get("seq") != sequence + 1 or acknowledged.get("duplicate"):
        raise NotInOrder
    return Tip(last.position, sequence + 1)


def _subject(event: PublicEvent) -> str:
    return f"{_PREFIX}.{event.type}.{event.user_id}"


def _headers(event: PublicEvent, source: str, follows: int) -> dict[str, str]:
    """CloudEvents 1.0, binary mode of its NATS binding."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": event.event_id,
        "ce-type": f"users.v1.{event.type}",
        "ce-source": source,
        "ce-subject": event.user_id,
        "ce-time": rfc3339(event.recorded_at),
        "ce-sequence": str(event.position),
        "content-type": "application/json",
        "ce-datacontenttype": "application/json",
        h.COMMAND_ID: event.event_id,
        "Nats-Expected-Last-Sequence": str(follows),
    }
    if event.traceparent is not None:
        headers[h.TRACEPARENT] = event.traceparent
        # The same as an attribute of the event (CloudEvents, Distributed Tracing extension).
        headers[h.CE_TRACEPARENT] = event.traceparent
    return headers
