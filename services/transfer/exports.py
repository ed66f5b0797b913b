"""Exports: all users that match, as they were at one position of the log, piece by piece as they are asked for."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import LiteralString

import psycopg
from denizen import headers as h
from denizen import messages as m

from services.directory.search.terms import condition, exactly
from services.domain import refusals
from services.domain.refusals import Refusal
from services.domain.values import rfc3339
from services.endpoint import strict_json
from services.endpoint.answering import refusal_of
from services.endpoint.call import Call
from services.platform import sql
from services.platform.database import WHOLE_TABLES, Connection, Database
from services.platform.settings import Settings
from services.platform.signal import POLL_SECONDS
from services.transfer.forms import HASH, Encoder, check

log = logging.getLogger(__name__)

_USERS_A_PIECE = 1000
_ASKED_OCTETS = 100
_MOST_OCTETS = 900_000
"""Of a piece: NATS passes messages of 1 MB."""
_AT_ONCE = 4
"""Snapshots of the database that are held at a time, and two pieces each."""
_PATIENCE_SECONDS = 1.0
"""How long an export waits for the position that it demands."""
_LONGEST_SECONDS = 24 * 3600
_OPTIONS = {**WHOLE_TABLES, "idle_in_transaction_session_timeout": "120s"}

Piece = tuple[bytes, dict[str, str]]
"""A part of the file, and the headers that go with it."""
Serve = Callable[[str, Callable[[bytes], Awaitable[Piece]]], Awaitable[Callable[[], Awaitable[None]]]]
"""`serve(subject, answer)`: answers requests on a subject; returns what ends that. `answer` may raise Refusal."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Attributes in seconds.

    idle: an export whose next piece is not asked for is given up.
    linger: the last piece can be asked for once more, where its answer was lost.
    """

    idle: float = 60
    linger: float = 10


class Exports:
    """The exports under way in this process."""

    def __init__(self, settings: Settings, serve: Serve, patience: Patience | None = None) -> None:
        self._settings = settings
        self._serve = serve
        self._patience = patience or Patience()
        self._running: dict[asyncio.Task[None], _Export] = {}

    async def begin(self, call: Call, request: m.ExportUsers) -> Piece:
        """The first piece; where there are more, its headers name the subject on which they are asked for.

        Raises Refusal.
        """
        check(request.fields, hashes=call.operation.name == "ExportUsersWithHashes")
        chosen = _chosen(request)
        if sum(not export.read for export in self._running.values()) >= _AT_ONCE:
            raise refusals.too_many_exports()
        subject = f"{call.operation.subject}-{token_hex(12)}"
        export = _Export(self._settings, request, chosen, subject)

        async def answer(body: bytes) -> Piece:
            asked = strict_json.parse(body, _ASKED_OCTETS)
            if asked.get("end") is True:
                if not running.cancelling():  # Said twice, it would break off the closing of its connection.
                    running.cancel()
                return b"", {}
            return await export.answer(asked.get("piece"))

        end = await self._serve(subject, answer)
        running = asyncio.create_task(export.run(end, None if call.latest else call.min_position, self._patience))
        self._running[running] = export
        running.add_done_callback(self._running.pop)
        return await export.next()

    async def close(self) -> None:
        """Give up what is under way."""
        running = list(self._running)
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class _Export:
    """One snapshot, read one piece ahead of the client.

    Attributes:
        read: the snapshot is not held any more.
    """

    def __init__(self, settings: Settings, request: m.ExportUsers, chosen: "_Chosen", subject: str) -> None:
        self.read = False
        self._settings = settings
        self._request = request
        self._chosen = chosen
        self._subject = subject
        self._pieces: asyncio.Queue[Piece | Refusal] = asyncio.Queue(1)
        self._number = -1
        self._last: Piece = b"", {}
        self._refusal: Refusal | None = None
        self._turn = asyncio.Lock()

    async def run(self, end: Callable[[], Awaitable[None]], min_position: int | None, patience: Patience) -> None:
        """Read until the end, or until no piece was asked for in a while; `end` is called in the end."""
        try:
            refusal = await self._feed(min_position, patience.idle)
            self.read = True
            async with asyncio.timeout(patience.idle):
                if refusal is not None:
                    await self._pieces.put(refusal)
                await self._pieces.join()
            if self._number > 0:
                await asyncio.sleep(patience.linger)
        except TimeoutError:
            log.info("export_abandoned")
        finally:
            self.read = True
            await end()

    async def _feed(self, min_position: int | None, idle: float) -> Refusal | None:
        """Put all pieces; what to put behind them where they could not be read. Raises TimeoutError."""
        try:
            async with aclosing(self._read(min_position)) as pieces:
                async for piece in pieces:
                    async with asyncio.timeout(idle):
                        await self._pieces.put(piece)
        except TimeoutError:
            raise
        except psycopg.errors.UndefinedTable:
            return refusals.projection_missing()
        except Exception as error:  # noqa: BLE001 - the caller gets an answer, whatever it is
            return refusal_of(error)
        return None

    async def next(self) -> Piece:
        """The next piece. Raises Refusal."""
        if self._refusal is None:
            piece = await self._pieces.get()
            self._pieces.task_done()
            if not isinstance(piece, Refusal):
                self._number += 1
                self._last = piece
                return piece
            # A caller that has a part of the file gains nothing by asking for this piece again.
            begun = self._number >= 0 and piece.code == "overloaded"
            self._refusal = refusals.export_interrupted(piece.message) if begun else piece
        raise self._refusal

    async def answer(self, number: object) -> Piece:
        """The piece of a number: the next one, or the last one again, whose answer was lost. Raises Refusal."""
        async with self._turn:
            if number == self._number:
                return self._last
            if number != self._number + 1 or h.EXPORT not in self._last[1]:
                raise refusals.piece_out_of_order()
            return await self.next()

    async def _read(self, min_position: int | None) -> AsyncGenerator[Piece]:
        encoder = Encoder(self._request.format, self._request.fields, raw=self._request.raw)
        database = Database(
            self._settings, "transfer export", role="transfer", use_seconds=_LONGEST_SECONDS, options=_OPTIONS
        )
        try:
            async with database.connection() as connection:
                await self._reach(connection, min_position)
                async with connection.transaction():
                    await connection.execute("set transaction isolation level repeatable read, read only")
                    # Before the snapshot: a rebuild that swaps a table after it would leave users out.
                    await connection.execute(self._chosen.lock)
                    headers = {h.POSITION: str(await _position(connection))}
                    rest = encoder.head()
                    async with connection.cursor(name="export") as cursor:
                        await cursor.execute(self._chosen.statement, self._chosen.parameters)
                        while rows := await cursor.fetchmany(_USERS_A_PIECE):
                            rest += encoder.users(rows)
                            while len(rest) > _MOST_OCTETS:
                                yield rest[:_MOST_OCTETS], headers | {h.EXPORT: self._subject}
                                rest = rest[_MOST_OCTETS:]
                yield rest + encoder.tail(), headers
        finally:
            await database.close()

    async def _reach(self, connection: Connection, min_position: int | None) -> None:
        """Wait until the position is applied that the caller has seen; None: all that is committed now.

        Raises Refusal: `stale_read`.
        """
        wanted = await _head(connection) if min_position is None else min_position
        until = time.monotonic() + _PATIENCE_SECONDS
        while (lag := wanted - await _position(connection)) > 0:
            if time.monotonic() > until:
                raise refusals.projection_behind(wanted - lag, lag)
            await asyncio.sleep(POLL_SECONDS)


async def _head(connection: Connection) -> int:
    ((position,),) = await (await connection.execute(sql.load("services.eventstore.log", "head"))).fetchall()
    return int(position)


async def _position(connection: Connection) -> int:
    row = await (await connection.execute(_sql("export_position"))).fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The users to export: SQL with its parameters, and the statement that locks the tables which it reads."""

    statement: LiteralString
    parameters: Mapping[str, object]
    lock: LiteralString


def _chosen(request: m.ExportUsers) -> _Chosen:
    """Raises Refusal."""
    chosen = request.filter
    parameters: dict[str, object] = {
        # They leave the database only where they are asked for by name, which `check` allows to few.
        "hashes": HASH in request.fields,
        "status": chosen.status,
        "after": _time(chosen.created_after, "filter.createdAfter"),
        "before": _time(chosen.created_before, "filter.createdBefore"),
    }
    users = _sql("export_users")
    if chosen.search is None:
        return _Chosen(users.replace("{found}", "true"), parameters, "lock table users in access share mode")
    words = condition(chosen.search, "filter.search")
    found: LiteralString = "(" + words.sql + " or " + _sql("export_exactly") + ")"
    parameters |= {**words.parameters, **exactly(chosen.search)}
    lock: LiteralString = "lock table users, by_email, by_external_id in access share mode"
    return _Chosen(users.replace("{found}", found), parameters, lock)


def _time(text: str | None, field: str) -> str | None:
    """In the form that documents have, which sorts as times do."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refusals.not_a_time(field) from None
    return rfc3339(at)


def _sql(name: str) -> LiteralString:
    return sql.load("services.transfer", name)
