"""TLS before anything else: the transport of every connection to NATS for which TLS was asked."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any, cast
from urllib.parse import ParseResult

from denizen.hardening import TcpTransport
from nats.errors import ProtocolError, SecureConnRequiredError, SecureConnWantedError


class SecureTcp(TcpTransport):
    """A connection on which nothing is sent, and nothing but the greeting believed, before TLS stands."""

    def __init__(self) -> None:
        super().__init__()
        self._stands = False
        self._greeting: bytes | None = None

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        self._stands, self._greeting = False, None
        await super().connect(uri, buffer_size, connect_timeout)

    async def greeted(self, seconds: float) -> bool:
        """Whether the server speaks first. Raises nats.errors.Error where it offers no TLS."""
        try:
            async with asyncio.timeout(seconds):
                self._greeting = _demanding_tls(await super().readline())
        except TimeoutError:
            return False
        except ValueError:
            raise ProtocolError from None
        return True

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        if not self._stands:  # INFO asks for it again where TLS came first.
            await super().connect_tls(uri, ssl_context, buffer_size, connect_timeout)
            self._stands = True

    async def readline(self) -> bytes:
        if self._stands:
            return await super().readline()
        if self._greeting is None:
            raise SecureConnRequiredError
        return self._greeting

    def write(self, payload: bytes) -> None:
        if not self._stands:
            raise SecureConnRequiredError
        super().write(payload)

    def writelines(self, payload: list[bytes]) -> None:
        if self._stands:  # Else it is what a connection that is being closed had not yet sent.
            super().writelines(payload)

    def __bool__(self) -> bool:
        return True  # Else nats-py would put a plain one in its place.


def _demanding_tls(greeting: bytes) -> bytes:
    """The INFO of a server, so that nats-py starts TLS: whether the server demands it or only has it.

    The servers that it names are left out: before TLS stands any host on the way could name its own. nats-server tells
    them again once the client is in.
    """
    if not greeting.startswith(b"INFO "):
        return greeting
    info: Any = json.loads(greeting[5:])
    if not isinstance(info, dict):
        raise ProtocolError
    told = cast(dict[str, Any], info)
    if not (told.get("tls_required") or told.get("tls_available")):
        raise SecureConnWantedError
    return b"INFO " + json.dumps({**told, "tls_required": True, "connect_urls": []}).encode() + b"\r\n"
