"""A message that nats-py cannot read must deafen neither a service nor a verifier."""

import asyncio
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from denizen import AsyncClient
from nats.aio.msg import Msg

from tests.support.backend import connected
from tests.support.servers import Denizen

pytestmark = pytest.mark.embedded
"""It writes the lines of the protocol itself, without TLS."""

OPERATIONS = [
    "command.BlockUser",
    "public.Authenticate",
    "query.GetUser",
    "query.ListUsers",
    "query.GetJwks",
    "subscriber.FollowEvents.billing",
]
REPLIES = [b"_INBOX.\xff\xfe", b"_INBOX.a\x0bb", b"_INBOX.a\x0cb", b"_INBOX.a\x00b", b"\xff", "_INBOX.\u2028".encode()]
HEADERS = [
    b"NATS/1.0 \xff\xfe\xfd\r\n\r\n",
    b"NATS/1.0 200 \xff\xfe\r\n\r\n",
    b"NATS/1.0  \xff\r\n\r\n",
    b"NATS/1.0",
    b"N",
    b"\r\n\r\n",
]


class Line:
    """A connection of which nothing is understood: what is to be sent is sent as it is."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname or "", address.port or 0), timeout=5)
        self._socket.sendall(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n')

    def publish(self, subject: str, reply: bytes, headers: bytes = b"", body: bytes = b"{}") -> None:
        sizes = f"{len(headers)} {len(headers) + len(body)}" if headers else str(len(body))
        verb = b"HPUB" if headers else b"PUB"
        self._socket.sendall(b" ".join([verb, subject.encode(), reply, sizes.encode()]) + b"\r\n" + headers + body)
        self._socket.sendall(b"\r\nPING\r\n")
        received = b""
        while b"PONG\r\n" not in received:
            received += self._socket.recv(65536)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def line(denizen: Denizen) -> Iterator[Line]:
    opened = Line(denizen.nats_url)
    yield opened
    opened.close()


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_unreadable_message_does_not_deafen_a_service(denizen: Denizen, line: Line, operation: str) -> None:
    subject = f"users.v1.{operation}"
    async with connected(denizen.nats_url) as backend:
        for reply in REPLIES:
            line.publish(subject, reply)
            assert (await backend.ask(subject, {}, 5)).data
        for headers in HEADERS:
            line.publish(subject, b"_INBOX.backend.unused", headers)
            assert (await backend.ask(subject, {}, 5)).data


@pytest.mark.parametrize("headers", HEADERS)
async def test_malformed_headers_are_refused(denizen: Denizen, line: Line, headers: bytes) -> None:
    async with connected(denizen.nats_url) as backend:
        answers = await backend.client.subscribe("_INBOX.backend.unreadable")
        await backend.client.flush()
        body = json.dumps({"email": "unreadable@example.com"}).encode()
        line.publish("users.v1.command.CreateUser", b"_INBOX.backend.unreadable", headers, body)
        refused = json.loads((await answers.next_msg(timeout=5)).data)
        assert refused["error"]["code"] == "validation_failed"
        found = await backend.query("GetUserByEmail", {"email": "unreadable@example.com"})
        assert found.code == "user_not_found"


async def test_unreadable_message_does_not_deafen_a_client(denizen: Denizen, line: Line) -> None:
    """JetStream answers where the asker says: also at subjects that verifiers listen to."""
    async with AsyncClient(denizen.nats_url) as client:
        connection = await client._transport.connection()  # pyright: ignore[reportPrivateUsage]
        heard: list[Msg] = []
        last = asyncio.Event()

        async def note(message: Msg) -> None:
            heard.append(message)
            if message.subject.endswith(".readable"):
                last.set()

        await connection.subscribe("users.v1.revocation.>", cb=note)
        await connection.flush()
        for token in (b"\xff", b"a\x0bb", b"a\x0cb", b"readable"):
            line.publish("$JS.API.STREAM.INFO.KV_users_revocations", b"users.v1.revocation." + token)
        async with asyncio.timeout(30):
            await last.wait()
        assert connection.stats["reconnects"] == 0
        assert [message.subject for message in heard][-1] == "users.v1.revocation.readable"
