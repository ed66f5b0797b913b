"""Pages in browsers talk to NATS over WebSocket: what they may do, and what they learn of each other."""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import nats
import pytest
from denizen import AsyncClient, EmailTaken, NatsLoginRefused, NoAnswer, TokenInvalid
from denizen import headers as h
from denizen.sealed_replies import ReplyKey
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from services.doctor import websocket as doctor
from services.doctor.finding import Wanting
from services.domain.refusals import Refusal
from services.embedded.home import Home
from services.embedded.nats import Nats
from services.embedded.program import free_port
from services.embedded.websocket import WebSocket
from services.endpoint import sealed_replies
from services.platform.settings import Settings, faults
from services.platform.startup import CannotStart
from tests.cli.test_commands import Shell
from tests.conftest import PAGE
from tests.support.backend import email
from tests.support.people import PASSWORD, Postbox, Talk
from tests.support.permissions import refused
from tests.support.servers import Denizen, running
from tests.support.tls import make_certificates

pytestmark = [
    pytest.mark.embedded,
    # nats-py gives aiohttp the time-out of connecting in an old form.
    pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning"),
]


class Browsers:
    """The NATS user that all pages share, and the address where they connect."""

    def __init__(self, denizen: Denizen, added: dict[str, Any]) -> None:
        self.url = self.websocket_url = denizen.addresses["websocketUrl"]
        self.user = str(added["user"])
        self.passwords = {self.user: str(added["password"])}
        self.login: dict[str, str] = {"user": self.user, "password": str(added["password"])}

    def client(self) -> AsyncClient:
        return AsyncClient(self.url, timeout=20, **self.login)


@pytest.fixture(scope="module")
def browsers(denizen: Denizen) -> Iterator[Browsers]:
    shell, name = Shell(denizen.home), f"page-{secrets.token_hex(4)}"
    added = shell.json("nats-users", "add", "browser", name)
    assert (added["user"], added["reloaded"]) == (f"browser-{name}", True)
    yield Browsers(denizen, added)
    shell.json("nats-users", "remove", added["user"])


@pytest.fixture
async def page(browsers: Browsers) -> AsyncIterator[Client]:
    client = await nats.connect(browsers.url, inbox_prefix=f"_INBOX.{browsers.user}", **browsers.login)
    yield client
    await client.close()


async def test_browser_registers_signs_in_and_signs_out(browsers: Browsers, post: Postbox) -> None:
    address = email()
    async with browsers.client() as client:
        user = await client.auth.users.register(email=address, password=PASSWORD)
        assert user
        await client.auth.users.send_verification_email(user.id)
        await client.auth.users.verify_email(user.id, code=await post.code(address))
        session = await client.auth.sessions.authenticate(email=address, password=PASSWORD)
        me = client.auth.me(session.access_token)
        assert (await me.get()).email == address
        with pytest.raises(EmailTaken):
            await client.auth.users.register(email=address, password=PASSWORD)
        await me.log_out()
        with pytest.raises(TokenInvalid):
            await me.get()


async def test_browser_reaches_the_front_end_subjects_and_nothing_else(browsers: Browsers) -> None:
    forbidden = [
        *("users.v1.command.CreateUser", "users.v1.query.GetUser", "users.v1.query.VerifyToken"),
        *("users.v1.query.GetJwks", "users.v1.submit.CreateUser", "users.v1.event.UserBlocked.user_x"),
        *("$JS.API.INFO", "$JS.API.STREAM.INFO.KV_users_revocations", "$JS.API.CONSUMER.CREATE.USERS_EVENTS"),
        *("$SRV.PING", "$SYS.REQ.SERVER.PING", "denizen.signal.denizen.log", "_INBOX.backend.x"),
        f"_INBOX.{browsers.user}.x",
    ]
    unheard = [">", "_INBOX.>", "_INBOX.backend.>", "_INBOX.frontend.>", "users.v1.event.>", "users.v1.revocation.>"]
    assert await refused(browsers, browsers.user, forbidden, unheard) == [*forbidden, *unheard]
    assert await refused(browsers, browsers.user, ["users.v1.public.Register", "users.v1.self.GetMe"], []) == []


