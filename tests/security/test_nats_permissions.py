"""What each NATS user may do, and may not: every line of deploy/nats/accounts.conf, on a real server."""

import asyncio
import json

import nats
import pytest
from denizen import AsyncClient, Event
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.relay import publishing
from tests.support.permissions import refused
from tests.support.servers import NatsServer

EVENT = "users.v1.event.UserBlocked.user_x"
REVOCATION = "$KV.users_revocations.user.user_x"
BUCKET = "KV_users_revocations"
WATCH = [f"$JS.API.STREAM.INFO.{BUCKET}", f"$JS.API.DIRECT.GET.{BUCKET}", f"$JS.API.STREAM.MSG.GET.{BUCKET}"]
"""What a verifier asks JetStream."""
NOT_THE_BUCKET = [
    REVOCATION,
    "users.v1.revocation.user.user_x",
    f"$JS.API.STREAM.CREATE.{BUCKET}",
    f"$JS.API.STREAM.UPDATE.{BUCKET}",
    f"$JS.API.STREAM.DELETE.{BUCKET}",
    f"$JS.API.STREAM.PURGE.{BUCKET}",
    f"$JS.API.STREAM.MSG.DELETE.{BUCKET}",
    f"$JS.API.CONSUMER.CREATE.{BUCKET}",
    f"$JS.API.CONSUMER.CREATE.{BUCKET}.x",
    f"$JS.API.CONSUMER.DURABLE.CREATE.{BUCKET}.x",
]
"""What none but the services that revoke may: change the bucket, or have it delivered wherever they say."""
PARKED = [
    "users.v1.parked.x.7",
    "$JS.API.STREAM.MSG.GET.USERS_PARKED",
    "$JS.API.CONSUMER.DURABLE.CREATE.USERS_PARKED.x",
    "$JS.API.CONSUMER.INFO.USERS_PARKED.x",
    "$JS.API.CONSUMER.MSG.NEXT.USERS_PARKED.x",
    "$JS.ACK.USERS_PARKED.x.1.1.1.1.0",
]
"""What a subscription asks that parks events and retries them."""
MAKING = [
    *(f"$JS.API.CONSUMER.DURABLE.CREATE.{name}.x" for name in ("USERS_EVENTS", "USERS_PARKED")),
    "$JS.API.CONSUMER.INFO.USERS_EVENTS.x",
    "users.v1.parked.x.7",
]
"""What the relay does for subscribers."""
NOT_PARKED = [f"$JS.API.STREAM.{verb}.USERS_PARKED" for verb in ("CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE")]
PUBLISH: dict[str, tuple[list[str], list[str]]] = {
    "responder": (
        ["_INBOX.backend.x", "_INBOX.operator.x.y", "_INBOX.frontend.x", "_INBOX.subscriber.x"],
        [
            EVENT,
            "users.v1.command.CreateUser",
            "$JS.API.STREAM.PURGE.USERS_EVENTS",
            "$JS.API.STREAM.INFO.USERS_EVENTS",
            "denizen.signal.denizen.log",
            "_INBOX.relay.x",
            "_INBOX.registrar.x",
            "_INBOX.signal.x",
            "_INBOX.responder.x",
            "_INBOX.revoker.x",
            *NOT_THE_BUCKET,
        ],
    ),
    "registrar": (
        ["_INBOX.backend.x", "_INBOX.operator.x.y", "_INBOX.subscriber-billing.x"],
        [
            EVENT,
            "users.v1.command.CreateUser",
            "users.v1.subscriber.FollowEvents.x",
            "denizen.signal.denizen.log",
            *(f"_INBOX.{user}.x" for user in ("responder", "registrar", "signal", "relay", "revoker")),
            *MAKING,
            *NOT_THE_BUCKET,
            *NOT_PARKED,
        ],
    ),
    "signal": (
        ["denizen.signal.denizen.log", "denizen.signal.other.applied"],
        [EVENT, REVOCATION, "_INBOX.backend.x", "users.v1.command.CreateUser", "$JS.API.STREAM.PURGE.USERS_EVENTS"],
    ),
    "relay": (
        [
            EVENT,
            "$JS.API.STREAM.INFO.USERS_EVENTS",
            "$JS.API.STREAM.CREATE.USERS_EVENTS",
            "$JS.API.STREAM.INFO.USERS_PARKED",
            "$JS.API.STREAM.CREATE.USERS_PARKED",
            *MAKING,
            REVOCATION,
            f"$JS.API.STREAM.CREATE.{BUCKET}",
            f"$JS.API.STREAM.INFO.{BUCKET}",
            f"$JS.API.DIRECT.GET.{BUCKET}.{REVOCATION}",
        ],
        [
            *NOT_THE_BUCKET[1:2],
            *NOT_THE_BUCKET[3:],
            "_INBOX.backend.x",
            "users.v1.command.CreateUser",
            "denizen.signal.denizen.log",
            "$JS.API.STREAM.PURGE.USERS_EVENTS",
            "$JS.API.STREAM.DELETE.USERS_EVENTS",
            "$JS.API.STREAM.MSG.DELETE.USERS_EVENTS",
            "$JS.API.STREAM.CREATE.OTHER",
            *NOT_PARKED[1:],
            *(each for each in PARKED if each not in MAKING),
            "$JS.API.CONSUMER.MSG.NEXT.USERS_EVENTS.x",
            "$JS.API.CONSUMER.DELETE.USERS_EVENTS.x",
            "users.v1.subscriber.FollowEvents.x",
        ],
    ),
    "revoker": (
        [
            REVOCATION,
            f"$JS.API.STREAM.CREATE.{BUCKET}",
            f"$JS.API.STREAM.INFO.{BUCKET}",
            f"$JS.API.DIRECT.GET.{BUCKET}.{REVOCATION}",
        ],
        [
            EVENT,
            "_INBOX.backend.x",
            "_INBOX.revoker.x",
            "users.v1.command.CreateUser",
            "denizen.signal.denizen.log",
            "$KV.other.x",
            "$JS.API.STREAM.CREATE.USERS_EVENTS",
            "$JS.API.STREAM.INFO.USERS_EVENTS",
            *NOT_THE_BUCKET[1:2],
            *NOT_THE_BUCKET[3:],
        ],
    ),
    "backend": (
        [
            "users.v1.command.CreateUser",
            "users.v1.public.Authenticate",
            "users.v1.self.GetMe",
            "users.v1.query.GetUser",
            "users.v1.submit.CreateUser",
            "users.v1.subscriber.FollowEvents.billing",
            "$SRV.PING.users",
            "$JS.API.CONSUMER.MSG.NEXT.USERS_EVENTS.billing",
            "$JS.ACK.USERS_EVENTS.billing.1.1.1.1.0",
            *WATCH,
            *PARKED,
            f"$JS.API.DIRECT.GET.{BUCKET}.{REVOCATION}",
        ],
        [
            EVENT,
            *NOT_THE_BUCKET,
            *NOT_PARKED,
            "users.v1.dead.CreateUser",
            "denizen.signal.denizen.log",
            "_INBOX.operator.x",
            "$JS.API.STREAM.CREATE.USERS_EVENTS",
            "$JS.API.STREAM.UPDATE.USERS_EVENTS",
            "$JS.API.STREAM.DELETE.USERS_EVENTS",
            "$JS.API.STREAM.PURGE.USERS_EVENTS",
            "$JS.API.STREAM.MSG.DELETE.USERS_EVENTS",
            "$JS.API.STREAM.CREATE.OTHER",
            "$JS.API.CONSUMER.CREATE.OTHER.x",
            "$SYS.REQ.SERVER.PING",
        ],
    ),
    "frontend": (
        [
            "users.v1.public.Authenticate",
            "users.v1.self.GetMe",
            "users.v1.query.GetJwks",
            "users.v1.query.GetSealingKey",
            "users.v1.query.VerifyToken",
            *WATCH,
        ],
        [
            EVENT,
            *NOT_THE_BUCKET,
            *NOT_PARKED,
            *PARKED,
            "users.v1.command.CreateUser",
            "users.v1.command.BlockUser",
            "users.v1.query.GetUser",
            "users.v1.query.GetUserByEmail",
            "users.v1.query.ListUsers",
            "users.v1.submit.CreateUser",
            "users.v1.subscriber.FollowEvents.x",
            "denizen.signal.denizen.log",
            "$SRV.PING.users",
            "_INBOX.backend.x",
            "_INBOX.frontend.x",
            "$JS.API.INFO",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.INFO.USERS_EVENTS",
            "$JS.API.STREAM.MSG.GET.USERS_EVENTS",
            "$JS.API.DIRECT.GET.USERS_EVENTS",
            "$JS.API.CONSUMER.CREATE.USERS_EVENTS",
            "$JS.API.CONSUMER.CREATE.USERS_EVENTS.x",
            "$JS.API.CONSUMER.DURABLE.CREATE.USERS_EVENTS.x",
            "$JS.API.CONSUMER.MSG.NEXT.USERS_EVENTS.billing",
            "$JS.ACK.USERS_EVENTS.billing.1.1.1.1.0",
        ],
    ),
    "subscriber": (
        [
            "users.v1.query.GetJwks",
            "users.v1.subscriber.FollowEvents.x",
            "users.v1.subscriber.SetParkedEvent.x",
            "$JS.API.INFO",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.INFO.USERS_EVENTS",
            "$JS.API.CONSUMER.CREATE.USERS_EVENTS",
            "$JS.API.CONSUMER.CREATE.USERS_EVENTS.x.users.v1.event.UserBlocked.*",
            "$JS.API.CONSUMER.DURABLE.CREATE.USERS_EVENTS.x",
            "$JS.API.CONSUMER.INFO.USERS_EVENTS.x",
            "$JS.API.CONSUMER.MSG.NEXT.USERS_EVENTS.x",
            "$JS.ACK.USERS_EVENTS.x.1.1.1.1.0",
            "$JS.FC.USERS_EVENTS.x.1",
            "$JS.API.STREAM.MSG.GET.USERS_EVENTS",
            *WATCH,
            *PARKED,
        ],
        [
            EVENT,
            *NOT_THE_BUCKET,
            *NOT_PARKED,
            "users.v1.command.CreateUser",
            "users.v1.public.Authenticate",
            "users.v1.self.GetMe",
            "users.v1.query.GetUser",
            "users.v1.query.VerifyToken",
            "users.v1.submit.CreateUser",
            "denizen.signal.denizen.log",
            "$SRV.PING.users",
            "_INBOX.backend.x",
            "_INBOX.subscriber.x",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.UPDATE.USERS_EVENTS",
            "$JS.API.STREAM.DELETE.USERS_EVENTS",
            "$JS.API.STREAM.PURGE.USERS_EVENTS",
            "$JS.API.CONSUMER.DELETE.USERS_EVENTS.x",
        ],
    ),
    "operator": (
        [
            "users.v1.command.CreateUser",
            "users.v1.subscriber.SetParkedEvent.x",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.INFO.OTHER",
            *WATCH,
            *PARKED[:2],
        ],
        [
            EVENT,
            *NOT_THE_BUCKET,
            *NOT_PARKED,
            "users.v1.public.Authenticate",
            "users.v1.self.GetMe",
            "denizen.signal.denizen.log",
            "$JS.API.STREAM.PURGE.USERS_EVENTS",
            "$JS.API.STREAM.DELETE.USERS_EVENTS",
            "$JS.API.STREAM.UPDATE.USERS_EVENTS",
        ],
    ),
}
SUBSCRIBE: dict[str, tuple[list[str], list[str]]] = {
    "responder": (
        ["users.v1.command.*", "users.v1.public.*", "users.v1.self.*", "users.v1.query.*", "$SRV.PING"],
        [
            "users.v1.event.>",
            "users.v1.revocation.>",
            "users.v1.subscriber.*.*",
            "_INBOX.>",
            "_INBOX.backend.>",
            "_INBOX.responder.>",
            "denizen.signal.>",
            ">",
        ],
    ),
    "registrar": (
        ["users.v1.subscriber.*.*", "$SRV.PING"],
        [
            "users.v1.command.*",
            "users.v1.public.*",
            "users.v1.self.*",
            "users.v1.query.*",
            "users.v1.event.>",
            "users.v1.revocation.>",
            "_INBOX.>",
            "_INBOX.subscriber.>",
            "_INBOX.registrar.>",
            "denizen.signal.>",
            ">",
        ],
    ),
    "signal": (["denizen.signal.>", "_INBOX.signal.>"], ["users.v1.command.*", "users.v1.event.>", "_INBOX.>", ">"]),
    "relay": (
        ["_INBOX.relay.>"],
        ["users.v1.command.*", "users.v1.event.>", "$KV.users_revocations.>", "_INBOX.backend.>", "_INBOX.>", ">"],
    ),
    "revoker": (
        ["_INBOX.revoker.>"],
        ["users.v1.command.*", "users.v1.event.>", "$KV.users_revocations.>", "_INBOX.relay.>", "_INBOX.>", ">"],
    ),
    "backend": (
        ["_INBOX.backend.>", "users.v1.event.>", "users.v1.revocation.>"],
        [
            "_INBOX.responder.>",
            "_INBOX.registrar.>",
            "_INBOX.signal.>",
            "_INBOX.relay.>",
            "_INBOX.operator.>",
            "_INBOX.frontend.>",
            "_INBOX.subscriber.>",
            "_INBOX.revoker.>",
            "users.v1.command.*",
            "users.v1.public.*",
            "users.v1.self.*",
            "$KV.users_revocations.>",
            "users.v1.query.GetUser",
            "denizen.signal.>",
            "$SYS.>",
            ">",
        ],
    ),
    "frontend": (
        ["_INBOX.frontend.>", "users.v1.revocation.>"],
        [
            "users.v1.event.>",
            "users.v1.public.*",
            "users.v1.self.*",
            "users.v1.command.*",
            "$KV.users_revocations.>",
            "_INBOX.backend.>",
            "_INBOX.subscriber.>",
            "_INBOX.>",
            "denizen.signal.>",
            ">",
        ],
    ),
    "subscriber": (
        ["_INBOX.subscriber.>", "users.v1.event.>", "users.v1.revocation.>"],
        [
            "users.v1.public.*",
            "users.v1.self.*",
            "users.v1.command.*",
            "users.v1.query.*",
            "$KV.users_revocations.>",
            "_INBOX.backend.>",
            "_INBOX.frontend.>",
            "_INBOX.>",
            "denizen.signal.>",
            ">",
        ],
    ),
    "operator": (
        ["_INBOX.operator.>", "users.v1.event.>", "users.v1.revocation.>"],
        ["_INBOX.backend.>", "_INBOX.>", "users.v1.command.*", "denizen.signal.>", ">"],
    ),
}


