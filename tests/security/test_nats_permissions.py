"""What each NATS user may do, and may not: every line of deploy/nats/accounts.conf, on a real server."""

import asyncio
import json

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.support.servers import NatsServer

SENTINEL = "nobody.may.publish.this"
EVENT = "users.v1.event.UserBlocked.user_x"
PUBLISH: dict[str, tuple[list[str], list[str]]] = {
    "responder": (
        ["_INBOX.backend.x", "_INBOX.operator.x.y"],
        [
            EVENT,
            "users.v1.command.CreateUser",
            "$JS.API.STREAM.PURGE.USERS_EVENTS",
            "$JS.API.STREAM.INFO.USERS_EVENTS",
            "denizen.signal.denizen.log",
            "_INBOX.relay.x",
            "_INBOX.signal.x",
            "_INBOX.responder.x",
        ],
    ),
    "signal": (
        ["denizen.signal.denizen.log", "denizen.signal.other.applied"],
        [EVENT, "_INBOX.backend.x", "users.v1.command.CreateUser", "$JS.API.STREAM.PURGE.USERS_EVENTS"],
    ),
    "relay": (
        [EVENT, "$JS.API.STREAM.INFO.USERS_EVENTS", "$JS.API.STREAM.CREATE.USERS_EVENTS"],
        [
            "_INBOX.backend.x",
            "users.v1.command.CreateUser",
            "denizen.signal.denizen.log",
            "$JS.API.STREAM.PURGE.USERS_EVENTS",
            "$JS.API.STREAM.DELETE.USERS_EVENTS",
            "$JS.API.STREAM.MSG.DELETE.USERS_EVENTS",
            "$JS.API.STREAM.CREATE.OTHER",
        ],
    ),
    "backend": (
        [
            "users.v1.command.CreateUser",
            "users.v1.query.GetUser",
            "users.v1.submit.CreateUser",
            "$SRV.PING.users",
            "$JS.API.CONSUMER.MSG.NEXT.USERS_EVENTS.billing",
            "$JS.ACK.USERS_EVENTS.billing.1.1.1.1.0",
        ],
        [
            EVENT,
            "users.v1.public.Authenticate",
            "users.v1.self.GetMe",
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
    "operator": (
        ["users.v1.command.CreateUser", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.OTHER"],
        [
            EVENT,
            "denizen.signal.denizen.log",
            "$JS.API.STREAM.PURGE.USERS_EVENTS",
            "$JS.API.STREAM.DELETE.USERS_EVENTS",
            "$JS.API.STREAM.UPDATE.USERS_EVENTS",
        ],
    ),
}
SUBSCRIBE: dict[str, tuple[list[str], list[str]]] = {
    "responder": (
        ["users.v1.command.*", "users.v1.query.*", "$SRV.PING"],
        ["users.v1.event.>", "_INBOX.>", "_INBOX.backend.>", "_INBOX.responder.>", "denizen.signal.>", ">"],
    ),
    "signal": (["denizen.signal.>", "_INBOX.signal.>"], ["users.v1.command.*", "users.v1.event.>", "_INBOX.>", ">"]),
    "relay": (["_INBOX.relay.>"], ["users.v1.command.*", "users.v1.event.>", "_INBOX.backend.>", "_INBOX.>", ">"]),
    "backend": (
        ["_INBOX.backend.>", "users.v1.event.>"],
        [
            "_INBOX.responder.>",
            "_INBOX.signal.>",
            "_INBOX.relay.>",
            "_INBOX.operator.>",
            "_INBOX.frontend.>",
            "users.v1.command.*",
            "users.v1.query.GetUser",
            "denizen.signal.>",
            "$SYS.>",
            ">",
        ],
    ),
    "operator": (
        ["_INBOX.operator.>", "users.v1.event.>"],
        ["_INBOX.backend.>", "_INBOX.>", "users.v1.command.*", "denizen.signal.>", ">"],
    ),
}


async def refused(server: NatsServer, user: str, publish: list[str], subscribe: list[str]) -> list[str]:
    """Which of these subjects the server refuses to a user, told by its permissions errors."""
    errors: list[str] = []
    told_all = asyncio.Event()

    async def note(error: Exception) -> None:
        errors.append(str(error))
        if SENTINEL in errors[-1]:
            told_all.set()

    async def ignore(_: Msg) -> None:
        pass

    client = await nats.connect(
        server.url, user=user, password=server.passwords[user], error_cb=note, inbox_prefix=f"_INBOX.{user}"
    )
    for subject in publish:
        await client.publish(subject, b"")
    for subject in subscribe:
        await client.subscribe(subject, cb=ignore)
    # A PONG may overtake errors; they come in the order of their causes.
    await client.publish(SENTINEL, b"")
    await asyncio.wait_for(told_all.wait(), 5)
    await client.close()
    # nats-py writes the server's text in lower case.
    return [each for each in (*publish, *subscribe) if any(f'"{each.lower()}"' in error for error in errors)]


@pytest.mark.parametrize("user", PUBLISH)
async def test_publishing(nats_server: NatsServer, user: str) -> None:
    allowed, forbidden = PUBLISH[user]
    assert await refused(nats_server, user, allowed, []) == []
    assert await refused(nats_server, user, forbidden, []) == forbidden


@pytest.mark.parametrize("user", SUBSCRIBE)
async def test_subscribing(nats_server: NatsServer, user: str) -> None:
    allowed, forbidden = SUBSCRIBE[user]
    assert await refused(nats_server, user, [], allowed) == []
    assert await refused(nats_server, user, [], forbidden) == forbidden


async def test_whoever_hears_everything_in_inboxes_hears_no_answer_to_another_user(nats_server: NatsServer) -> None:
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
    for inbox in ("_INBOX.operator.1", "_INBOX.frontend.1", "_INBOX.backend.1"):
        await responder.publish(inbox, b"")
    await responder.flush()
    async with asyncio.timeout(5):
        while "_INBOX.backend.1" not in heard:
            await asyncio.sleep(0.01)
    assert heard == ["_INBOX.backend.1"]
    await responder.close()
    await listener.close()


async def test_nobody_comes_in_under_a_wrong_password(nats_server: NatsServer) -> None:
    for user in nats_server.passwords:
        reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
        assert (await reader.readline()).startswith(b"INFO ")
        writer.write(
            b"CONNECT " + json.dumps({"user": user, "pass": "wrong", "verbose": False}).encode() + b"\r\nPING\r\n"
        )
        assert await reader.read() == b"-ERR 'Authorization Violation'\r\n"
        writer.close()
        await writer.wait_closed()
