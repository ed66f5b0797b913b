"""Why a request fails, told at once: who may not ask, who is not let in, and what the service itself has answered."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from denizen import (
    AsyncClient,
    AsyncTokenVerifier,
    JetStreamUnavailable,
    NatsLoginRefused,
    NatsPermissionDenied,
    NoAnswer,
    Overloaded,
)
from nats.aio.msg import Msg

from services.embedded.home import Home
from services.embedded.nats import Nats
from tests.support.gate import Gate
from tests.support.quiet import takes_less_than
from tests.support.servers import NatsServer, running
from tests.support.tcp import listening

UNKNOWN = "user_01h455vb4pex5vsknk084sn02q"
AT_ONCE_SECONDS = 4
"""Well below the time-out of a call, which is 10 s."""

Call = Callable[[AsyncClient], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "command": lambda client: client.auth.users.block(UNKNOWN),
    "command with a secret": lambda client: client.auth.users.create(email="a@example.com", password="kanary-pass"),
    "query": lambda client: client.auth.users.get(UNKNOWN),
    "self": lambda client: client.auth.me("a.b.c").get(),
    "sign-in": lambda client: client.auth.sessions.authenticate(email="a@example.com", password="kanary-pass"),
    "subscribe": lambda client: client.auth.events.subscribe("*", durable="causes", handler=lambda _: None),
}


@asynccontextmanager
async def _at_once(kind: type[Exception], *words: str) -> AsyncGenerator[None]:
    with takes_less_than(AT_ONCE_SECONDS), pytest.raises(kind) as raised:
        yield
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("user", ["backend", "stranger"])
async def test_call_with_a_wrong_login_says_so_at_once(call: str, user: str, nats_server: NatsServer) -> None:
    client = AsyncClient(nats_server.url, user=user, password="kwrong")
    async with client, _at_once(NatsLoginRefused, "refuses the login", str(nats_server.port)):
        await CALLS[call](client)


async def test_verifier_with_a_wrong_login_says_so_at_once(nats_server: NatsServer) -> None:
    async with _at_once(NatsLoginRefused):
        await AsyncTokenVerifier(nats_server.url, user="backend", password="kwrong").connect()


@pytest.mark.parametrize("call", [call for call in CALLS if call != "subscribe"])
async def test_call_without_permission_says_so_at_once(call: str, nats_server: NatsServer) -> None:
    password = nats_server.passwords["subscriber"]
    client = AsyncClient(nats_server.url, user="subscriber", password=password)
    async with client, _at_once(NatsPermissionDenied, "may not publish to users.v1."):
        await CALLS[call](client)


async def test_subscribe_without_permission_says_so_at_once(nats_server: NatsServer) -> None:
    password = nats_server.passwords["frontend"]
    client = AsyncClient(nats_server.url, user="frontend", password=password)
    async with client, _at_once(NatsPermissionDenied, "$JS.API.CONSUMER"):
        await CALLS["subscribe"](client)


@pytest.mark.parametrize("call", CALLS)
async def test_call_whose_inbox_is_not_allowed_says_so_at_once(call: str, nats_server: NatsServer) -> None:
    password = nats_server.passwords["backend"]
    options: dict[str, Any] = {"user": "backend", "password": password, "inbox_prefix": "_INBOX.frontend"}
    async with AsyncClient(nats_server.url, **options) as client:
        async with _at_once(NatsPermissionDenied, "may not listen at _INBOX.frontend"):
            await CALLS[call](client)
        async with _at_once(NatsPermissionDenied, "may not listen at _INBOX.frontend"):
            await CALLS[call](client)


async def test_verifier_without_permission_says_so_at_once(nats_server: NatsServer) -> None:
    password = nats_server.passwords["signal"]
    async with _at_once(NatsPermissionDenied):
        await AsyncTokenVerifier(nats_server.url, user="signal", password=password).connect()


@pytest.mark.embedded
async def test_nats_without_jetstream_is_named_at_once(tmp_path: Path) -> None:
    class WithoutJetStream(Nats):
        def prepare(self) -> None:
            super().prepare()
            config = tmp_path / "nats/server.conf"
            text = config.read_text("utf-8")
            config.write_text(f"{text[: text.index('jetstream')]}{text[text.index('max_payload') :]}", "utf-8")
            accounts = (Path(__file__).parents[2] / "deploy/nats/accounts.conf").read_text("utf-8")
            (tmp_path / "nats/accounts.conf").write_text(accounts.replace("jetstream: enabled", ""), "utf-8")
            config.write_text(
                "\n".join(
                    'include "accounts.conf"' if line.startswith("include") else line
                    for line in config.read_text("utf-8").splitlines()
                ),
                "utf-8",
            )

    home = Home(tmp_path)
    home.create()
    server = WithoutJetStream(home, 0)
    with running(server, tmp_path / "nats.log"):
        async with AsyncClient(server.url) as client, _at_once(JetStreamUnavailable, "without JetStream"):
            await CALLS["subscribe"](client)
        async with _at_once(JetStreamUnavailable, "without JetStream"):
            await AsyncTokenVerifier(server.url).connect()


@asynccontextmanager
async def _service(
    nats_server: NatsServer, subject: str, answer: Callable[[Msg], Awaitable[None]]
) -> AsyncGenerator[None]:
    """Something that answers a subject."""
    password = nats_server.passwords["responder"]
    connection = await nats.connect(nats_server.url, user="responder", password=password)
    await connection.subscribe(subject, cb=answer)
    await connection.flush()
    try:
        yield
    finally:
        await connection.close()


OVERLOADED = json.dumps({"error": {"code": "overloaded", "message": "the projections are out of reach"}}).encode()
REFUSED = {"Nats-Service-Error-Code": "503", "Nats-Service-Error": "the projections are out of reach"}


async def _refuse(message: Msg) -> None:
    client = message._client  # pyright: ignore[reportPrivateUsage] # Msg.respond sends no headers
    await client.publish(message.reply, OVERLOADED, headers=REFUSED)


@pytest.mark.embedded  # a service of the test answers; in containers Denizen does, too
async def test_refusal_that_comes_after_a_try_was_given_up_is_raised(nats_server: NatsServer) -> None:
    """A database that does not answer is given up after three seconds, a try of the client's after two and a half."""

    async def late(message: Msg) -> None:
        async def respond() -> None:
            await asyncio.sleep(3)
            await _refuse(message)

        tasks.add(asyncio.create_task(respond()))

    tasks: set[asyncio.Task[None]] = set()
    async with _service(nats_server, "users.v1.query.GetUser", late), AsyncClient(nats_server.url, timeout=4) as client:
        with takes_less_than(6), pytest.raises(Overloaded, match="the projections are out of reach"):
            await client.auth.users.get(UNKNOWN)
        await asyncio.gather(*tasks)