@pytest.mark.parametrize("user", PUBLISH)
async def test_nats_user_publishes_what_it_may_and_no_more(nats_server: NatsServer, user: str) -> None:
    allowed, forbidden = PUBLISH[user]
    assert await refused(nats_server, user, allowed, []) == []
    assert await refused(nats_server, user, forbidden, []) == forbidden


@pytest.mark.parametrize("user", SUBSCRIBE)
async def test_nats_user_subscribes_to_what_it_may_and_no_more(nats_server: NatsServer, user: str) -> None:
    allowed, forbidden = SUBSCRIBE[user]
    assert await refused(nats_server, user, [], allowed) == []
    assert await refused(nats_server, user, [], forbidden) == forbidden


async def test_inbox_wildcard_hears_no_reply_to_another_user(nats_server: NatsServer) -> None:
    """A back end may subscribe to `_INBOX.>`: the server leaves out what is denied to it."""
    heard: list[str] = []

    async def note(message: Msg) -> None:
        heard.append(message.subject)

    listener: Client = await nats.connect(nats_server.url)
    await listener.subscribe("_INBOX.>", cb=note)
    await listener.flush()
    responder = await nats.connect(
        nats_server.url, user="responder", password=nats_server.passwords["responder"], inbox_prefix="_INBOX.responder"
    )
    for inbox in ("_INBOX.operator.1", "_INBOX.frontend.1", "_INBOX.subscriber.1", "_INBOX.backend.1"):
        await responder.publish(inbox, b"")
    await responder.flush()
    async with asyncio.timeout(5):
        while "_INBOX.backend.1" not in heard:
            await asyncio.sleep(0.01)
    assert heard == ["_INBOX.backend.1"]
    await responder.close()
    await listener.close()


