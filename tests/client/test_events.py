"""Durable subscriptions of the Python clients: each event, in order, and again where its handler failed."""

import asyncio
import queue
import secrets
import threading
from collections.abc import AsyncIterator

import pytest
from denizen import AsyncClient, Client, Event
from denizen.events import STREAM, Subscription
from denizen.following import Follower
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext

from tests.support.servers import Denizen


@pytest.fixture
async def client(denizen: Denizen) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(denizen.nats_url) as connected:
        yield connected


def durable() -> str:
    """A name that no other test uses."""
    return f"test-{secrets.token_hex(6)}"


async def asked(client: AsyncClient, name: str) -> JetStreamContext:
    """JetStream, as this client may use it, once the durable has asked for its next event."""
    found = (await client._transport.connection()).jetstream()  # pyright: ignore[reportPrivateUsage]
    async with asyncio.timeout(10):
        while not (await found.consumer_info(STREAM, name)).num_waiting:
            await asyncio.sleep(0.01)
    return found


def main_follower(subscription: Subscription) -> Follower:
    return subscription._followers[0]  # pyright: ignore[reportPrivateUsage]


async def users_blocked(client: AsyncClient, count: int) -> list[str]:
    """New users, created and blocked one after another."""
    blocked: list[str] = []
    for _ in range(count):
        user = await client.auth.users.create(email=f"{secrets.token_hex(8)}@example.com")
        blocked.append((await client.auth.users.block(user.id)).id)
    return blocked


async def next_of(events: asyncio.Queue[Event], users: list[str]) -> list[Event]:
    """The next events of these users; those of other tests are passed over."""
    found: list[Event] = []
    async with asyncio.timeout(10):
        while len(found) < len(users):
            event = await events.get()
            if event.user_id in users:
                found.append(event)
    return found


async def test_subscription_gets_events_in_the_order_of_the_log(client: AsyncClient) -> None:
    events: asyncio.Queue[Event] = asyncio.Queue()
    subscription = await client.auth.events.subscribe("UserBlocked", durable=durable(), handler=events.put)
    users = await users_blocked(client, 5)
    found = await next_of(events, users)
    assert [event.user_id for event in found] == users
    assert [event.type for event in found] == ["UserBlocked"] * 5
    assert [event.data.status for event in found] == ["BLOCKED"] * 5
    assert sorted(event.position for event in found) == [event.position for event in found]
    await subscription.stop()


@pytest.mark.parametrize("failure", [LookupError("not today"), asyncio.CancelledError()])
async def test_failed_event_comes_again_before_later_events(
    client: AsyncClient, caplog: pytest.LogCaptureFixture, failure: BaseException
) -> None:
    events: asyncio.Queue[Event] = asyncio.Queue()
    users: list[str] = []
    failures = iter([True, True])

    async def handle(event: Event) -> None:
        if users and event.user_id == users[0] and next(failures, False):
            raise failure
        await events.put(event)

    subscription = await client.auth.events.subscribe("UserBlocked", durable=durable(), handler=handle)
    user = await client.auth.users.create(email=f"{secrets.token_hex(8)}@example.com")
    users.append(user.id)
    await client.auth.users.block(user.id)
    users += await users_blocked(client, 2)
    assert [event.user_id for event in await next_of(events, users)] == users
    await subscription.stop()
    assert caplog.text.count("failed on event") == 2


async def test_durable_continues_where_it_stopped(client: AsyncClient) -> None:
    name = durable()
    events: asyncio.Queue[Event] = asyncio.Queue()
    subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=events.put)
    await next_of(events, await users_blocked(client, 2))
    await subscription.stop()
    missed = await users_blocked(client, 3)
    later: asyncio.Queue[Event] = asyncio.Queue()
    subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=later.put)
    assert [event.user_id for event in await next_of(later, missed)] == missed
    assert later.empty()
    await subscription.stop()


async def test_events_requested_by_a_stopped_process_go_to_the_next(client: AsyncClient) -> None:
    name = durable()
    for stopped_after in range(8):  # turns of the loop: before, while and after it asks for the next event
        subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=lambda _: None)
        for _ in range(stopped_after):
            await asyncio.sleep(0)
        await subscription.stop()
        users = await users_blocked(client, 1)
        events: asyncio.Queue[Event] = asyncio.Queue()
        subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=events.put)
        await next_of(events, users)
        await subscription.stop()


async def test_event_of_a_stopped_handler_comes_again_at_once(client: AsyncClient) -> None:
    name = durable()
    users: list[str] = []
    begun = asyncio.Event()

    async def handle(event: Event) -> None:
        if event.user_id in users:
            begun.set()
            await asyncio.Event().wait()

    subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=handle)
    user = await client.auth.users.create(email=f"{secrets.token_hex(8)}@example.com")
    users.append(user.id)
    await client.auth.users.block(user.id)
    async with asyncio.timeout(10):
        await begun.wait()
    await subscription.stop()
    events: asyncio.Queue[Event] = asyncio.Queue()
    subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=events.put)
    await next_of(events, users)
    await subscription.stop()