async def test_browser_that_listens_to_all_browsers_reads_no_reply(
    browsers: Browsers, page: Client, talk: Talk
) -> None:
    heard: list[Msg] = []

    async def note(message: Msg) -> None:
        heard.append(message)

    await page.subscribe(f"_INBOX.{browsers.user}.>", cb=note)
    await page.flush()
    member = await talk.member()
    async with browsers.client() as client:
        session = await client.auth.sessions.authenticate(email=member["email"], password=PASSWORD)
        with pytest.raises(EmailTaken):
            await client.auth.users.register(email=member["email"], password=PASSWORD)
    await page.flush()
    replies = [message for message in heard if message.data]
    assert len(replies) == 3  # The key that secrets are sealed for is asked for, too.
    for message in replies:
        assert message.headers == {h.SEALED_REPLY: "1"}
        for secret in (session.access_token, session.refresh_token, member["id"], "email_taken"):
            assert secret.encode() not in message.data


async def test_reply_is_sealed_for_the_key_of_its_request(page: Client) -> None:
    key, other = ReplyKey(), ReplyKey()
    body = {"email": email(), "password": "wrong horse battery"}
    reply = await _asked(page, "Authenticate", body, key.header)
    with pytest.raises(NoAnswer, match="cannot be opened"):
        other.opened(reply)
    key.opened(reply)
    assert json.loads(reply.data)["error"]["code"] == "invalid_credentials"
    assert (reply.headers or {})[h.SERVICE_ERROR_CODE] == "401"


async def test_request_that_cannot_be_understood_is_refused_sealed(page: Client) -> None:
    key = ReplyKey()
    reply = await _asked(page, "Authenticate", {"email": "canary@example.com", "extra": 1}, key.header)
    assert reply.headers == {h.SEALED_REPLY: "1"}
    key.opened(reply)
    assert json.loads(reply.data)["error"]["code"] == "validation_failed"


