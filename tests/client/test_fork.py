"""Clients after a fork (gunicorn, Celery), and on a second event loop: they work, or say at once what is wrong."""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import pytest
from denizen import (
    AsyncClient,
    AsyncTokenVerifier,
    Client,
    TokenVerifier,
    UsedAfterFork,
    UserNotFound,
    WrongEventLoop,
)

from tests.support.backend import email
from tests.support.quiet import takes_less_than
from tests.support.servers import Denizen

UNKNOWN = "user_01h455vb4pex5vsknk084sn02q"


def _in_child(work: Callable[[], object]) -> tuple[str, str, float]:
    """Run it in a forked child: the name and the words of its result or error, and the seconds that it took."""

    def report(end: Connection) -> None:
        began = time.monotonic()
        try:
            name, said = "done", str(work())
        except BaseException as error:  # noqa: BLE001 - the parent is told
            name, said = type(error).__name__, str(error)
        end.send((name, said, time.monotonic() - began))

    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=report, args=(theirs,))
    child.start()
    try:
        assert ours.poll(30), "the child hangs"
        told: tuple[str, str, float] = ours.recv()
        child.join(30)
        assert child.exitcode == 0, "the child does not end"
        return told
    finally:
        child.kill()
        child.join()


def _expect_fork_named(outcome: tuple[str, str, float]) -> None:
    name, said, seconds = outcome
    assert name == UsedAfterFork.__name__
    assert f"forked from process {os.getpid()}" in said
    assert seconds < 3


def test_client_used_before_a_fork_names_the_fork_in_the_child(denizen: Denizen) -> None:
    with Client(denizen.nats_url) as client:
        user = client.auth.users.create(email=email())
        _expect_fork_named(_in_child(lambda: client.auth.users.get(user.id)))
        _expect_fork_named(_in_child(lambda: client.auth.users.create(email=email())))
        _expect_fork_named(_in_child(client.connect))
        _expect_fork_named(
            _in_child(lambda: client.auth.events.subscribe("*", durable="forked", handler=lambda _: None))
        )
        # The child leaves the parent's connection alone, also where it closes what it was handed.
        assert _in_child(client.close)[0] == "done"
        assert client.auth.users.get(user.id).id == user.id


def test_client_not_used_before_a_fork_works_in_parent_and_child(denizen: Denizen) -> None:
    with Client(denizen.nats_url) as client:
        assert _in_child(lambda: client.auth.users.create(email=email()))[0] == "done"
        assert client.auth.users.create(email=email())


def test_client_made_in_the_child_works(denizen: Denizen) -> None:
    def work() -> str:
        with Client(denizen.nats_url) as own:
            return own.auth.users.create(email=email()).id

    with Client(denizen.nats_url) as client:
        client.connect()
        assert _in_child(work)[0] == "done"
        assert client.auth.users.create(email=email())


def test_subscription_before_a_fork_ends_in_the_child(denizen: Denizen) -> None:
    with Client(denizen.nats_url) as client:
        subscription = client.auth.events.subscribe("*", durable="before-fork", handler=lambda _: None)
        _expect_fork_named(_in_child(subscription.stop))
        _expect_fork_named(_in_child(subscription.wait))
        subscription.stop()


def test_verifier_connected_before_a_fork_names_it_in_the_child(denizen: Denizen) -> None:
    with TokenVerifier(denizen.nats_url) as verifier:
        _expect_fork_named(_in_child(lambda: verifier.verify("a.b.c")))
        _expect_fork_named(_in_child(verifier.connect))
        assert _in_child(lambda: verifier.fresh)[:2] == ("done", "False")
        assert _in_child(verifier.close)[0] == "done"
        assert verifier.fresh


def test_verifier_not_connected_before_a_fork_works_in_the_child(denizen: Denizen) -> None:
    verifier = TokenVerifier(denizen.nats_url)

    def work() -> bool:
        with verifier:
            return verifier.fresh

    assert _in_child(work)[:2] == ("done", "True")
    verifier.close()


async def test_async_client_used_before_a_fork_names_it_in_the_child(denizen: Denizen) -> None:
    async with AsyncClient(denizen.nats_url) as client, AsyncTokenVerifier(denizen.nats_url) as verifier:
        user = await client.auth.users.create(email=email())

        _expect_fork_named(_in_child(lambda: asyncio.run(_get(client, user.id))))
        _expect_fork_named(_in_child(lambda: verifier.verify("a.b.c")))
        assert (await client.auth.users.get(user.id)).id == user.id


async def _get(client: AsyncClient, user_id: str) -> object:
    return await client.auth.users.get(user_id)


def test_async_client_on_a_second_loop_after_the_first_works(denizen: Denizen) -> None:
    async def look(client: AsyncClient) -> None:
        with pytest.raises(UserNotFound):
            await _get(client, UNKNOWN)

    def leave_open() -> None:
        client = AsyncClient(denizen.nats_url)
        for _ in range(3):
            asyncio.run(look(client))
        asyncio.run(client.close())

    async def look_and_close(client: AsyncClient) -> None:
        async with client:
            await look(client)

    client = AsyncClient(denizen.nats_url)
    for _ in range(3):
        asyncio.run(look_and_close(client))
    assert _in_child(leave_open)[0] == "done"


def test_async_client_on_a_second_live_loop_says_so_at_once(denizen: Denizen) -> None:
    client = AsyncClient(denizen.nats_url)
    first = asyncio.new_event_loop()
    try:
        with pytest.raises(UserNotFound):
            first.run_until_complete(_get(client, UNKNOWN))
        with takes_less_than(3), pytest.raises(WrongEventLoop):
            asyncio.run(_get(client, UNKNOWN))
        first.run_until_complete(client.close())
    finally:
        first.close()


def test_async_verifier_on_a_second_loop_listens_again(denizen: Denizen) -> None:
    verifier = AsyncTokenVerifier(denizen.nats_url, stale_after=0.5)

    async def listen() -> None:
        await verifier.connect()
        began = time.monotonic()
        while time.monotonic() - began < 1:  # Longer than it is fresh without listening.
            await asyncio.sleep(0.05)
        assert verifier.fresh

    def work() -> None:
        asyncio.run(listen())
        asyncio.run(listen())
        asyncio.run(verifier.close())

    assert _in_child(work)[0] == "done"
