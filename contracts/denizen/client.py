"""The clients: `AsyncClient`, and `Client`, which is made of it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

from denizen.blocking import Blocking, LoopThread, blocking
from denizen.events import Events, Handler, Start, Subscription
from denizen.exporting import ExportOptions, ExportPiece
from denizen.messages import Sort, Status, User
from denizen.sessions import Me, Sessions
from denizen.transport import Transport
from denizen.users import PAGE, Users

DEFAULT_TIMEOUT = 10.0


class AsyncAuth:
    """The services of a client: `users`, `sessions` and `events`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.users = Users(transport)
        self.sessions = Sessions(transport)
        self.events = Events(transport)

    def me(self, access_token: str) -> Me:
        """What a signed-in user may do, by their access token."""
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

        Raises ValueError where an address is none.
        """
        self._transport = Transport(servers, timeout, options)
        self.auth = AsyncAuth(self._transport)

    async def connect(self) -> None:
        """Connect now rather than at the first call; or again, after `close`. Raises NoAnswer and its kinds."""
        self._transport.open()
        await self._transport.connection()

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


class BlockingUsers(Blocking[Users]):
    """`Users`, each call waiting for its result."""

    create = blocking(Users.create)
    update = blocking(Users.update)
    block = blocking(Users.block)
    unblock = blocking(Users.unblock)
    deactivate = blocking(Users.deactivate)
    reactivate = blocking(Users.reactivate)
    delete = blocking(Users.delete)
    register = blocking(Users.register)
    change_email = blocking(Users.change_email)
    send_verification_email = blocking(Users.send_verification_email)
    verify_email = blocking(Users.verify_email)
    change_password = blocking(Users.change_password)
    reset_password = blocking(Users.reset_password)
    send_password_reset_email = blocking(Users.send_password_reset_email)
    confirm_password_reset = blocking(Users.confirm_password_reset)
    get = blocking(Users.get)
    get_by_email = blocking(Users.get_by_email)
    get_by_external_id = blocking(Users.get_by_external_id)
    list = blocking(Users.list)
    history = blocking(Users.history)
    login_history = blocking(Users.login_history)
    link_identity = blocking(Users.link_identity)
    unlink_identity = blocking(Users.unlink_identity)
    list_identities = blocking(Users.list_identities)
    import_users = blocking(Users.import_users)
    _export_piece = blocking(Users.export_piece)
    _export_end = blocking(Users.export_end)

    def export(self, **options: Unpack[ExportOptions]) -> Generator[ExportPiece]:
        """As `Users.export`; `contextlib.closing` closes it."""
        piece: ExportPiece | None = None
        try:
            while piece is None or piece.follows is not None:
                piece = self._export_piece(piece, options)
                yield piece
        finally:
            if piece is not None and self._thread.is_alive():
                self._export_end(piece)

    def iter_all(
        self, *, status: Status | None = None, search: str | None = None, sort: Sort = "-createdAt"
    ) -> Iterator[User]:
        """As `Users.iter_all`."""
        cursor: str | None = None
        while True:
            page = self.list(count=PAGE, cursor=cursor, status=status, search=search, sort=sort)
            yield from page
            if (cursor := page.next_cursor) is None:
                return


class BlockingSessions(Blocking[Sessions]):
    """`Sessions`, each call waiting for its result."""

    authenticate = blocking(Sessions.authenticate)
    refresh = blocking(Sessions.refresh)
    list = blocking(Sessions.list)
    revoke = blocking(Sessions.revoke)
    revoke_all = blocking(Sessions.revoke_all)
    verify = blocking(Sessions.verify)


class BlockingMe(Blocking[Me]):
    """`Me`, each call waiting for its result."""

    get = blocking(Me.get)
    update = blocking(Me.update)
    change_email = blocking(Me.change_email)
    change_password = blocking(Me.change_password)
    list_sessions = blocking(Me.list_sessions)
    revoke_session = blocking(Me.revoke_session)
    log_out = blocking(Me.log_out)
    login_history = blocking(Me.login_history)
    link_identity = blocking(Me.link_identity)
    unlink_identity = blocking(Me.unlink_identity)
    delete = blocking(Me.delete)


class BlockingSubscription(Blocking[Subscription]):
    """`Subscription`, each call waiting for its end."""

    stop = blocking(Subscription.stop)
    wait = blocking(Subscription.wait)


class BlockingEvents(Blocking[Events]):
    """`Events`, each call waiting for its result; handlers run in threads of their own, and may use the client."""

    _subscribe = blocking(Events.subscribe)
    parked = blocking(Events.parked)
    retry_parked = blocking(Events.retry_parked)

    def subscribe(
        self,
        event: str | Sequence[str],
        *more: str,
        handler: Handler,
        durable: str | None = None,
        start: Start | None = None,
        park_after: int | None = None,
    ) -> BlockingSubscription:
        """As `Events.subscribe`."""
        subscription = self._subscribe(
            event, *more, handler=handler, durable=durable, start=start, park_after=park_after
        )
        return BlockingSubscription(self._thread, subscription)


class Auth:
    """The services of a client: `users`, `sessions` and `events`."""

    def __init__(self, thread: LoopThread, auth: AsyncAuth) -> None:
        self._thread = thread
        self._auth = auth
        self.users = BlockingUsers(thread, auth.users)
        self.sessions = BlockingSessions(thread, auth.sessions)
        self.events = BlockingEvents(thread, auth.events)

    def me(self, access_token: str) -> BlockingMe:
        """What a signed-in user may do, by their access token."""
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

    def close(self) -> None:
        """Disconnect, and end the thread. Twice is harmless."""
        if self._thread.is_alive():
            self._thread.run(self._client.close())
            self._thread.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