@pytest.mark.parametrize("key", ["", "x", "é" * 43, base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=") + "A"])
async def test_reply_key_of_another_form_is_refused(page: Client, key: str) -> None:
    reply = await _asked(page, "Authenticate", {"email": email(), "password": PASSWORD}, key or "-")
    error = json.loads(reply.data)["error"]
    assert (error["code"], error["field"]) == ("validation_failed", h.REPLY_KEY)


@pytest.mark.parametrize("key", [None, "small"])
async def test_request_whose_reply_others_could_read_is_refused_before_it_is_done(
    page: Client, talk: Talk, key: str | None
) -> None:
    """Without a key, or with one of a small order, for which every listener could open the box."""
    address = email()
    weak = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
    reply = await _asked(page, "Register", {"email": address, "password": PASSWORD}, weak if key else None)
    error = json.loads(reply.data)["error"]
    assert (error["code"], error["field"]) == ("validation_failed", h.REPLY_KEY)
    assert (await talk.query("GetUserByEmail", {"email": address})).code == "user_not_found"


def test_every_key_of_a_small_order_is_refused() -> None:
    """Libsodium seals for none of them, with the highest bit or without."""
    for point in sealed_replies.SMALL_ORDER:
        for octets in (point.to_bytes(32, "little"), (point + 2**255).to_bytes(32, "little")):
            with pytest.raises(CryptoError):
                SealedBox(PublicKey(octets)).encrypt(b"x")
            header = base64.urlsafe_b64encode(octets).decode().rstrip("=")
            with pytest.raises(Refusal):
                sealed_replies.key_of("_INBOX.x", {h.REPLY_KEY: header})


async def test_sealing_key_comes_sealed_or_not_at_all(page: Client) -> None:
    key = ReplyKey()
    reply = await page.request("users.v1.query.GetSealingKey", b"{}", headers={h.REPLY_KEY: key.header})
    assert len(json.loads(key.opened(reply).data)["publicKey"]) == 43
    reply = await page.request("users.v1.query.GetSealingKey", b"{}")
    error = json.loads(reply.data)["error"]
    assert (error["code"], error["field"]) == ("validation_failed", h.REPLY_KEY)


async def test_reply_subject_of_a_page_tells_nothing_of_its_next_one(browsers: Browsers, page: Client) -> None:
    """Else a page that hears them could have a refusal of its own sent to another page."""
    heard: list[str] = []

    async def note(message: Msg) -> None:
        heard.append(message.subject.rpartition(".")[2])

    await page.subscribe(f"_INBOX.{browsers.user}.>", cb=note)
    await page.flush()
    async with browsers.client() as client:
        for _ in range(3):
            await client.auth.users.send_password_reset_email(email=email())
    await page.flush()
    assert len(heard) >= 3
    assert len({token[:8] for token in heard}) == len(heard)


async def test_reply_is_a_sealed_box_of_libsodium_with_headers_and_body(page: Client) -> None:
    """As clients in other languages open it."""
    private = PrivateKey.generate()
    header = base64.urlsafe_b64encode(bytes(private.public_key)).decode().rstrip("=")
    reply = await _asked(page, "SendPasswordResetEmail", {"email": email()}, header)
    opened = json.loads(SealedBox(private).decrypt(reply.data))
    assert opened["body"] == {}
    assert h.SERVICE_ERROR_CODE not in opened["headers"]


async def test_client_without_a_login_is_refused_over_websocket(browsers: Browsers) -> None:
    """`no_auth_user` would let every web page in as a back end."""
    for login in ({}, {"user": "backend"}, {"user": browsers.user, "pass": "wrong"}, {"auth_token": "x"}):
        assert not await _is_let_in(browsers.url, login)


async def test_other_users_are_refused_over_websocket(browsers: Browsers, denizen: Denizen) -> None:
    users = ("system", "responder", "registrar", "signal", "relay", "revoker", "backend", "subscriber", "operator")
    for user in users:
        assert not await _is_let_in(browsers.url, {"user": user, "pass": denizen.nats_password(user)}), user
    assert await _is_let_in(browsers.url, {"user": browsers.user, "pass": browsers.passwords[browsers.user]})
    async with AsyncClient(denizen.nats_url, timeout=20, **browsers.login) as client:
        with pytest.raises(NatsLoginRefused):
            await client.connect()


@pytest.mark.parametrize(
    ("origin", "status"),
    [(PAGE, 101), ("https://evil.example", 403), ("http://localhost:8081", 403), ("https://localhost:8080", 403)],
)
async def test_page_of_another_origin_is_refused(browsers: Browsers, origin: str, status: int) -> None:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(browsers.url, origin=origin) as socket:
                assert (await socket.receive()).data.startswith(b"INFO ")
                found = 101
        except aiohttp.WSServerHandshakeError as error:
            found = error.status
    assert found == status


def test_listener_without_tls_outside_loopback_is_refused(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "[::]", "192.0.2.1", "nats.example.com"):
        settings = Settings(nats_websocket=f"{host}:4223", nats_websocket_origins="https://app.example.com")
        with pytest.raises(CannotStart, match=r"browsers would send passwords .* without TLS"):
            WebSocket.of(settings)
    instance = Denizen(
        tmp_path / "home",
        DENIZEN_NATS_WEBSOCKET="0.0.0.0:0",
        DENIZEN_NATS_WEBSOCKET_ORIGINS="https://app.example.com",
    )
    with pytest.raises(AssertionError, match="ended with 1"):
        instance.start()
    assert "Set DENIZEN_NATS_WEBSOCKET_CERT and DENIZEN_NATS_WEBSOCKET_KEY" in instance.errors()


def test_listener_that_no_origin_was_named_for_is_not_there() -> None:
    assert WebSocket.of(Settings(nats_websocket="0.0.0.0:4223")) is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"nats_websocket_origins": "*"}, "DENIZEN_NATS_WEBSOCKET_ORIGINS: is not https://host"),
        ({"nats_websocket_origins": "https://app.example.com/"}, "DENIZEN_NATS_WEBSOCKET_ORIGINS: is not https://host"),
        ({"nats_websocket_origins": "https://a.example,null"}, "DENIZEN_NATS_WEBSOCKET_ORIGINS: is not https://host"),
        ({"nats_websocket_origins": "http://localhost:1,http://localhost:2"}, "names a host twice"),
        ({"nats_websocket": "4223"}, "DENIZEN_NATS_WEBSOCKET: is not host:port"),
        ({"nats_websocket": "ws://127.0.0.1:4223"}, "DENIZEN_NATS_WEBSOCKET: is not host:port"),
        ({"nats_websocket_cert": "x.pem"}, "must both be set"),
        ({"nats_websocket_url": "https://nats.example.com"}, "DENIZEN_NATS_WEBSOCKET_URL: is not wss://host:port"),
        ({"nats_websocket_url": "wss://user:canary@h"}, "DENIZEN_NATS_WEBSOCKET_URL: is not wss://host:port"),
    ],
)
def test_setting_of_the_listener_that_cannot_be_is_told(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**given)
    (line,) = faults(caught.value)
    assert says in line


