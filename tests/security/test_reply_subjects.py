"""A caller chooses the reply subject, and with it where we publish (threats: forged events, purged streams)."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import cast

import nats
import pytest
from denizen.revocations import Watch
from nats.aio.client import Client
from nats.js.api import StreamState

from tests.support.servers import Denizen

STREAM = "USERS_EVENTS"
BUCKET = "KV_users_revocations"
UNKNOWN = "user_01h455vb4pex5vsknk084sn02q"
ATTACKS = [
    f"users.v1.event.UserBlocked.{UNKNOWN}",
    "$JS.API.STREAM.PURGE.USERS_EVENTS",
    "$JS.API.STREAM.DELETE.USERS_EVENTS",
    "$JS.API.STREAM.MSG.DELETE.USERS_EVENTS",
    "$JS.API.CONSUMER.DELETE.USERS_EVENTS.billing",
    "$JS.ACK.USERS_EVENTS.billing.1.1.1.1.0",
    "$SYS.REQ.SERVER.PING",
    f"$KV.users_revocations.user.{UNKNOWN}",
    "$JS.API.STREAM.PURGE.KV_users_revocations",
    "$JS.API.STREAM.DELETE.KV_users_revocations",
    f"users.v1.revocation.user.{UNKNOWN}",
    "users.v1.command.BlockUser",
    "denizen.signal.denizen.log",
    "_INBOX.relay.x",
    "_INBOX.signal.x",
    "_INBOX.responder.x",
    "_INBOX.registrar.x",
    "_INBOX.revoker.x",
    "_INBOX",
    "_INBOX.",
    "_INBOXES.x",
]


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Client]:
    client = await nats.connect(denizen.nats_url, inbox_prefix=b"_INBOX.backend")
    yield client
    await client.close()


async def create(client: Client) -> int:
    """Create a user; the position in the log."""
    body = json.dumps({"email": f"{secrets.token_hex(8)}@example.com"}).encode()
    reply = await client.request("users.v1.command.CreateUser", body, timeout=5)
    position: int = json.loads(reply.data)["position"]
    return position


async def published_up_to(client: Client, position: int) -> StreamState:
    """The stream's state, once the event at this position is its last."""
    async with asyncio.timeout(10):
        while True:
            state = (await client.jetstream().stream_info(STREAM)).state
            if state.last_seq:
                last = await client.jetstream().get_msg(STREAM, state.last_seq)
                if int(cast(dict[str, str], last.headers)["ce-sequence"]) >= position:
                    return state
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "operation",
    [
        "command.CreateUser",
        "command.BlockUser",
        "query.GetUser",
        "query.ListUsers",
        "subscriber.FollowEvents.reply",
        "subscriber.SetParkedEvent.reply",
    ],
)
async def test_reply_subject_of_a_caller_changes_no_stream(backend: Client, operation: str) -> None:
    before = await published_up_to(backend, await create(backend))
    bodies = [b"{}", json.dumps({"userId": UNKNOWN}).encode(), b"not JSON"]
    if operation == "command.CreateUser":
        bodies = [b"{}", b"not JSON"]  # Whatever is valid would be stored, and published as it should be.
    for subject in ATTACKS:
        for body in bodies:
            await backend.publish(f"users.v1.{operation}", body, reply=subject)
    await backend.publish("$SRV.PING.users", b"", reply=ATTACKS[0])
    await backend.publish("$SRV.INFO.users", b"", reply=ATTACKS[1])
    after = await published_up_to(backend, await create(backend))
    assert (after.messages, after.first_seq, after.last_seq) == (
        before.messages + 1,
        before.first_seq,
        before.last_seq + 1,
    )


async def test_valid_command_with_a_hostile_reply_forges_nothing(backend: Client) -> None:
    seen: list[str] = []

    async def note(message: object) -> None:
        seen.append(str(message))

    await backend.subscribe(f"users.v1.event.*.{UNKNOWN}", cb=note)
    for subject in ATTACKS:
        body = json.dumps({"email": f"{secrets.token_hex(8)}@example.com"}).encode()
        await backend.publish("users.v1.command.CreateUser", body, reply=subject)
    state = await published_up_to(backend, await create(backend))
    jetstream = backend.jetstream()
    for sequence in range(max(1, state.last_seq - 2 * len(ATTACKS)), state.last_seq + 1):
        message = await jetstream.get_msg(STREAM, sequence)
        assert UNKNOWN not in str(message.subject)
    assert seen == []


async def test_jetstream_replies_change_no_stream(backend: Client) -> None:
    """JetStream answers where the asker says, with its own rights: across accounts, nothing listens there."""
    before = await published_up_to(backend, await create(backend))
    subscription = await backend.jetstream().pull_subscribe("users.v1.event.>", stream=STREAM)
    consumer = (await subscription.consumer_info()).name
    for subject in ATTACKS[:4]:
        await backend.publish(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{consumer}", b'{"batch":5}', reply=subject)
        await backend.publish(f"$JS.API.STREAM.INFO.{STREAM}", b"", reply=subject)
        await backend.publish(f"$JS.API.STREAM.MSG.GET.{STREAM}", b'{"seq":1}', reply=subject)
    after = await published_up_to(backend, await create(backend))
    assert (after.messages, after.first_seq) == (before.messages + 1, before.first_seq)


async def test_hostile_reply_subject_revokes_no_token(backend: Client) -> None:
    """Neither an answer nor what a push consumer delivers gets into the bucket, or to a verifier as an entry."""
    watch = Watch()
    await published_up_to(backend, await create(backend))
    await watch.prove(backend, 5)
    before = json.loads((await backend.request(f"$JS.API.STREAM.INFO.{BUCKET}", timeout=5)).data)["state"]
    for subject in (f"$KV.users_revocations.user.{UNKNOWN}", f"users.v1.revocation.user.{UNKNOWN}"):
        await backend.publish(f"$JS.API.DIRECT.GET.{BUCKET}", b'{"seq":1}', reply=subject)
        await backend.publish(f"$JS.API.STREAM.MSG.GET.{STREAM}", b'{"seq":1}', reply=subject)
        await backend.publish("users.v1.query.ListUsers", b"{}", reply=subject)
        config = {"deliver_subject": subject, "deliver_policy": "all", "ack_policy": "none"}
        body = json.dumps({"stream_name": STREAM, "config": config}).encode()
        await backend.request(f"$JS.API.CONSUMER.CREATE.{STREAM}", body, timeout=5)
    await published_up_to(backend, await create(backend))
    await watch.prove(backend, 5)
    after = json.loads((await backend.request(f"$JS.API.STREAM.INFO.{BUCKET}", timeout=5)).data)["state"]
    assert (after["messages"], after["last_seq"]) == (before["messages"], before["last_seq"])
    assert watch.table.get(f"user.{UNKNOWN}") == -1


@pytest.mark.parametrize("length", [207, 208, 4_070])
async def test_long_inbox_is_answered(backend: Client, length: int) -> None:
    inbox = ("_INBOX.backend." + "x" * length)[:length]
    answers = await backend.subscribe(inbox)
    await backend.publish("users.v1.query.GetJwks", b"", reply=inbox)
    assert b"keys" in (await answers.next_msg(timeout=5)).data
    assert await create(backend), "the service is still connected"