def test_every_nats_user_is_tested(nats_server: NatsServer) -> None:
    """But for the one of the system account, under which nothing of ours connects."""
    assert set(PUBLISH) == set(SUBSCRIBE) == set(nats_server.passwords) - {"system"}


async def test_subscriber_follows_events_by_a_durable_consumer(nats_server: NatsServer) -> None:
    relay = await nats.connect(
        nats_server.url, user="relay", password=nats_server.passwords["relay"], inbox_prefix="_INBOX.relay"
    )
    await publishing.declare(relay, 1)
    last = (await relay.jetstream().stream_info("USERS_EVENTS")).state.last_seq
    body = b'{"userId":"user_x","version":1,"status":"BLOCKED"}'
    headers = {
        "ce-id": "1",
        "ce-type": "users.v1.UserBlocked",
        "ce-subject": "user_x",
        "ce-time": "2026-11-24T12:00:00Z",
        "ce-sequence": str(last + 1),
    }
    await relay.request(EVENT, body, headers=headers)
    events: asyncio.Queue[Event] = asyncio.Queue()
    async with AsyncClient(nats_server.url, user="subscriber", password=nats_server.passwords["subscriber"]) as client:
        await client.auth.events.subscribe("UserBlocked", durable="permissions", handler=events.put)
        assert (await asyncio.wait_for(events.get(), 30)).user_id == "user_x"
    await relay.close()


async def test_nats_login_with_a_wrong_password_is_refused(nats_server: NatsServer) -> None:
    for user in nats_server.passwords:
        reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
        assert (await reader.readline()).startswith(b"INFO ")
        writer.write(
            b"CONNECT " + json.dumps({"user": user, "pass": "wrong", "verbose": False}).encode() + b"\r\nPING\r\n"
        )
        assert await reader.read() == b"-ERR 'Authorization Violation'\r\n"
        writer.close()
        await writer.wait_closed()
