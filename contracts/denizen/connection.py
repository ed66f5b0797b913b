"""The connection to NATS: it insists on TLS where TLS is asked for, and raises a refusal at once, by its cause.

nats-py 2.16 starts TLS only where the server's INFO asks for it, whatever the address or `tls` say: the password would
go to any server in the clear (docs/decisions/0032).
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import secrets
import ssl
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import ParseResult

from denizen import errors
from denizen.addresses import SECURE, address
from denizen.hardening import Client
from denizen.secure_tcp import SecureTcp
from denizen.websocket import SecureWebSocket
from nats.aio.msg import Msg
from nats.aio.transport import Transport
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError, SecureConnWantedError
from nats.errors import TimeoutError as NatsTimeoutError

_KEY_OPTIONS = ("user_credentials", "nkeys_seed", "nkeys_seed_str")
_TLS_OPTIONS = ("tls", "tls_hostname", "tls_handshake_first")
_GREETING_SECONDS = 1.0
"""How long a server may take to speak first; one that is silent for so long waits for TLS (`handshake_first`)."""
_LISTEN_SECONDS = 2
"""How long the server may take to say whether we may listen; the next request asks again."""
DENIED = re.compile(r'permissions violation for (publish|subscription)\b[^"]*"([^"]*)"', re.IGNORECASE)
"""What nats-server says of a missing permission: for what, and the subject."""
_LOGIN_REFUSED = re.compile(r"authori[sz]ation violation|authentication (?:expired|revoked)", re.IGNORECASE)

OnUnreadable = Callable[[bytes], Awaitable[None]]
"""Is told the reply subject, as it came, of a message that could not be read."""


def trusting(authority: str | os.PathLike[str]) -> ssl.SSLContext:
    """TLS that trusts the certificates of a PEM file alone. Raises TlsFailed where it holds none."""
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:
        reason = error.strerror if not isinstance(error, ssl.SSLError) and error.strerror else "it holds no certificate"
        raise errors.TlsFailed(f"DENIZEN_NATS_CA: {os.fspath(authority)} cannot be used: {reason}") from None


async def opened(
    servers: Sequence[str],
    options: Mapping[str, Any],
    *,
    unreadable: OnUnreadable | None = None,
    takes_turns: bool = False,
) -> NatsConnection:
    """A connection to one of the `servers`, with the options of nats.connect; tried until a server lets it in.

    A `tls://` or `wss://` address, an option of TLS or DENIZEN_NATS_CA (a PEM file) means TLS with all servers, also
    with those that they name later. `unreadable` is told of messages that are dropped because they cannot be read.
    `takes_turns`: other tasks of the event loop run after each message, however many have arrived.

    Raises TlsFailed and NatsLoginRefused, and what nats.connect raises where `allow_reconnect` is off.
    """
    found = [address(server) for server in servers]
    authority = os.environ.get("DENIZEN_NATS_CA")
    if authority and options.get("tls") is None:
        options = {**options, "tls": trusting(authority)}
    secure = any(server.startswith(("tls:", "wss:")) for server in found) or any(map(options.get, _TLS_OPTIONS))
    if secure:
        found = [f"{SECURE[scheme]}://{rest}" for scheme, _, rest in (server.partition("://") for server in found)]
    if any(server.startswith("ws") for server in found) and importlib.util.find_spec("aiohttp") is None:
        raise errors.NoAnswer("ws:// and wss:// need aiohttp: pip install aiohttp")
    if any(map(options.get, _KEY_OPTIONS)) and importlib.util.find_spec("nkeys") is None:
        raise errors.NoAnswer(f"{' and '.join(_KEY_OPTIONS)} need nkeys: pip install nkeys")
    connection = NatsConnection(_secured(found) if secure else None, unreadable, takes_turns=takes_turns)
    try:
        await connection.connect(servers=found, **options)
    except BaseException:
        connection.abandon()
        raise
    return connection


def _secured(servers: Sequence[str]) -> Transport:
    """The transport that sends nothing before TLS stands."""
    return SecureWebSocket() if servers[0].startswith("wss") else SecureTcp()


async def taken(client: Client, seconds: int = 10) -> None:
    """Wait until the server has taken all subscriptions, or refused them to `error_cb`. Raises nats.errors.Error."""
    for _ in range(2):  # nats-py writes the first one's PING before the subscriptions.
        await client.flush(seconds)


class NatsConnection(Client):
    """nats-py's connection, mended where it would be insecure, deaf or silent."""

    def __init__(
        self, transport: Transport | None, unreadable: OnUnreadable | None = None, *, takes_turns: bool = False
    ) -> None:
        """`transport`: that it keeps, also for servers that it is told of later; None: nats-py's, without TLS."""
        super().__init__()
        if transport is not None:
            self._transport = transport
        self._unreadable = unreadable
        self._takes_turns = takes_turns
        self._let_in = False
        self._refusing: set[str] = set()
        self._inbox = ""
        self._may_listen = False
        self._asking_to_listen = asyncio.Lock()
        self._questions: dict[str, Question] = {}
        self._cannot_listen: errors.NatsPermissionDenied | None = None
        self.refusal: errors.NoAnswer | None = None
        """Why no server lets it in again, while that is so."""

    def abandon(self) -> None:
        """Let go of the socket, at once."""
        if self._transport is not None:
            self._transport.close()

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """As nats-py's, and raises NatsPermissionDenied at once where the NATS user may not ask this."""
        del old_style
        with self.question(subject) as question:
            await question.send(payload, headers)
            return await question.reply(timeout)

    @contextmanager
    def question(self, subject: str) -> Generator[Question]:
        """A request that may be sent again and again, and whichever reply comes first counts."""
        token = secrets.token_hex(11)  # nats-py's own count up: a page that hears one reply could forge the next.
        question = self._questions[token] = Question(self, subject, token)
        try:
            yield question
        finally:
            del self._questions[token]

    async def listen(self) -> str:
        """The beginning of the subjects of our replies. Raises NatsPermissionDenied."""
        if not self._may_listen:
            async with self._asking_to_listen:
                await self._ask_to_listen()
        if self._cannot_listen is not None:
            raise self._cannot_listen
        return self._inbox

    async def _ask_to_listen(self) -> None:
        """Wait until the server has taken the subscription or refused it, before any request is sent."""
        if not self._inbox:
            self._inbox = f"{self.new_inbox()}."
            await self.subscribe(f"{self._inbox}*", cb=self._take_reply)
        if not self._may_listen:
            await taken(self, _LISTEN_SECONDS)
            self._may_listen = True

    async def _take_reply(self, message: Msg) -> None:
        question = self._questions.get(message.subject[len(self._inbox) :])
        if question is not None:
            question.take(message)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """Drop what cannot be read: subjects that are not UTF-8, headers that are none.

        nats-py would stop reading, say nothing, and notice by its pings: deaf for so long, by one message of any
        caller. The connection's `error_cb` is told of each.
        """
        try:
            await super()._process_msg(sid, subject, reply, data, headers or b"")
        except OSError:
            raise  # The connection is lost, and nats-py makes another.
        except Exception as error:  # noqa: BLE001 - whatever it is, the next message can be read
            await self._error_cb(error)
            if self._unreadable is not None:
                await self._unreadable(reply)
        if self._takes_turns:
            await asyncio.sleep(0)  # nats-py handles all that has arrived in one step of the loop.

    async def _process_err(self, err_msg: str) -> None:
        """Tell the callers who wait for a reply that cannot come."""
        denied = DENIED.search(err_msg)
        if denied is not None:
            # nats-py has made it lower case.
            verb, subject = denied[1], denied[2]
            if verb == "subscription" and self._inbox and subject.startswith(self._inbox.lower()):
                self._cannot_listen = errors.NatsPermissionDenied(
                    f"the NATS user may not listen at {self._inbox}*, where its replies come: "
                    "is it another user's inbox_prefix?"
                )
            for question in list(self._questions.values()):
                if self._cannot_listen is not None:
                    question.fail(self._cannot_listen)
                elif verb == "publish" and subject in (question.subject.lower(), question.inbox.lower()):
                    question.fail(errors.NatsPermissionDenied(f"the NATS user may not publish to {question.subject}"))
        await super()._process_err(err_msg)

    async def _process_connect_init(self) -> None:
        asked_first = self.options["tls_handshake_first"]
        try:
            if isinstance(self._transport, SecureTcp):
                silence = min(_GREETING_SECONDS, self.options["connect_timeout"] / 2)
                self.options["tls_handshake_first"] = asked_first or not await self._transport.greeted(silence)
            await super()._process_connect_init()
        except (NatsError, OSError) as error:
            self.abandon()  # nats-py would leave it to the garbage collector.
            server = self._current_server.uri if self._current_server else None
            self.refusal = _refusal(error, server)
            if self.refusal is not None and not self._let_in:
                self._refusing.add(server.netloc if server else "")
                # The password is the same for all servers, a certificate is not.
                if isinstance(self.refusal, errors.NatsLoginRefused) or self._refusing >= {
                    each.uri.netloc for each in self._server_pool
                }:
                    raise self.refusal from error
            raise
        finally:
            self.options["tls_handshake_first"] = asked_first
        self._let_in, self.refusal = True, None
        self._may_listen, self._cannot_listen = False, None  # What a user may do can have changed.


