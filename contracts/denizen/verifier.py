"""Checks access tokens in your own process: `AsyncTokenVerifier`, and `TokenVerifier` for programs that block.

Needs joserfc: `pip install 'denizen[verifier]'`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

from denizen import arguments
from denizen.blocking import LoopThread
from denizen.client import DEFAULT_TIMEOUT
from denizen.errors import (
    DenizenError,
    JetStreamUnavailable,
    NatsLoginRefused,
    NatsPermissionDenied,
    NoAnswer,
    StaleRead,
    TlsFailed,
    TokenInvalid,
)
from denizen.messages import Jwks
from denizen.owner import Owner, OwnerProcess
from denizen.revocations import FAILURES, Watch
from denizen.tokens import KeySet, TokenClaims, UnknownKey, check, key_set
from denizen.transport import Transport

log = logging.getLogger(__name__)

_PROVE_SECONDS = 1.0
_RETRY_SECONDS = 0.25
_KEYS_SECONDS = 60.0
_KEYS_AGAIN_SECONDS = 1.0
"""How often, at most, the keys are fetched because a token names one that is not known."""
_FINAL = (JetStreamUnavailable, NatsLoginRefused, NatsPermissionDenied, TlsFailed)
"""What does not pass by itself: `connect` does not wait for that."""
_KEYS_CACHED_SECONDS = 2.5
"""How much older than the request for them the keys may be that Denizen answers with."""
_UNKNOWN_KEYS = 1024
"""Ids of keys that are remembered because no such key is known."""


class AsyncTokenVerifier:
    """Checks access tokens, for asyncio. It sends no request: it has the keys, and hears of each revocation.

    Where it cannot be sure to have heard all (its connection is cut, NATS is away), it refuses every token.
    """

    def __init__(
        self,
        servers: str | Sequence[str] | None = None,
        *,
        issuer: str = "denizen",
        audience: str = "denizen",
        stale_after: float = 3.0,
        **options: Any,
    ) -> None:
        """`servers`, `options`: as AsyncClient has them; the NATS user is one that may check tokens (`verifier-…`).

        `stale_after`: when the connection is cut, seconds until every token is refused.
        """
        self._issuer = arguments.text("issuer", issuer)
        self._audience = arguments.text("audience", audience)
        self._stale_after = arguments.seconds("stale_after", stale_after)
        self._pace = min(_PROVE_SECONDS, stale_after / 3)
        self._watch = Watch()
        self._transport = Transport(servers, DEFAULT_TIMEOUT, {**options, "disconnected_cb": self._watch.interrupt})
        self._keys: KeySet = {}
        self._keys_at = float("-inf")
        self._keys_wanted = asyncio.Event()
        self._owner, self._process = Owner(), OwnerProcess()
        self._why = "it is not connected"
        self._unknown: dict[str, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def verify(self, token: str) -> TokenClaims:
        """Verify a token and return its claims. Takes about 0.1 ms and waits for nothing; any thread may call it.

        Raises TokenInvalid where it is not good, has expired or was revoked (HTTP 401), StaleRead where this cannot be
        told right now (HTTP 503), and UsedAfterFork in a child of the process that connected.
        """
        self._process.enter()
        if not self.fresh:
            raise StaleRead(f"which sessions were ended is not known: {self._why}")
        try:
            claims = check(token, self._keys, issuer=self._issuer, audience=self._audience)
        except UnknownKey:
            self._look_for_key(_key_id(token))
            raise
        table = self._watch.table
        if (
            claims.position < table.get(f"user.{claims.user_id}")
            or table.get(f"session.{claims.session_id}") >= 0
            or table.get(f"key.{_key_id(token)}") >= 0
        ):
            raise TokenInvalid("the session has ended")
        return claims

    @property
    def fresh(self) -> bool:
        """Is all known that was revoked until `stale_after` seconds ago? For a readiness probe."""
        return self._process.is_here() and time.monotonic() - self._watch.fresh_at <= self._stale_after

    def _look_for_key(self, key_id: str) -> None:
        """Have the keys fetched for one that is not known. Raises StaleRead until those are here that were asked for
        long enough after it was first named: younger ones may lack it, although another lookup had them fetched.
        """
        now = time.monotonic()
        if len(self._unknown) >= _UNKNOWN_KEYS:
            self._unknown.clear()
        first = self._unknown.setdefault(key_id, now)
        if self._loop is None or self._keys_at >= first + _KEYS_CACHED_SECONDS:
            return
        if now - self._keys_at > _KEYS_AGAIN_SECONDS:
            self._loop.call_soon_threadsafe(self._keys_wanted.set)
        raise StaleRead("the token's key is not known yet: it is being fetched")

    async def connect(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Learn the keys and what was revoked; then go on listening.

        Raises NoAnswer after `timeout` seconds; TlsFailed, NatsLoginRefused, NatsPermissionDenied and
        JetStreamUnavailable at once.
        """
        arguments.seconds("timeout", timeout)
        self._process.enter()
        if self._owner.is_new():  # The loop on which it listened has ended.
            self._tasks, self._keys_wanted = [], asyncio.Event()
        if self._tasks:
            return
        self._loop = asyncio.get_running_loop()
        self._transport.open()
        ready = [self._loop.create_future(), self._loop.create_future()]
        self._tasks = [
            asyncio.create_task(self._follow_bucket(ready[0])),
            asyncio.create_task(self._follow_keys(ready[1])),
        ]
        try:
            async with asyncio.timeout(timeout):
                await asyncio.gather(*ready)
        except BaseException as error:
            why = self._why
            await self.close()
            if isinstance(error, TimeoutError):
                raise NoAnswer(f"neither keys nor revocations within {timeout:g} s: {why}") from error
            raise

    def _failed(self, what: str, error: Exception, ready: asyncio.Future[None]) -> None:
        """Note why something is out of reach; `connect` is told where that does not pass by itself."""
        log.debug("denizen: %s are out of reach: %s", what, error)
        said = error.message if isinstance(error, DenizenError) else str(error) or type(error).__name__
        self._why = f"{what} are out of reach: {said}"
        if isinstance(error, _FINAL) and not ready.done():
            ready.set_exception(error)

    async def _follow_bucket(self, ready: asyncio.Future[None]) -> None:
        while True:
            began = time.monotonic()
            pause = self._pace
            try:
                await self._watch.prove(await self._transport.connection(self._pace), self._pace)
                if self.fresh and not ready.done():
                    ready.set_result(None)
            except (NoAnswer, *FAILURES) as error:
                self._failed("revocations", error, ready)
                pause = min(_RETRY_SECONDS, self._pace)
            await asyncio.sleep(max(0.0, began + pause - time.monotonic()))

    async def _follow_keys(self, ready: asyncio.Future[None]) -> None:
        while True:
            self._keys_wanted.clear()
            asked_at = time.monotonic()
            try:
                self._keys = key_set(Jwks.model_validate_json(await self._transport.query("GetJwks", {}, None)))
                self._keys_at = asked_at
                if not ready.done():
                    ready.set_result(None)
            except (DenizenError, ValueError) as error:
                self._failed("the keys", error, ready)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(_KEYS_SECONDS):
                    await self._keys_wanted.wait()

    async def close(self) -> None:
        """Disconnect; from then on every token is refused."""
        tasks, self._tasks = self._tasks, []
        if self._owner.is_here():
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._watch.fresh_at = float("-inf")
        self._why = "it is not connected"
        await self._transport.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()


