"""What a subscription follows, where it begins, how its handler is called, and what becomes of a poison event."""

import asyncio
import functools
import json
import secrets
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import nats
import orjson
import pytest
from denizen import AsyncClient, Client, Event, NoAnswer, parking
from denizen.events import STREAM, Start
from denizen.parking import Note
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from tests.support.servers import Denizen, NatsServer

AsyncHandler = Callable[[Event], Awaitable[None]]
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
async def client(denizen: Denizen) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(denizen.nats_url) as connected:
        yield connected


def durable() -> str:
    """A name that no other test uses."""
    return f"test-{secrets.token_hex(6)}"


async def jetstream(client: AsyncClient) -> JetStreamContext:
    return (await client._transport.connection()).jetstream()  # pyright: ignore[reportPrivateUsage]


async def new_user(client: AsyncClient) -> str:
    return (await client.auth.users.create(email=f"{secrets.token_hex(8)}@example.com")).id


async def blocked_user(client: AsyncClient) -> str:
    user = await new_user(client)
    await client.auth.users.block(user)
    return user


async def next_of(events: asyncio.Queue[Event], users: list[str], count: int) -> list[Event]:
    """The next events of these users; those of other tests are passed over."""
    found: list[Event] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            event = await events.get()
            if event.user_id in users:
                found.append(event)
    return found


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 20) -> Any:
    """The first true value of a condition."""
    async with asyncio.timeout(seconds):
        while not (value := await condition()):
            await asyncio.sleep(0.02)
    return value


