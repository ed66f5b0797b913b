"""One connection to NATS that a client keeps: opened when it is first needed, and again after it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from denizen import arguments, errors
from denizen.addresses import addresses
from denizen.connection import NatsConnection, opened
from denizen.owner import Owner
from nats.errors import Error as NatsError

_CONNECT = NatsConnection.connect.__code__
_OPTIONS = frozenset(_CONNECT.co_varnames[: _CONNECT.co_argcount + _CONNECT.co_kwonlyargcount]) - {"self", "servers"}
"""The arguments of nats.connect."""


class KeptConnection:
    """The connection of a client, for the process and the event loop that opened it."""

    def __init__(self, servers: str | Sequence[str] | None, timeout: float, options: Mapping[str, Any]) -> None:
        """`servers`: by default those of $DENIZEN_NATS_URL, else this machine's. Raises ValueError, TypeError."""
        self._servers = addresses(servers)
        self._timeout = arguments.seconds("timeout", timeout)
        arguments.refuse_unknown(options, _OPTIONS)
        self._options = dict(options)
        self._owner = Owner()
        self._client: NatsConnection | None = None
        self._connecting = asyncio.Lock()
        self._closed = False
        self._fault: Exception | None = None

    @property
    def _user(self) -> str:
        return self._options.get("user") or urlsplit(self._servers[0]).username or "backend"

    async def connection(self, seconds: float | None = None) -> NatsConnection:
        """The connection. Raises NoAnswer where there is none within the time (by default the client's time-out).

        Raises TlsFailed and NatsLoginRefused at once where a repeat would not help, UsedAfterFork and WrongEventLoop.
        Raises RuntimeError after `close`: what was under way then must not connect again, behind the back of its owner.
        """
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._owner.is_new():
            # The loop that was used before has ended, and its connection with it.
            self._client, self._connecting = None, asyncio.Lock()
        if self._client is not None and not self._client.is_closed:
            return self._client
        try:
            # Also of the wait for another who connects.
            async with asyncio.timeout(seconds if seconds is not None else self._timeout), self._connecting:
                if self._client is None or self._client.is_closed:
                    self._fault = None  # One of an earlier connection says nothing of this one.
                    self._client = await opened(self._servers, self._connect_options())
                if self._closed:
                    await self.close()
                    raise RuntimeError("the client is closed")
                return self._client
        except (NatsError, OSError, TimeoutError) as error:
            raise self._unreachable(self._fault or error) from error

    def _unreachable(self, reason: Exception) -> errors.NoAnswer:
        said = str(reason) or "nothing answers in time"
        return errors.NoAnswer(
            f"no connection to NATS at {self._where()}: {said}; DENIZEN_NATS_URL names another address"
        )

    async def _note(self, error: Exception) -> None:
        """Note an error of the connection, for requests that fail meanwhile. The connection comes back by itself."""
        self._fault = error

    def _where(self) -> str:
        """The servers without the passwords that their addresses may hold."""
        return ", ".join(urlsplit(server).netloc.rpartition("@")[2] for server in self._servers)

    def _connect_options(self) -> dict[str, Any]:
        return {
            # Each NATS user may listen on its own inbox only (deploy/nats/accounts.conf).
            "inbox_prefix": f"_INBOX.{self._user}",
            "name": "denizen client",
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.25,
            "ping_interval": 10,
            # Nothing is kept back while disconnected: it would be sent after the caller has given up.
            "pending_size": 0,
            "error_cb": self._note,
            **self._options,
        }

    def is_here(self) -> bool:
        """Whether this process and this event loop opened the connection."""
        return self._owner.is_here()

    def open(self) -> None:
        """Let it connect again."""
        self._closed = False

    async def close(self) -> None:
        """Disconnect. What another process or a loop that has ended was connected by is left to it."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None and self.is_here():
            await client.close()
