"""The stream of events may lose its tail in a crash: the log fills it again, and no subscriber misses an event."""

import json
import shutil
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext

from tests.support.servers import Denizen

STREAM = "USERS_EVENTS"


async def connect(denizen: Denizen) -> Client:
    return await nats.connect(denizen.nats_url, inbox_prefix=b"_INBOX.backend")


async def create_users(client: Client, numbers: range) -> None:
    for number in numbers:
        body = json.dumps({"email": f"user{number}@example.com"}).encode()
        reply = await client.request("users.v1.command.CreateUser", body, timeout=5)
        assert "user" in json.loads(reply.data)


async def take(subscription: JetStreamContext.PullSubscription, count: int) -> list[tuple[int, int, str]]:
    """The next events, acknowledged: sequence of the stream, position in the log, id."""
    taken: list[tuple[int, int, str]] = []
    while len(taken) < count:
        for message in await subscription.fetch(count - len(taken), timeout=10):
            headers = message.headers or {}
            taken.append((message.metadata.sequence.stream, int(headers["ce-sequence"]), headers["ce-id"]))
            await message.ack_sync()
    return taken


@pytest.mark.slow
async def test_lost_stream_tail_is_published_and_delivered_again(own_denizen: Denizen) -> None:
    client = await connect(own_denizen)
    await create_users(client, range(20))
    subscription = await client.jetstream().pull_subscribe("users.v1.event.>", "billing", STREAM)
    await take(subscription, 20)
    await client.close()
    assert own_denizen.stop() == 0
    (messages,) = (own_denizen.home / "nats").glob(f"**/streams/{STREAM}/msgs")
    kept = Path(shutil.copytree(messages, own_denizen.home.parent / "kept"))

    own_denizen.start()
    client = await connect(own_denizen)
    subscription = await client.jetstream().pull_subscribe_bind("billing", STREAM)
    await create_users(client, range(20, 40))
    seen = await take(subscription, 20)
    await client.close()
    assert own_denizen.stop() == 0
    shutil.rmtree(messages)
    shutil.copytree(kept, messages)

    own_denizen.start()
    client = await connect(own_denizen)
    subscription = await client.jetstream().pull_subscribe_bind("billing", STREAM)
    assert await take(subscription, 20) == seen
    await create_users(client, range(40, 41))
    assert [position for _, position, _ in await take(subscription, 1)] == [41]
    await client.close()