class Remembers:
    """An object whose call is asynchronous."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    async def __call__(self, event: Event) -> None:
        await asyncio.sleep(0)
        await self.events.put(event)

    async def labelled(self, _: str, event: Event) -> None:
        await self(event)


def decorated(handler: AsyncHandler) -> AsyncHandler:
    @functools.wraps(handler)
    def call(event: Event) -> Awaitable[None]:
        return handler(event)

    return call


HANDLERS: dict[str, Callable[[Remembers], AsyncHandler]] = {
    "object": lambda kept: kept,
    "method": lambda kept: kept.__call__,
    "partial": lambda kept: functools.partial(kept.labelled, "a"),
    "lambda": lambda kept: lambda event: kept(event),  # noqa: PLW0108 - it hides what it calls
    "decorated": decorated,
    "partial of decorated": lambda kept: functools.partial(decorated(kept)),
}


@pytest.mark.parametrize("kind", HANDLERS)
async def test_handler_that_returns_an_awaitable_is_awaited(client: AsyncClient, kind: str) -> None:
    kept = Remembers()
    await client.auth.events.subscribe("UserBlocked", durable=durable(), start="new", handler=HANDLERS[kind](kept))
    user = await blocked_user(client)
    assert (await next_of(kept.events, [user], 1))[0].type == "UserBlocked"


async def test_plain_handler_runs_in_a_thread(client: AsyncClient) -> None:
    threads: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def handle(_: Event) -> None:
        loop.call_soon_threadsafe(threads.put_nowait, threading.get_ident())

    await client.auth.events.subscribe("UserBlocked", durable=durable(), start="new", handler=handle)
    await blocked_user(client)
    assert await asyncio.wait_for(threads.get(), 20) != threading.get_ident()


async def test_handler_that_could_never_run_is_refused(client: AsyncClient) -> None:
    async def generator(event: Event) -> Any:
        yield event

    wrong: list[Any] = [generator, None, "print", lambda: None, pow]
    for handler in wrong:
        with pytest.raises(TypeError, match="handler"):
            await client.auth.events.subscribe("UserBlocked", durable=durable(), handler=handler)


@pytest.mark.parametrize("names", [["UserBloked"], ["UserBlocked", "User>"], ["users.v1.UserBlocked"], [""]])
async def test_unknown_type_is_refused_with_the_types(client: AsyncClient, names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"there is no type of events .*UserBlocked, .*UserDeleted"):
        await client.auth.events.subscribe(names, durable=durable(), handler=lambda _: None)


async def test_subscription_to_no_type_is_refused(client: AsyncClient) -> None:
    with pytest.raises(ValueError, match="name a type"):
        await client.auth.events.subscribe([], durable=durable(), handler=lambda _: None)


async def test_several_types_come_in_the_order_of_the_log(client: AsyncClient) -> None:
    name, kept = durable(), Remembers()
    await client.auth.events.subscribe("UserBlocked", "UserDeleted", durable=name, start="new", handler=kept)
    users = [await blocked_user(client), await blocked_user(client)]
    await client.auth.users.unblock(users[0])
    await client.auth.users.delete(users[0])
    found = await next_of(kept.events, users, 3)
    assert [each.type for each in found] == ["UserBlocked", "UserBlocked", "UserDeleted"]
    # The same types in a list and in another order are the same subscription; others are not.
    await client.auth.events.subscribe(["UserDeleted", "UserBlocked"], durable=name, handler=kept)
    with pytest.raises(ValueError, match=f"the durable {name} follows .*UserDeleted"):
        await client.auth.events.subscribe("UserDeleted", durable=name, handler=kept)


async def test_new_durable_begins_at_its_start(client: AsyncClient) -> None:
    users = [await blocked_user(client) for _ in range(4)]
    seen = Remembers()
    await client.auth.events.subscribe("UserBlocked", durable=durable(), handler=seen)
    first = await next_of(seen.events, users, 4)
    starts: list[tuple[Start, list[str]]] = [
        ("first", users),
        (first[2].position, users[2:]),
        (first[1].position + 1, users[2:]),
        (first[2].time, users[2:]),
        (0, users),
        (datetime(2020, 1, 1, tzinfo=UTC), users),
    ]
    for start, expected in starts:
        kept = Remembers()
        subscription = await client.auth.events.subscribe("UserBlocked", durable=durable(), start=start, handler=kept)
        assert [each.user_id for each in await next_of(kept.events, users, len(expected))] == expected, start
        await subscription.stop()


async def test_new_durable_that_begins_in_the_future_waits_for_it(client: AsyncClient) -> None:
    before = await new_user(client)
    newest = Event.of(await (await jetstream(client)).get_last_msg(STREAM, "users.v1.event.>")).position
    kept = Remembers()
    await client.auth.events.subscribe("UserUpdated", durable=durable(), start=newest + 2, handler=kept)
    users = [before]
    await client.auth.users.update(before, profile={"firstName": "Ada"})
    await client.auth.users.update(before, profile={"firstName": "Eve"})
    await client.auth.users.update(before, profile={"firstName": "Zoe"})
    found = await next_of(kept.events, users, 2)
    assert all(each.position >= newest + 2 for each in found)


async def test_ephemeral_subscription_begins_with_the_next_event(client: AsyncClient) -> None:
    old, kept, all_of_them = await blocked_user(client), Remembers(), Remembers()
    await client.auth.events.subscribe("UserBlocked", start="first", handler=all_of_them)
    assert [each.user_id for each in await next_of(all_of_them.events, [old], 1)] == [old]
    subscription = await client.auth.events.subscribe("UserBlocked", handler=kept)
    user = await blocked_user(client)
    assert [each.user_id for each in await next_of(kept.events, [old, user], 1)] == [user]
    # One that the server lost goes on behind what was handled and acknowledged.
    consumer = subscription._consumer  # pyright: ignore[reportPrivateUsage]
    assert consumer is not None
    await (await jetstream(client)).delete_consumer(STREAM, consumer)
    later = await blocked_user(client)
    found = [each.user_id for each in await next_of(kept.events, [old, later], 1)]
    assert found == [later]


async def test_existing_durable_with_another_start_is_refused(client: AsyncClient) -> None:
    name = durable()
    subscription = await client.auth.events.subscribe("UserBlocked", durable=name, start="new", handler=lambda _: None)
    await subscription.stop()
    user, kept = await blocked_user(client), Remembers()
    others: list[Start] = ["first", 1, datetime(2020, 1, 1, tzinfo=UTC)]
    for start in others:
        with pytest.raises(ValueError, match=f"the durable {name} began at new"):
            await client.auth.events.subscribe("UserBlocked", durable=name, start=start, handler=kept)
    # The same start is no conflict, and neither is none: it goes on where it was.
    subscription = await client.auth.events.subscribe("UserBlocked", durable=name, start="new", handler=kept)
    await next_of(kept.events, [user], 1)
    await subscription.stop()
    await client.auth.events.subscribe("UserBlocked", durable=name, handler=kept)


async def test_durable_of_an_earlier_version_goes_on(client: AsyncClient) -> None:
    name, kept = durable(), Remembers()
    await (await jetstream(client)).add_consumer(
        STREAM,
        ConsumerConfig(
            durable_name=name,
            filter_subject="users.v1.event.UserBlocked.*",
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=30,
            max_ack_pending=1,
        ),
    )
    user = await blocked_user(client)
    with pytest.raises(ValueError, match="began at first"):
        await client.auth.events.subscribe("UserBlocked", durable=name, start="new", handler=kept)
    await client.auth.events.subscribe("UserBlocked", durable=name, start="first", park_after=3, handler=kept)
    await next_of(kept.events, [user], 1)


@pytest.mark.parametrize("start", ["last", -1, True, datetime(2026, 1, 1)])  # noqa: DTZ001
async def test_malformed_start_is_refused(client: AsyncClient, start: Any) -> None:
    with pytest.raises(ValueError, match="start"):
        await client.auth.events.subscribe("UserBlocked", durable=durable(), start=start, handler=lambda _: None)


async def test_event_has_the_trace_of_its_command(client: AsyncClient, denizen: Denizen) -> None:
    kept = Remembers()
    await client.auth.events.subscribe("UserCreated", durable=durable(), start="new", handler=kept)
    raw = await nats.connect(denizen.nats_url, inbox_prefix="_INBOX.backend")
    body = orjson.dumps({"email": f"{secrets.token_hex(8)}@example.com"})
    reply = await raw.request("users.v1.command.CreateUser", body, timeout=20, headers={"traceparent": TRACE})
    created = orjson.loads(reply.data)["user"]["id"]
    untraced = await new_user(client)
    found = await next_of(kept.events, [created, untraced], 2)
    assert [each.traceparent for each in found] == [TRACE, None]
    assert found[0].time.tzinfo is not None
    stored = await raw.jetstream().get_last_msg(STREAM, f"users.v1.event.*.{created}")
    assert (stored.headers or {})["ce-traceparent"] == TRACE
    await raw.close()


class Poisoned:
    """A handler that fails on the events of one user, until it is cured."""

    def __init__(self) -> None:
        self.poison = ""
        self.tries = 0
        self.handled: asyncio.Queue[Event] = asyncio.Queue()

    async def __call__(self, event: Event) -> None:
        if event.user_id == self.poison:
            self.tries += 1
            raise LookupError("secret@example.com has no invoice")
        await self.handled.put(event)


async def parked_one(client: AsyncClient, name: str, handler: Poisoned) -> str:
    """A user whose event was parked while that of a later user was handled."""
    await client.auth.events.subscribe("UserBlocked", durable=name, start="new", park_after=2, handler=handler)
    poison = await new_user(client)
    handler.poison = poison
    await client.auth.users.block(poison)
    later = await blocked_user(client)
    await next_of(handler.handled, [later], 1)
    return poison


async def test_poison_event_is_parked_and_the_next_one_comes(client: AsyncClient) -> None:
    name, handler = durable(), Poisoned()
    poison = await parked_one(client, name, handler)
    assert handler.tries == 2
    (parked,) = await client.auth.events.parked(name)
    assert (parked.event.user_id, parked.event.type) == (poison, "UserBlocked")
    assert (parked.tries, parked.error, parked.retrying) == (2, "LookupError", False)
    message = await (await jetstream(client)).get_msg(
        parking.PARKED_STREAM, seq=1, subject=f"users.v1.parked.{name}.*", next=True
    )
    assert b"secret" not in (message.data or b"")
    assert poison.encode() not in (message.data or b"")
    assert await client.auth.events.parked(durable()) == []


async def test_parked_event_is_retried_on_request(client: AsyncClient) -> None:
    name, handler = durable(), Poisoned()
    poison = await parked_one(client, name, handler)
    (before,) = await client.auth.events.parked(name)
    assert await client.auth.events.retry_parked(name) == [before.event.position]

    async def failed_again() -> bool:
        (parked,) = await client.auth.events.parked(name)
        return (parked.tries, parked.retrying) == (3, False)

    await until(failed_again)
    handler.poison = ""
    assert await client.auth.events.retry_parked(name, before.event.position) == [before.event.position]
    (found,) = await next_of(handler.handled, [poison], 1)
    assert found == before.event

    async def nothing_is_parked() -> bool:
        return await client.auth.events.parked(name) == []

    await until(nothing_is_parked)
    with pytest.raises(ValueError, match="has no event at position"):
        await client.auth.events.retry_parked(name, before.event.position)


async def test_retry_waits_for_the_subscription(client: AsyncClient) -> None:
    name, handler = durable(), Poisoned()
    poison = await parked_one(client, name, handler)
    await client.auth.events.stop()
    await client.auth.events.retry_parked(name)
    (parked,) = await client.auth.events.parked(name)
    assert parked.retrying
    handler.poison = ""
    await client.auth.events.subscribe("UserBlocked", durable=name, park_after=2, handler=handler)
    await next_of(handler.handled, [poison], 1)


async def test_retry_whose_handler_was_stopped_comes_again(client: AsyncClient) -> None:
    name, handler = durable(), Poisoned()
    poison = await parked_one(client, name, handler)
    await client.auth.events.stop()
    await client.auth.events.retry_parked(name)
    begun = asyncio.Event()

    async def hangs(_: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    subscription = await client.auth.events.subscribe("UserBlocked", durable=name, park_after=2, handler=hangs)
    await asyncio.wait_for(begun.wait(), 20)
    await subscription.stop()
    handler.poison = ""
    await client.auth.events.subscribe("UserBlocked", durable=name, park_after=2, handler=handler)
    await next_of(handler.handled, [poison], 1)


async def test_retry_that_kills_its_process_is_parked_again(client: AsyncClient) -> None:
    name, handler = durable(), Poisoned()
    poison = await blocked_user(client)
    message = await delivered(await short_durable(client, durable()), poison)
    position, sequence = int((message.headers or {})["ce-sequence"]), message.metadata.sequence.stream
    context = await jetstream(client)
    await parking.write(context, name, Note.given_up(position, sequence, 2, LookupError()))
    await client.auth.events.retry_parked(name)
    # The durable of the retries, whose messages come again soon, as if their process had been killed.
    config = ConsumerConfig(
        durable_name=name,
        filter_subject=parking.subjects(name),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=0.05,
        max_ack_pending=1,
    )
    await context.add_consumer(parking.PARKED_STREAM, config)
    pulling = await context.pull_subscribe_bind(name, parking.PARKED_STREAM)
    async with asyncio.timeout(30):
        while (message := (await pulling.fetch(1, timeout=10))[0]).metadata.num_delivered < 12:
            pass
    await message.nak()  # At once: `subscribe` lengthens the wait.
    await pulling.unsubscribe()
    await client.auth.events.subscribe("UserBlocked", durable=name, start="new", park_after=2, handler=handler)

    async def is_parked_again() -> bool:
        (parked,) = await client.auth.events.parked(name)
        return (parked.error, parked.retrying) == (None, False)

    await until(is_parked_again)
    assert handler.handled.empty()


NOTE = {"state": "retry", "position": 1, "sequence": 1, "tries": 1, "error": None, "at": "2026-11-30T00:00:00Z"}


@pytest.mark.parametrize(
    "note",
    [
        b"[]",
        b"{}",
        *(
            json.dumps({**NOTE, **fault}).encode()
            for fault in (
                {"position": 10**12, "sequence": 10**12},
                {"position": "1"},
                {"position": True},
                {"sequence": 0},
                {"tries": None},
                {"at": "yesterday"},
                {"at": 5},
                {"state": "odd"},
            )
        ),
    ],
)
async def test_malformed_parked_note_does_not_hide_other_parked_events(client: AsyncClient, note: bytes) -> None:
    name, handler = durable(), Poisoned()
    poison = await parked_one(client, name, handler)
    await (await jetstream(client)).publish(f"users.v1.parked.{name}.1", note, stream=parking.PARKED_STREAM)
    assert [each.event.user_id for each in await client.auth.events.parked(name)] == [poison]
    handler.poison = ""
    await client.auth.events.retry_parked(name)
    await next_of(handler.handled, [poison], 1)


async def test_parked_event_is_found_after_the_stream_was_refilled(client: AsyncClient) -> None:
    name, handler = durable(), Poisoned()
    poison = await parked_one(client, name, handler)
    context = await jetstream(client)
    ((at, note),) = (await parking.notes(context, name)).values()
    for wrong in (note.sequence + 1, 10**12):
        await parking.write(context, name, replace(note, sequence=wrong), replaces=at)
        ((at, _),) = (await parking.notes(context, name)).values()
        (parked,) = await client.auth.events.parked(name)
        assert (parked.event.user_id, parked.event.position) == (poison, note.position)


async def short_durable(client: AsyncClient, name: str) -> JetStreamContext.PullSubscription:
    """A durable whose unacknowledged events come again soon, as if their process had been killed."""
    context = await jetstream(client)
    await context.add_consumer(
        STREAM,
        ConsumerConfig(
            durable_name=name,
            filter_subject="users.v1.event.UserBlocked.*",
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=0.05,
            max_ack_pending=1,
        ),
    )
    return await context.pull_subscribe_bind(name, STREAM)


async def delivered(pulling: JetStreamContext.PullSubscription, user: str) -> Msg:
    """The event of a user, not acknowledged; those before it are."""
    async with asyncio.timeout(20):
        while True:
            for message in await pulling.fetch(1, timeout=10):
                if message.subject.endswith(user):
                    return message
                await message.ack_sync()


async def test_kill_between_parking_and_acknowledgement_loses_nothing(client: AsyncClient) -> None:
    name, handler = durable(), Poisoned()
    pulling = await short_durable(client, name)
    handler.poison = await blocked_user(client)
    message = await delivered(pulling, handler.poison)
    position, sequence = int((message.headers or {})["ce-sequence"]), message.metadata.sequence.stream
    await parking.write(await jetstream(client), name, Note.given_up(position, sequence, 2, LookupError()))
    # Here the process is killed: the event was parked, and is not acknowledged.
    await pulling.unsubscribe()
    await client.auth.events.subscribe("UserBlocked", durable=name, park_after=2, handler=handler)
    later = await blocked_user(client)
    await next_of(handler.handled, [later], 1)
    (parked,) = await client.auth.events.parked(name)
    assert parked.event.user_id == handler.poison


async def test_event_that_kills_its_process_is_parked_unhandled(client: AsyncClient) -> None:
    name, handler = durable(), Poisoned()
    pulling = await short_durable(client, name)
    handler.poison = await blocked_user(client)
    message = await delivered(pulling, handler.poison)
    async with asyncio.timeout(30):
        while message.metadata.num_delivered < 12:
            message = await delivered(pulling, handler.poison)
    await pulling.unsubscribe()
    await client.auth.events.subscribe("UserBlocked", durable=name, park_after=2, handler=handler)
    later = await blocked_user(client)
    await next_of(handler.handled, [later], 1)
    assert handler.tries == 0
    (parked,) = await client.auth.events.parked(name)
    assert (parked.event.user_id, parked.error) == (handler.poison, None)


async def test_event_that_cannot_be_parked_is_tried_again(
    client: AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    name, handler = durable(), Poisoned()
    await client.auth.events.subscribe("UserBlocked", durable=name, start="new", park_after=1, handler=handler)
    connection = await client._transport.connection()  # pyright: ignore[reportPrivateUsage]
    for position in range(1, 1000):  # As many as one durable may have parked.
        await connection.publish(f"users.v1.parked.{name}.{10**9 + position}", b"{}")
    await connection.request(f"users.v1.parked.{name}.{2 * 10**9}", b"{}", timeout=20)
    poison = await new_user(client)
    handler.poison = poison
    await client.auth.users.block(poison)

    async def was_tried_again() -> bool:
        return handler.tries >= 2

    await until(was_tried_again)
    assert "cannot be parked" in caplog.text
    handler.poison = ""
    await next_of(handler.handled, [poison], 1)


async def test_park_after_without_durable_or_below_one_is_refused(client: AsyncClient) -> None:
    with pytest.raises(ValueError, match="durable"):
        await client.auth.events.subscribe("UserBlocked", park_after=1, handler=lambda _: None)
    with pytest.raises(ValueError, match="at least one"):
        await client.auth.events.subscribe("UserBlocked", durable=durable(), park_after=0, handler=lambda _: None)


def test_blocking_client_parks_and_retries(denizen: Denizen) -> None:
    name, failing, done = durable(), threading.Event(), threading.Event()
    failing.set()
    with Client(denizen.nats_url) as client:
        user = client.auth.users.create(email=f"{secrets.token_hex(8)}@example.com")

        def handle(event: Event) -> None:
            if event.user_id == user.id and failing.is_set():
                raise LookupError
            if event.user_id == user.id:
                done.set()
            elif event.user_id == later.id:
                passed.set()

        passed = threading.Event()
        later = client.auth.users.create(email=f"{secrets.token_hex(8)}@example.com")
        client.auth.events.subscribe("UserBlocked", durable=name, start="new", park_after=1, handler=handle)
        client.auth.users.block(user.id)
        client.auth.users.block(later.id)
        assert passed.wait(20)
        (parked,) = client.auth.events.parked(name)
        failing.clear()
        assert client.auth.events.retry_parked(name) == [parked.event.position]
        assert done.wait(20)


async def test_subscriber_may_park_and_a_front_end_may_not(nats_server: NatsServer) -> None:
    from services.relay import publishing

    relay = await nats.connect(
        nats_server.url, user="relay", password=nats_server.passwords["relay"], inbox_prefix="_INBOX.relay"
    )
    await publishing.declare(relay, 1)
    await publishing.declare_parked(relay, 1)
    last = (await relay.jetstream().stream_info(STREAM)).state.last_seq
    headers = {
        "ce-id": "1",
        "ce-type": "users.v1.UserBlocked",
        "ce-subject": "user_x",
        "ce-time": "2026-11-24T12:00:00Z",
        "ce-sequence": str(last + 1),
    }
    name, handler = durable(), Poisoned()
    handler.poison = "user_x"
    credentials: dict[str, Any] = {"user": "subscriber", "password": nats_server.passwords["subscriber"]}
    async with AsyncClient(nats_server.url, **credentials) as client:
        await client.auth.events.subscribe("UserBlocked", durable=name, start=last + 1, park_after=1, handler=handler)
        await relay.request(
            "users.v1.event.UserBlocked.user_x", b'{"userId":"user_x","version":1,"status":"BLOCKED"}', headers=headers
        )
        (parked,) = await until(lambda: client.auth.events.parked(name))
        assert parked.event.user_id == "user_x"
        handler.poison = ""
        await client.auth.events.retry_parked(name)
        await next_of(handler.handled, ["user_x"], 1)
    credentials = {"user": "frontend", "password": nats_server.passwords["frontend"]}
    async with AsyncClient(nats_server.url, **credentials) as client:
        with pytest.raises(NoAnswer):
            await client.auth.events.parked(name)
    await relay.close()