class _Configured(Nats):
    """A nats-server with a configuration of the test's own."""

    def __init__(self, home: Home, lines: str) -> None:
        super().__init__(home, 0)
        self._conf = home.path / "nats" / "server.conf"
        self._lines = lines

    def prepare(self) -> None:
        super().prepare()
        self._conf.write_text(f"listen: 127.0.0.1:{self.port}\n{self._lines}", "utf-8")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("", "takes pages of every origin"),
        (f'allowed_origins: [ "{PAGE}" ]', "lets every page in"),
    ],
)
async def test_doctor_names_a_listener_that_takes_any_page(tmp_path: Path, lines: str, says: str) -> None:
    home = Home(tmp_path / "home")
    home.create()
    port = free_port()
    server = _Configured(home, f"websocket {{ listen: '127.0.0.1:{port}', no_tls: true\n{lines} }}\n")
    with running(server, tmp_path / "nats.log"), pytest.raises(Wanting, match=says):
        await doctor.check(Settings(nats_websocket_url=f"ws://127.0.0.1:{port}"))


async def test_doctor_finds_a_listener_with_tls_well(tmp_path: Path) -> None:
    certificates, home = make_certificates(tmp_path / "certificates", "localhost"), Home(tmp_path / "home")
    home.create()
    pair = certificates / "server.pem", certificates / "server.key"
    websocket = WebSocket("127.0.0.1", free_port(), (PAGE,), pair)
    url = f"wss://localhost:{websocket.port}"
    with running(Nats(home, 0, websocket), tmp_path / "nats.log"):
        report = await doctor.check(Settings(nats_websocket_url=url, nats_ca=certificates / "ca.pem"))
        assert report.says == f"{url} asks for a login, and refuses pages of other origins"
        with pytest.raises(Wanting, match=r"out of reach: .*certificate"):
            await doctor.check(Settings(nats_websocket_url=url))


@pytest.mark.parametrize(
    ("url", "says"),
    [("ws://192.0.2.1:80", "without TLS"), ("ws://127.0.0.1:1", "127.0.0.1:1 is out of reach: .*onnect")],
)
async def test_doctor_names_a_listener_that_is_insecure_or_away(url: str, says: str) -> None:
    with pytest.raises(Wanting, match=says):
        await doctor.check(Settings(nats_websocket_url=url))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        *((answer, "no HTTP") for answer in (b"", b"x\r\n\r\n", b"a" * 200_000, b"HTTP/1.1 \x1b[31m 1\r\n\r\n")),
        (b"HTTP/1.1 404 \x1b[31m\r\n\r\n", "404"),
    ],
)
async def test_doctor_names_a_server_that_is_no_listener(answer: bytes, says: str) -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(answers, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Wanting, match=f"^it answers {says} to a WebSocket"):
            await doctor.check(Settings(nats_websocket_url=f"ws://127.0.0.1:{port}"))


async def _asked(page: Client, name: str, body: dict[str, Any], key: str | None) -> Msg:
    headers = {h.REPLY_KEY: key} if key is not None else None
    return await page.request(f"users.v1.public.{name}", json.dumps(body).encode(), timeout=20, headers=headers)


async def _is_let_in(url: str, login: dict[str, str]) -> bool:
    """Whether the server answers a client with this login."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url, origin=PAGE) as socket:
        await socket.receive()
        await socket.send_bytes(b"CONNECT %b\r\nPING\r\n" % json.dumps({"verbose": False, **login}).encode())
        said = b""
        async for message in socket:
            said += message.data
            if b"PONG" in said:
                return True
    assert b"Authorization Violation" in said
    return False
