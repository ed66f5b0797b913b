"""A PostgreSQL connection that is opened when first needed and again after it was lost."""

import asyncio
import os
import select
import socket
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, LiteralString

import orjson
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.json import set_json_loads

from services.platform import causes
from services.platform.settings import Settings

set_json_loads(orjson.loads)

ResultRow = tuple[Any, ...]
Parameters = Sequence[object] | Mapping[str, object]
_USE_SECONDS = 8
"""How long one use of a connection may take, whatever the server does; more than its own time-out for locks."""
Connection = psycopg.AsyncConnection[ResultRow]
LOST = (
    psycopg.OperationalError,
    psycopg.errors.TransactionTimeout,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.ReadOnlySqlTransaction,
)
"""The connection is gone, or the server gave the transaction up: one that became a standby takes no changes."""
_WRITERS = ("accounts", "transfer", "projector", "mailer")
"""Services that can do nothing over a server that takes no changes."""
_BY_INDEX = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_material")
"""The ways of planning that are switched off. A plan is kept until the tables are analyzed: one that was made while a
table was small would read it from end to end, perhaps once for each row of another table (a read of the log took 0.5 s
at 20,000 users)."""
WHOLE_TABLES: Mapping[str, str] = dict.fromkeys(_BY_INDEX, "on")
"""Options of a connection that reads tables as a whole."""


class DatabaseUnavailable(Exception):
    """PostgreSQL cannot be reached, and nothing was done.

    Attributes:
        passes: whether that may pass by itself, as a wrong password does not.
    """

    def __init__(self, message: str = "PostgreSQL is not reachable", *, passes: bool = True) -> None:
        super().__init__(message)
        self.passes = passes


class Database:
    """One connection, used by one task at a time.

    Not a pool: psycopg's pool hands out dead connections unless it checks each (a round trip), and after an outage it
    waits ever longer before it connects again. Here the next use connects, or says at once that it cannot.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        *,
        role: str = "app",
        transaction_seconds: int = 0,
        idle_seconds: int = 0,
        use_seconds: float = _USE_SECONDS,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """`name` is shown in pg_stat_activity. Needs `settings.database_url`.

        It works under the role `<cell>_<role>`: a service under its own, the operator's commands under `app`.

        The server ends the connection where a transaction takes longer than `transaction_seconds`, or nothing is asked
        for `idle_seconds`; 0: never. We break it off where one use takes longer than `use_seconds`. `options` are
        PostgreSQL's, for this connection; they go before those that all have.
        """
        if settings.database_url is None:
            raise ValueError("DENIZEN_DATABASE_URL is not set")
        self._use_seconds = use_seconds
        self._writes = role in _WRITERS
        self._conninfo = make_conninfo(
            settings.database_url.get_secret_value(),
            application_name=f"denizen {name}",
            connect_timeout=3,
            tcp_user_timeout=10_000,
            # A process that stops while it holds locks must not stop the others: the server ends its transaction.
            # After a pipeline of psycopg the idle time-out never comes, transaction_timeout does (test_outages.py).
            options=f"-c search_path={settings.cell} -c role={settings.cell}_{role} -c timezone=UTC "
            "-c jit=off -c plan_cache_mode=force_generic_plan "
            + "".join(f"-c {option}=off " for option in _BY_INDEX)
            + "-c statement_timeout=30s -c lock_timeout=7s -c idle_in_transaction_session_timeout=5s "
            f"-c transaction_timeout={transaction_seconds}s -c idle_session_timeout={idle_seconds}s"
            + "".join(f" -c {option}={value}" for option, value in (options or {}).items()),
        )
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def connection(self, *, reopen: bool = True) -> AsyncGenerator[Connection]:
        """The connection, in autocommit mode; the next caller waits until this one is done.

        Raises DatabaseUnavailable where none can be opened, or a lost one must not be (`reopen`). An exception inside
        the block closes it, unless it left the connection idle.
        """
        async with self._turn:
            connection = self._connection
            if connection is None or connection.closed or _is_ended(connection):
                await self.close()
                if not reopen:
                    raise DatabaseUnavailable("the connection is gone")
                connection = self._connection = await self._connect()
            try:
                with _bounded(connection, self._use_seconds):
                    yield connection
            except BaseException as error:
                # In mid-transaction, or cancelled in mid-exchange: it is not known how far it got. Where the server
                # takes no changes any more, a new connection may find the one that does.
                is_idle = connection.info.transaction_status == TransactionStatus.IDLE
                if not is_idle or isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                    await self.close()
                raise

    async def _connect(self) -> Connection:
        try:
            connection = await psycopg.AsyncConnection[ResultRow].connect(self._conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            reason, passes = causes.of_connecting(error)
            raise DatabaseUnavailable(reason, passes=passes) from error
        if self._writes and _is_read_only(connection):
            await connection.close()
            raise DatabaseUnavailable(causes.READ_ONLY)
        return connection

    async def fetch(self, query: LiteralString, parameters: Parameters, *, binary: bool = False) -> list[ResultRow]:
        """The rows of a query that only reads; asked once more where the connection turns out to be dead.

        In `binary`, rows of times, uuids and octets are read in half the time.

        Raises DatabaseUnavailable.
        """
        try:
            return await self._fetch(query, parameters, binary)
        except psycopg.errors.QueryCanceled as error:
            raise DatabaseUnavailable("PostgreSQL took too long") from error
        except psycopg.OperationalError:
            try:
                return await self._fetch(query, parameters, binary)
            except LOST as error:
                raise DatabaseUnavailable("PostgreSQL does not answer") from error

    async def _fetch(self, query: LiteralString, parameters: Parameters, binary: bool) -> list[ResultRow]:
        async with self.connection() as connection:
            return await (await connection.execute(query, parameters, binary=binary)).fetchall()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


def _is_read_only(connection: Connection) -> bool:
    """Whether the server takes no changes, as it said when the connection was opened."""
    said = (connection.info.parameter_status(name) for name in ("in_hot_standby", "default_transaction_read_only"))
    return "on" in said


def _is_ended(connection: Connection) -> bool:
    """Whether the server has ended an idle connection: there is something to read, its last words or the end.

    Without it the first to write after a restart of PostgreSQL would be refused, however long ago that was. (A server
    that reloads its settings may speak up, too: a connection more is opened.)
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


@contextmanager
def _bounded(connection: Connection, seconds: float) -> Generator[None]:
    """Break the connection where it is used for too long: a server that hangs answers nothing, yet keeps its sockets.

    Cancelling would not do: psycopg then waits for the server once more.
    """

    def break_off() -> None:
        with suppress(psycopg.OperationalError), socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)

    timer = asyncio.get_running_loop().call_later(seconds, break_off)
    try:
        yield
    finally:
        timer.cancel()
