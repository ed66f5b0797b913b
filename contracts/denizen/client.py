"""The clients: `AsyncClient`, and `Client`, which is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from denizen.blocking import LoopThread
from denizen.events import BlockingEvents, Events
from denizen.sessions import BlockingMe, BlockingSessions, Me, Sessions
from denizen.transport import Transport
from denizen.users import BlockingUsers, Users

DEFAULT_TIMEOUT = 10.0


class AsyncAuth:
    """The services of a client: `users`, `sessions` and `events`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.users = Users(transport)
        self.sessions = Sessions(transport)
        self.events = Events(transport)

    def me(self, access_token: str) -> Me:
        """Acts for a signed-in user, by their access token."""
        return Me(self._transport, access_token)


class AsyncClient:
    """A client for asyncio. It connects when it is first used, reads its own writes, and repeats what got no answer.

    It belongs to the event loop that uses it first, until that one is closed.
    """

    def __init__(
        self, servers: str | Sequence[str] | None = None, *, timeout: float = DEFAULT_TIMEOUT, **options: Any
    ) -> None:
        """`servers`: addresses of NATS; by default $DENIZEN_NATS_URL, else this machine's.

        `timeout`: seconds for each call, repeats included. `options`: as nats.connect has them (`user`, `password`,
        `tls`, `user_credentials`, ...). A `tls://` address, `tls=` or $DENIZEN_NATS_CA (the authority's certificate, a
        PEM file) means TLS with every server before anything is sent, or TlsFailed.

        Raises ValueError where an address is none, TypeError where an option is none.
        """
        self._transport = Transport(servers, timeout, options)
        self.auth = AsyncAuth(self._transport)

    async def connect(self) -> None:
        """Connect now rather than at the first call; or again, after `close`. Raises NoAnswer and its kinds."""
        self._transport.open()
        await self._transport.connection()

    def see_latest(self) -> None:
        """Let the next query show all that is committed when it arrives, whichever client wrote it.

        For word of a change that came another way than by this client's own replies and events. The query waits until
        the read models have it, or raises StaleRead.
        """
        self._transport.see_latest()

    async def close(self) -> None:
        """Stop the subscriptions, and disconnect. Calls raise RuntimeError from then on."""
        try:
            if self._transport.is_here():
                await self.auth.events.stop()
        finally:
            await self._transport.close()

    async def __aenter__(self) -> Self:
        self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()


class Auth:
    """The services of a client: `users`, `sessions` and `events`."""

    def __init__(self, thread: LoopThread, auth: AsyncAuth) -> None:
        self._thread = thread
        self._auth = auth
        self.users = BlockingUsers(thread, auth.users)
        self.sessions = BlockingSessions(thread, auth.sessions)
        self.events = BlockingEvents(thread, auth.events)

    def me(self, access_token: str) -> BlockingMe:
        """Acts for a signed-in user, by their access token."""
        return BlockingMe(self._thread, self._auth.me(access_token))


class Client:
    """A client whose calls block. Threads may share it.

    A process that was forked after its first use must make its own.
    """

    def __init__(
        self, servers: str | Sequence[str] | None = None, *, timeout: float = DEFAULT_TIMEOUT, **options: Any
    ) -> None:
        """As AsyncClient."""
        self._thread = LoopThread()
        self._client = AsyncClient(servers, timeout=timeout, **options)
        self.auth = Auth(self._thread, self._client.auth)

    def connect(self) -> None:
        """Connect now rather than at the first call. Raises NoAnswer and its kinds."""
        self._thread.run(self._client.connect())

    def see_latest(self) -> None:
        """As AsyncClient.see_latest."""

        async def see_latest() -> None:
            self._client.see_latest()

        self._thread.run(see_latest())

    def close(self) -> None:
        """Disconnect, and end the thread. Twice is harmless."""
        if self._thread.is_alive():
            self._thread.run(self._client.close())
            self._thread.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
