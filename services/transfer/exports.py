"""Exports: all users that match, as they were at one position of the log, piece by piece as they are asked for."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from secrets import token_hex
from typing import LiteralString

from denizen import headers as h
from denizen import messages as m

from services import sql
from services.database import LOST, Database, DatabaseUnavailable
from services.endpoint import strict_json
from services.endpoint.call import Call
from services.refusal import Refusal
from services.settings import Settings
from services.transfer.forms import HASH, Encoder, check

log = logging.getLogger(__name__)

_USERS_A_PIECE = 1000
_ASKED_OCTETS = 100
_MOST_OCTETS = 900_000
"""Of a piece: NATS passes messages of 1 MB."""
_AT_ONCE = 4
"""Exports under way; each holds a snapshot of the database and two pieces."""
_IDLE_SECONDS = 60
"""An export whose next piece nobody asks for is given up."""
_LINGER_SECONDS = 10
"""The last piece can be asked for once more, where its answer was lost."""
_LONGEST_SECONDS = 24 * 3600
_PATIENT = {"idle_in_transaction_session_timeout": "120s"}

Piece = tuple[bytes, dict[str, str]]
"""A part of the file, and the headers that go with it."""
Serve = Callable[[str, Callable[[bytes], Awaitable[Piece]]], Awaitable[Callable[[], Awaitable[None]]]]
"""`serve(subject, answer)`: answers requests on a subject; returns what ends that. `answer` may raise Refusal."""


class Exports:
    """The exports under way in this process."""

    def __init__(self, settings: Settings, serve: Serve) -> None:
        self._settings = settings
        self._serve = serve
        self._running: set[asyncio.Task[None]] = set()

    async def begin(self, call: Call, request: m.ExportUsers) -> Piece:
        """The first piece; where there are more, its headers name the subject on which they are asked for.

        Raises Refusal.
        """
        check(request.fields, hashes=call.operation.name == "ExportUsersWithHashes")
        if len(self._running) >= _AT_ONCE:
            raise Refusal("overloaded", "too many exports are under way; try again later")
        export = _Export(self._settings, request, f"{call.operation.subject}-{token_hex(12)}")
        running = asyncio.create_task(export.run(self._serve))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await export.next()

    async def close(self) -> None:
        """Give up what is under way."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


class _Export:
    """One snapshot, read a piece ahead of who asks."""

    def __init__(self, settings: Settings, request: m.ExportUsers, subject: str) -> None:
        self._settings = settings
        self._request = request
        self._subject = subject
        self._pieces: asyncio.Queue[Piece | Refusal] = asyncio.Queue(1)
        self._number = -1
        self._last: Piece = b"", {}
        self._turn = asyncio.Lock()

    async def run(self, serve: Serve) -> None:
        """Read until the end, or until nobody has asked for a minute."""
        end = await serve(self._subject, self.answer)
        try:
            async for piece in self._read():
                async with asyncio.timeout(_IDLE_SECONDS):
                    await self._pieces.put(piece)
            await asyncio.sleep(_LINGER_SECONDS)
        except TimeoutError:
            log.info("export_abandoned")
        except (DatabaseUnavailable, *LOST):
            await self._pieces.put(Refusal("overloaded", "the database went out of reach; begin again"))
        finally:
            await end()

    async def next(self) -> Piece:
        """The next piece. Raises Refusal."""
        piece = await self._pieces.get()
        if isinstance(piece, Refusal):
            raise piece
        self._number += 1
        self._last = piece
        return piece

    async def answer(self, body: bytes) -> Piece:
        """The piece of a number: the next one, or the last one again, whose answer was lost. Raises Refusal."""
        number = strict_json.parse(body, _ASKED_OCTETS).get("piece")
        async with self._turn:
            if number == self._number:
                return self._last
            if number != self._number + 1:
                raise Refusal("validation_failed", "pieces are asked for in order", field="piece")
            return await self.next()

    async def _read(self) -> AsyncIterator[Piece]:
        request = self._request
        encoder = Encoder(request.format, request.fields, raw=request.raw)
        database = Database(self._settings, "transfer export", use_seconds=_LONGEST_SECONDS, options=_PATIENT)
        try:
            async with database.connection() as connection, connection.transaction():
                await connection.execute("set transaction isolation level repeatable read, read only")
                row = await (await connection.execute(_sql("export_position"))).fetchone()
                headers = {h.POSITION: str(row[0] if row else 0)}
                rest = encoder.head()
                async with connection.cursor(name="export") as cursor:
                    await cursor.execute(_sql("export_users"), _wanted(request))
                    while rows := await cursor.fetchmany(_USERS_A_PIECE):
                        rest += encoder.users([doc if hash is None else doc | {HASH: hash} for doc, hash in rows])
                        while len(rest) > _MOST_OCTETS:
                            yield rest[:_MOST_OCTETS], headers | {h.EXPORT: self._subject}
                            rest = rest[_MOST_OCTETS:]
                yield rest + encoder.tail(), headers
        finally:
            await database.close()


def _wanted(request: m.ExportUsers) -> dict[str, object]:
    chosen = request.filter
    return {
        # They leave the database only where they are asked for by name, which `check` allows to few.
        "hashes": HASH in request.fields,
        "status": chosen.status,
        "after": _time(chosen.created_after, "filter.createdAfter"),
        "before": _time(chosen.created_before, "filter.createdBefore"),
    }


def _time(text: str | None, field: str) -> str | None:
    """In the form that documents have, which sorts as times do."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except ValueError:
        raise Refusal("validation_failed", "must be a time as in RFC 3339", field=field) from None
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _sql(name: str) -> LiteralString:
    return sql.load("services.transfer", name)