@pytest.mark.embedded  # a service of the test answers; in containers Denizen does, too
async def test_refusal_is_raised_if_the_last_try_gets_no_answer(nats_server: NatsServer) -> None:
    asked: list[Msg] = []

    async def once(message: Msg) -> None:
        asked.append(message)
        if len(asked) == 1:
            await _refuse(message)

    async with _service(nats_server, "users.v1.query.GetUser", once), AsyncClient(nats_server.url, timeout=3) as client:
        with pytest.raises(Overloaded, match="the projections are out of reach"):
            await client.auth.users.get(UNKNOWN)
    assert len(asked) > 1


@pytest.mark.embedded  # a service of the test answers; in containers Denizen does, too
async def test_answer_to_an_earlier_try_counts(nats_server: NatsServer) -> None:
    async def first_only(message: Msg) -> None:
        if not tasks:
            tasks.append(asyncio.create_task(respond(message)))

    async def respond(message: Msg) -> None:
        await asyncio.sleep(3)
        await message.respond(b'{"keys": []}')

    tasks: list[asyncio.Task[None]] = []
    async with _service(nats_server, "users.v1.query.GetJwks", first_only), AsyncClient(nats_server.url) as client:
        reply = await client._transport.query("GetJwks", {}, 8)  # pyright: ignore[reportPrivateUsage]
        assert reply == b'{"keys": []}'


@pytest.mark.parametrize("seconds", [0.5, 3])
async def test_client_of_a_nats_that_hangs_keeps_to_its_time(nats_server: NatsServer, seconds: float) -> None:
    async with Gate(nats_server.port).running() as gate, AsyncClient(gate.url, timeout=seconds) as client:
        await client.connect()
        gate.hang()
        with takes_less_than(seconds + 5):
            asked = (client.auth.users.get(UNKNOWN) for _ in range(2000))
            answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(answer) for answer in answers} == {NoAnswer}


@pytest.mark.embedded  # a service of the test answers; in containers Denizen does, too
async def test_command_whose_replies_cannot_be_heard_is_not_sent(nats_server: NatsServer) -> None:
    asked: list[Msg] = []

    async def note(message: Msg) -> None:
        asked.append(message)

    password = nats_server.passwords["backend"]
    options: dict[str, Any] = {"user": "backend", "password": password}
    async with _service(nats_server, "users.v1.command.BlockUser", note):
        async with AsyncClient(nats_server.url, inbox_prefix="_INBOX.frontend", **options) as deaf:
            outcomes = await asyncio.gather(*(CALLS["command"](deaf) for _ in range(3)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [NatsPermissionDenied] * 3
        async with AsyncClient(nats_server.url, timeout=1, **options) as client:
            with pytest.raises(NoAnswer):  # It is the first that comes, and gets no answer.
                await CALLS["command"](client)
    assert len(asked) == 1


async def test_login_refused_after_sending_leaves_the_outcome_open() -> None:
    sent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id": "x", "max_payload": 1000000, "headers": true}\r\n')
        while line := await reader.readline():
            if line.startswith(b"CONNECT") and sent.is_set():
                writer.write(b"-ERR 'Authorization Violation'\r\n")
                break
            if line == b"PING\r\n":
                writer.write(b"PONG\r\n")
            if line.startswith((b"PUB", b"HPUB")):
                sent.set()
                break

    async with (
        listening(serve) as port,
        AsyncClient(f"nats://127.0.0.1:{port}", user="backend", password="k") as client,
    ):
        async with _at_once(NoAnswer, "may have been done", "refuses the login") as _:
            await CALLS["command"](client)
        with pytest.raises(NatsLoginRefused):
            await CALLS["command"](client)
