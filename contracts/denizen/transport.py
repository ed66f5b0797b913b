"""Sends requests over NATS, repeats them safely, and remembers what this client has seen of the log."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict

from denizen import arguments, errors
from denizen import headers as h
from denizen.attempts import Attempts
from denizen.kept_connection import KeptConnection
from denizen.messages import SealingKey
from denizen.operations import COMMANDS, PUBLIC, QUERIES, SELF, SUBSCRIBER, Operation
from denizen.sealed_replies import ReplyKey
from denizen.sealing import seal
from denizen.seen import Seen
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, NoRespondersError
from pydantic.alias_generators import to_snake

_ATTEMPT_SECONDS = 2.5
"""How long one try is waited for, before the same request is sent again."""
_BROWSER = "browser-"
"""How the names of NATS users begin that many callers share, who may hear the replies to each other."""
_GRACE_SECONDS = 0.1
"""How much later than its time-out a request ends, whatever hangs: what it waits for is to say so itself."""
_SEALING_KEY_SECONDS = 240.0
"""How long a sealing key is used before it is asked for again; a retired one still opens for ten minutes."""


class CommandOptions(TypedDict, total=False):
    """The options that every command takes.

    Attributes:
        idempotency_key: 1 to 128 visible ASCII characters; a repeat within 24 h gets the first reply and changes
            nothing. It is kept as plain text: choose one that says nothing about a person.
        expected_version: the version of the user that you have seen; another one raises `VersionConflict`.
        timeout: seconds in all, repeats included; the command is not started later than that.
        actor: an opaque id of who asks, for the user's history.
    """

    idempotency_key: str
    expected_version: int
    timeout: float
    actor: str


class Transport(KeptConnection):
    """One connection to NATS, and what was seen of the log over it."""

    def __init__(self, servers: str | Sequence[str] | None, timeout: float, options: Mapping[str, Any]) -> None:
        """Arguments and errors as of KeptConnection."""
        super().__init__(servers, timeout, options)
        self._seen = Seen()
        self._sealing: tuple[SealingKey, float] | None = None

    async def command(
        self,
        name: str,
        body: Mapping[str, Any] | bytes,
        options: CommandOptions,
        *,
        token: str | None = None,
        proof: str | None = None,
        attempt: float = _ATTEMPT_SECONDS,
    ) -> dict[str, Any]:
        """The reply of a command; `token`: in the name of the user of this access token. Raises DenizenError.

        `proof`: an access token that is sent along, and asks in no user's name. `body` as octets is JSON, its secrets
        sealed; `attempt`: how long one try is waited for.
        """
        arguments.refuse_unknown(options, CommandOptions.__optional_keys__)
        operation = self._operation(name, token)
        timeout = self._seconds(options.get("timeout"))
        until = time.monotonic() + timeout
        deadline = datetime.fromtimestamp(time.time() + timeout, UTC)
        key = options.get("idempotency_key")
        command_id = _new_command_id() if key is None else arguments.text("idempotency_key", key)
        # nats-py strips what it sends, and secrets are sealed for the id as it was given.
        if not re.fullmatch(h.COMMAND_ID_FORM, command_id):
            raise errors.ValidationFailed(
                "an idempotency_key must be 1 to 128 visible ASCII characters", field=h.COMMAND_ID
            )
        headers = {h.COMMAND_ID: command_id, h.DEADLINE: deadline.isoformat().replace("+00:00", "Z")}
        if "expected_version" in options:
            headers[h.EXPECTED_VERSION] = str(arguments.whole("expected_version", options["expected_version"]))
        if "actor" in options:
            headers[h.ACTOR] = arguments.text("actor", options["actor"])
        bearer = proof if token is None else token
        if bearer is not None:
            headers[h.AUTHORIZATION] = _bearer(bearer)
        sealed = body if isinstance(body, bytes) else await self._sealed(operation, body, command_id, timeout)
        mark = self._seen.mark()
        reply = await self._ask(operation.subject, sealed, headers, until - time.monotonic(), attempt)
        covers = operation.kind in ("public", "self")
        self._seen.note((reply.headers or {}).get(h.POSITION), mark, covers=covers)
        answer: dict[str, Any] = json.loads(reply.data)
        return answer

    def _operation(self, name: str, token: str | None) -> Operation:
        """A front end may ask for little, and asks for it on subjects of its own."""
        if token is not None:
            return SELF[name]
        is_frontend = self._user == "frontend" or self._user.startswith(("frontend-", _BROWSER))
        return PUBLIC[name] if is_frontend and name in PUBLIC else COMMANDS[name]

    async def _sealed(
        self, operation: Operation, body: Mapping[str, Any], command_id: str, timeout: float
    ) -> Mapping[str, Any]:
        """The body with its secrets sealed for Denizen, and for this command alone."""
        fields = operation.request.secrets() & body.keys()
        for field in fields:
            # What others wrap secrets in prints as asterisks, which would be taken for the password.
            if not arguments.text(to_snake(field), body[field]):
                raise errors.ValidationFailed("must not be empty", field=field)
        return {**body, **{field: await self.sealed(body[field], command_id, timeout) for field in fields}}

    async def _sealing_key(self, timeout: float) -> SealingKey:
        if self._sealing is None or time.monotonic() > self._sealing[1]:
            found = SealingKey.model_validate_json(await self.query("GetSealingKey", {}, timeout))
            self._sealing = found, time.monotonic() + _SEALING_KEY_SECONDS
        return self._sealing[0]

    async def query(
        self, name: str, body: Mapping[str, Any], timeout: float | None, *, token: str | None = None
    ) -> bytes:
        """The reply of a query, which shows at least all that this client has seen. Raises DenizenError."""
        mark = self._seen.mark()
        headers = self._seen.demand()
        if token is not None:
            headers[h.AUTHORIZATION] = _bearer(token)
        operation = QUERIES[name] if token is None else SELF[name]
        reply = await self._ask(operation.subject, body, headers, self._seconds(timeout))
        self._seen.note((reply.headers or {}).get(h.POSITION), mark, covers=True)
        return reply.data

    def _seconds(self, timeout: float | None) -> float:
        """How long a call may take. Raises TypeError, ValueError."""
        return self._timeout if timeout is None else arguments.seconds("timeout", timeout)

    async def piece(
        self, subject: str, body: Mapping[str, Any], timeout: float, *, attempt: float, gone: float | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """A reply that is no JSON, and its headers. Raises DenizenError.

        `attempt` as for commands; `gone`: NoAnswer is raised if no service listens for so many seconds.
        """
        headers = self._seen.demand()
        reply = await self._ask(subject, body, headers, timeout, attempt, gone=gone)
        return reply.data, reply.headers or {}

    async def subscriber(
        self, name: str, durable: str, body: Mapping[str, Any], *, gone: float | None = None
    ) -> Mapping[str, Any]:
        """The reply to a subscriber's request for a durable. Raises DenizenError; `gone` as for `piece`."""
        reply = await self._ask(SUBSCRIBER[name].subject_of(durable), body, {}, self._timeout, gone=gone)
        answer: dict[str, Any] = json.loads(reply.data)
        return answer

    async def tell(self, subject: str, body: Mapping[str, Any]) -> None:
        """Publish a hint. It is not waited for, and it is lost if there is no connection just now."""
        if self._client is not None:
            with contextlib.suppress(NatsError, OSError):
                await self._client.publish(subject, _encoded(body), reply=self._client.new_inbox())

    async def sealed(self, secret: str, command_id: str, timeout: float) -> str:
        """A secret, sealed for Denizen and for the command with this id. Raises DenizenError."""
        key = await self._sealing_key(timeout)
        return seal(secret, command_id, key.key_id, base64.urlsafe_b64decode(f"{key.public_key}="))

    def seen(self, position: int) -> None:
        """Note a log position that the client has seen: its later queries show at least that."""
        self._seen.number(position)

    def see_latest(self) -> None:
        """The next query shows all that is committed when it arrives."""
        self._seen.latest()

    async def _ask(
        self,
        subject: str,
        body: Mapping[str, Any] | bytes,
        headers: dict[str, str],
        timeout: float,
        attempt: float = _ATTEMPT_SECONDS,
        *,
        gone: float | None = None,
    ) -> Msg:
        """Ask until there is an answer or the time is over: the command id makes a repeat harmless.

        If no service listens for `gone` seconds, it gives up. A reply to an earlier try counts like one to the last.
        When the time is over, a refusal that came is raised.
        """
        for name, value in headers.items():
            if not value.isprintable():  # A line break would begin another header.
                raise errors.ValidationFailed("holds control characters", field=name)
        data = body if isinstance(body, bytes) else _encoded(body)
        opened = self._opener(headers)
        attempts = Attempts(time.monotonic() + timeout, gone)
        attempts.refusal = errors.NoAnswer(f"no answer to {subject.rpartition('.')[2]} within {timeout:g} s")
        if timeout <= 0:
            raise attempts.refusal
        try:
            async with asyncio.timeout(timeout + _GRACE_SECONDS):
                return await self._insist(attempts, subject, data, headers, attempt, opened)
        except TimeoutError:
            raise attempts.refusal from None

    def _opener(self, headers: dict[str, str]) -> Callable[[Msg], Msg]:
        """Have the reply sealed where others may hear it; returns what opens it."""
        if not self._user.startswith(_BROWSER):
            return _as_it_came
        key = ReplyKey()
        headers[h.REPLY_KEY] = key.header
        return key.opened

    async def _insist(  # noqa: PLR0917 - the request, and how it is asked
        self,
        attempts: Attempts,
        subject: str,
        data: bytes,
        headers: dict[str, str],
        attempt: float,
        opened: Callable[[Msg], Msg],
    ) -> Msg:
        """Ask again and again, over a new connection where the one before was closed."""
        while True:
            client = await self.connection(max(attempts.left(), 0))
            with client.question(subject) as question:
                while not client.is_closed:
                    try:
                        await question.send(data, headers or None)
                        attempts.sent = True
                        reply = opened(await question.reply(min(max(attempts.left(), 0), attempt)))
                        if h.SERVICE_ERROR_CODE not in (reply.headers or {}):
                            return reply
                        raise errors.from_body(json.loads(reply.data)["error"])
                    except errors.Unavailable as error:
                        attempts.refusal = error
                    except MaxPayloadError:
                        raise errors.MalformedMessage("the body is larger than NATS lets pass") from None
                    except NoRespondersError:
                        attempts.no_responders(f"no service answers {subject}: is Denizen running?")
                    except (NatsError, OSError, TimeoutError):
                        if client.refusal is not None:
                            raise attempts.login_refused(client.refusal) from None
                        if not client.is_connected:
                            attempts.not_asked(
                                self._unreachable(self._fault or ConnectionError("the connection was lost"))
                            )
                    await attempts.pause()


def _as_it_came(reply: Msg) -> Msg:
    return reply


def _bearer(token: str) -> str:
    return f"Bearer {token}"


def _encoded(body: Mapping[str, Any]) -> bytes:
    """Without white space, as Denizen reads it fastest. Raises MalformedMessage, which names the field."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        if len(body) > 1:
            for field, value in body.items():
                _encoded({field: value})
        if isinstance(error, UnicodeEncodeError):
            reason = "a string holds half a surrogate pair"
        else:
            reason = "JSON has no form for the value: give text, numbers, true, false, None, lists and dicts of these"
        raise errors.MalformedMessage(reason, field=next(iter(body), None)) from None


def _new_command_id() -> str:
    """Unique, and ascending with time, which keeps the index of ids small."""
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"