class TokenVerifier:
    """As AsyncTokenVerifier, for programs that block: it listens in a thread of its own; `verify` waits for nothing."""

    def __init__(
        self,
        servers: str | Sequence[str] | None = None,
        *,
        issuer: str = "denizen",
        audience: str = "denizen",
        stale_after: float = 3.0,
        **options: Any,
    ) -> None:
        """As AsyncTokenVerifier. A process that was forked after `connect` must make its own."""
        self._verifier = AsyncTokenVerifier(
            servers, issuer=issuer, audience=audience, stale_after=stale_after, **options
        )
        self._thread = LoopThread()

    def verify(self, token: str) -> TokenClaims:
        """As AsyncTokenVerifier.verify."""
        return self._verifier.verify(token)

    @property
    def fresh(self) -> bool:
        """As AsyncTokenVerifier.fresh."""
        return self._verifier.fresh

    def connect(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """As AsyncTokenVerifier.connect."""
        self._thread.run(self._verifier.connect(timeout))

    def close(self) -> None:
        """Disconnect, and end the thread. Twice is harmless."""
        if self._thread.is_alive():
            self._thread.run(self._verifier.close())
            self._thread.close()

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _key_id(token: str) -> str:
    """The key id of a token whose header was found good."""
    header = token.partition(".")[0]
    return cast(str, json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])
