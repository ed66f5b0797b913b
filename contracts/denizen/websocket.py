"""The transport of `wss://` addresses: that of nats-py, which needs aiohttp, kept from ever going on without TLS."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast
from urllib.parse import ParseResult

from nats.aio.transport import WebSocketTransport
from nats.errors import SecureConnRequiredError, SecureConnWantedError


class SecureWebSocket(WebSocketTransport):
    """A WebSocket connection that always begins with TLS.

    A failed handshake is raised by the first `readline`, because nats-py tries again for ever where connecting raises.
    """

    def __init__(self) -> None:
        super().__init__()
        self._context: ssl.SSLContext | None = None
        self._failure: Exception | None = None

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect to a server that another one has named, which nats-py gives the scheme `nats`; with TLS, too."""
        if self._context is None:
            raise SecureConnRequiredError
        await self.connect_tls(uri._replace(scheme="wss"), self._context, buffer_size, connect_timeout)

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        self._context, self._failure = ssl_context, None
        session = cast(Any, self._client)
        if session is None or session.closed:  # It was closed before a reconnect.
            super().__init__()
        try:
            await super().connect_tls(uri, ssl_context, buffer_size, connect_timeout)
        except ssl.SSLError as error:  # The class of aiohttp's errors is also one of these; the original says more.
            found: Any = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
            self._failure = SecureConnWantedError() if found.reason == "WRONG_VERSION_NUMBER" else found

    async def readline(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        return cast(bytes, await super().readline())

    def close(self) -> None:
        super().close()
        session = cast(Any, self._client)
        if self._ws is None and session is not None:  # nats-py would leave it to the garbage collector.
            self._close_task = asyncio.ensure_future(session.close())

    def __bool__(self) -> bool:
        return True  # Else nats-py would put one in its place that takes addresses without TLS.