async def test_event_whose_thread_still_runs_is_not_redelivered(client: AsyncClient) -> None:
    name = durable()
    begun, may_end = threading.Event(), threading.Event()

    def handle(_: Event) -> None:
        begun.set()
        may_end.wait(30)

    await users_blocked(client, 1)
    subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=handle)
    assert await asyncio.to_thread(begun.wait, 10)
    await subscription.stop()
    events: asyncio.Queue[Event] = asyncio.Queue()
    subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=events.put)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await events.get()
    may_end.set()
    await subscription.stop()


async def test_stop_amid_many_events_loses_none(client: AsyncClient) -> None:
    """Nothing is handled after it, and nothing has to wait until it is late: the next one has the rest at once."""
    users = set(await users_blocked(client, 150))
    for stopped_after in range(1, 60, 7):
        name, handled, enough = durable(), set[str](), asyncio.Event()

        async def handle(event: Event, handled: set[str] = handled, enough: asyncio.Event = enough) -> None:
            handled.add(event.user_id)
            if len(handled) == stopped_after:  # noqa: B023 - within the turn of the loop
                enough.set()

        subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=handle)
        async with asyncio.timeout(10):
            await enough.wait()
        before = len(handled)
        async with asyncio.timeout(10):
            await subscription.stop()
        assert len(handled) <= before + 1, "the one under way"
        rest: asyncio.Queue[Event] = asyncio.Queue()
        subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=rest.put)
        await next_of(rest, list(users - handled))
        await subscription.stop()


async def test_handler_can_stop_its_subscription(client: AsyncClient) -> None:
    handled: list[str] = []

    async def handle(event: Event) -> None:
        handled.append(event.user_id)
        await subscription.stop()

    await users_blocked(client, 2)
    subscription = await client.auth.events.subscribe("UserBlocked", durable=durable(), handler=handle)
    ended = asyncio.create_task(subscription.wait())
    await asyncio.wait([ended], timeout=10)
    assert ended.done()
    assert len(handled) == 1


async def test_subscription_resumes_as_soon_as_nats_is_back(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, events = durable(), asyncio.Queue[Event]()
    subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=events.put)
    bind, failures = subscription._bind, iter([True, True])  # pyright: ignore[reportPrivateUsage]

    async def fails_twice() -> JetStreamContext.PullSubscription:
        if next(failures, False):
            raise NatsTimeoutError
        return await bind()

    monkeypatch.setattr(main_follower(subscription), "_bind", fails_twice)
    await (await asked(client, name)).delete_consumer(STREAM, name)
    await next_of(events, await users_blocked(client, 1))
    assert next(failures, None) is None
    await subscription.stop()


async def test_wait_raises_what_ended_the_subscription(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    name = durable()
    subscription = await client.auth.events.subscribe("UserBlocked", durable=name, handler=lambda _: None)

    async def follows_others() -> JetStreamContext.PullSubscription:
        raise ValueError("follows others")

    monkeypatch.setattr(main_follower(subscription), "_bind", follows_others)
    await (await asked(client, name)).delete_consumer(STREAM, name)
    with pytest.raises(ValueError, match="follows others"):
        async with asyncio.timeout(20):
            await subscription.wait()
    await subscription.stop()


async def test_wait_can_be_cancelled(client: AsyncClient) -> None:
    subscription = await client.auth.events.subscribe("UserBlocked", durable=durable(), handler=lambda _: None)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await subscription.wait()
    await subscription.stop()


async def test_malformed_durable_name_is_refused(client: AsyncClient) -> None:
    def handle(event: Event) -> None:
        raise AssertionError(event)

    with pytest.raises(ValueError, match="type"):
        await client.auth.events.subscribe("User>", durable=durable(), handler=handle)
    with pytest.raises(ValueError, match="durable"):
        await client.auth.events.subscribe("UserBlocked", durable="bill.ing", handler=handle)


async def test_durable_of_other_types_is_refused(client: AsyncClient) -> None:
    name = durable()
    subscription = await client.auth.events.subscribe("UserUnblocked", durable=name, handler=lambda _: None)
    await subscription.stop()
    with pytest.raises(ValueError, match=r"follows users\.v1\.event\.UserUnblocked"):
        await client.auth.events.subscribe("UserBlocked", durable=name, handler=lambda _: None)


def test_blocking_handler_can_use_its_client(denizen: Denizen) -> None:
    found: queue.Queue[str] = queue.Queue()
    with Client(denizen.nats_url) as client:
        user = client.auth.users.create(email=f"{secrets.token_hex(8)}@example.com")

        def handle(event: Event) -> None:
            if event.user_id == user.id:
                found.put(client.auth.users.get(event.user_id).status)

        subscription = client.auth.events.subscribe("UserBlocked", durable=durable(), handler=handle)
        client.auth.users.block(user.id)
        assert found.get(timeout=10) == "BLOCKED"
        subscription.stop()