# A subclass of what nats-py keeps to itself must notice when that changes.
for _name in ("_process_msg", "_process_err", "_process_connect_init"):
    if not hasattr(Client, _name):
        raise ImportError(f"denizen does not know this nats-py: its Client has no {_name}")


class Question:
    """A request and its repeats, from the first one sent to the reply."""

    def __init__(self, connection: NatsConnection, subject: str, token: str) -> None:
        self.connection = connection
        self.subject = subject
        self.inbox = ""
        self._token = token
        self._answer: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()

    async def send(self, payload: bytes, headers: dict[str, Any] | None) -> None:
        """Send it, or send it again. Raises nats.errors.Error."""
        self.inbox = await self.connection.listen() + self._token
        await self.connection.publish(self.subject, payload, reply=self.inbox, headers=headers)

    async def reply(self, seconds: float) -> Msg:
        """The next reply. Raises NoRespondersError, NatsPermissionDenied, and TimeoutError after `seconds`."""
        await asyncio.wait((self._answer,), timeout=seconds)
        if not self._answer.done():
            raise NatsTimeoutError
        answer, self._answer = self._answer, asyncio.get_running_loop().create_future()
        message = answer.result()
        if not message.data and (message.headers or {}).get("Status") == "503":
            raise NoRespondersError
        return message

    def take(self, message: Msg) -> None:
        """A reply has come."""
        if not self._answer.done():
            self._answer.set_result(message)

    def fail(self, error: errors.DenizenError) -> None:
        """No reply can come."""
        if not self._answer.done():
            self._answer.set_exception(error)
            self._answer.exception()  # Perhaps the caller is gone, and never reads it.


def _refusal(error: Exception, server: ParseResult | None) -> errors.NoAnswer | None:
    """Translate an error of connecting that trying again would not mend."""
    where = f"{server.hostname}:{server.port}" if server else "the server"
    if isinstance(error, SecureConnWantedError):
        return errors.TlsFailed(
            f"NATS at {where} offers no TLS, and TLS was asked for (tls://, tls= or DENIZEN_NATS_CA): nothing was sent"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return errors.TlsFailed(
            f"the certificate of NATS at {where} is not accepted: {error.verify_message}; "
            "compare DENIZEN_NATS_CA or tls=, and the host name"
        )
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return errors.TlsFailed(f"NATS at {where} refuses our TLS: {error.reason}")
    if _LOGIN_REFUSED.search(str(error)):
        return errors.NatsLoginRefused(
            f"NATS at {where} refuses the login: wrong user or password, or no user was given (user=, password=)"
        )
    return None
