"""Reads the log in PostgreSQL: streams with their snapshots, the log as a whole, users one by one, outcomes."""

import logging
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from services.domain.snapshots import FORM, Snapshot
from services.domain.streams import ReplayedEvent, StoredEvent
from services.eventstore.keys.cache import DataKeyCache
from services.eventstore.keys.checks import check_keys
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.log import rows
from services.eventstore.log.store import END, Outcome
from services.eventstore.log.tails import PAGE, TOGETHER, Tail, Wanted
from services.platform import sql
from services.platform.database import Database, Parameters, ResultRow
from services.platform.settings import Settings

log = logging.getLogger(__name__)

IN_ORDER = {"enable_bitmapscan": "off", "enable_sort": "off"}
"""How read_users.sql is planned: it would read and sort the log for each page where users' events lie far apart."""
_USERS_SECONDS = 29
"""Of a page of whole users, whose events may lie far apart on a slow disk; PostgreSQL breaks it off after 30."""
_NO_FORM = 0
"""There are no snapshots of it."""


def _sql(name: str) -> LiteralString:
    return sql.load("services.eventstore.log", name)


class LogReader:
    """The reading half of a Log. One connection reads, another one reads users; each is opened when first needed."""

    def __init__(self, settings: Settings, ring: KeyRing, name: str, *, role: str = "app") -> None:
        """`name` and `role` as of a Database."""
        self._reader = Database(settings, f"{name} read", role=role)
        self._users = Database(settings, f"{name} users", role=role, use_seconds=_USERS_SECONDS, options=IN_ORDER)
        self._keys = DataKeyCache(ring)

    async def close(self) -> None:
        await self._reader.close()
        await self._users.close()

    async def check_keys(self) -> None:
        """Raises KeysMissing where this log was written under another key than ours of that name."""
        async with self._reader.connection() as connection:
            await check_keys(connection, self._keys.ring)

    async def load(self, wanted: Sequence[Wanted]) -> list[Tail]:
        result: list[Tail] = []
        for first in range(0, len(wanted), TOGETHER):
            some = wanted[first : first + TOGETHER]
            parameters = {
                "streams": [each.stream for each in some],
                "afters": [each.after for each in some],
                "untils": [each.until for each in some],
                "alone": [each.events_alone for each in some],
            }
            result += await self._tails("load_streams", parameters)
        return result

    async def load_as_of(self, stream: str, at: datetime, after: int = 0) -> Tail:
        (tail,) = await self._tails("load_as_of", {"streams": [stream], "stream": stream, "after": after, "at": at})
        return tail

    async def _tails(self, statement: str, parameters: Mapping[str, Any]) -> list[Tail]:
        """Read the parts of streams that a statement finds; without snapshots where one of them cannot be read."""
        unreadable: list[tuple[str, int]] = []
        for form in (FORM, _NO_FORM):
            tails = [Tail(stream) for stream in parameters["streams"]]
            found = await self._read(statement, {**parameters, "form": form, "page": PAGE})
            unreadable = rows.fill(tails, found, self._keys)
            if not unreadable:
                return tails
            await self._drop_snapshots(unreadable)
        raise AssertionError("there is no snapshot of this form")

    async def _drop_snapshots(self, unreadable: Sequence[tuple[str, int]]) -> None:
        """So that others can be kept in their place."""
        log.warning("snapshots_unreadable", extra={"count": len(unreadable)})
        user_ids, versions = [user_id for user_id, _ in unreadable], [version for _, version in unreadable]
        async with self._reader.connection() as connection:
            parameters = {"user_ids": user_ids, "versions": versions, "form": FORM}
            await connection.execute(_sql("drop_snapshots"), parameters)

    async def keep(self, stream: str, snapshots: Sequence[Snapshot]) -> None:
        await self._read_keys([stream])
        if not snapshots or (key := self._keys.get(stream)) is None:
            return
        with suppress(psycopg.errors.ForeignKeyViolation):  # Erased just now.
            async with self._reader.connection() as connection:
                columns = rows.snapshot_columns(rows.kept(stream, snapshots, key))
                await connection.execute(_sql("put_snapshots"), columns)

    async def snapshots(self) -> AsyncGenerator[tuple[str, int, int]]:
        """The user, the version and the position of each snapshot, in order."""
        last = "", 0
        while found := await self._read("list_snapshots", {"form": FORM, "user_id": last[0], "version": last[1]}):
            for user_id, version, position in found:
                yield user_id, version, position
                last = user_id, version

    async def long_streams(self, after: str) -> tuple[str | None, list[str]]:
        """Of a thousand users behind one: the last, and those with more than a page of events and no snapshot.

        None where no user is left.
        """
        parameters = {"after": after, "version": PAGE + 1, "form": FORM}
        ((last, user_ids),) = await self._read("long_streams", parameters)
        return last, user_ids

    async def tips(self, streams: Sequence[str]) -> dict[str, int]:
        return {stream: version for stream, version, _ in await self._read("stream_tips", [list(streams)])}

    async def read(self, after: int, limit: int) -> list[StoredEvent]:
        return [rows.event(row, self._keys) for row in await self._read("read_log", [after, limit])]

    async def users(self, until: int, first: str = "", end: str = END) -> AsyncGenerator[list[ReplayedEvent]]:
        after = first, 0
        keys = DataKeyCache(self._keys.ring, 1)  # No user comes again: to keep more would only crowd the caches.
        while found := await self._users.fetch(_sql("read_users"), [*after, end, until], binary=True):
            _, *after, _, _, _, _, _, _, _ = found[-1]
            if some := [event for row in found if (event := rows.replayed(row, keys)) is not None]:
                yield some

    async def middle(self, until: int) -> str:
        ((user_id,),) = await self._read("middle_user", [until])
        return str(user_id)

    async def head(self) -> int:
        ((position,),) = await self._read("head", [])
        return int(position)

    async def outcomes(self, command_ids: Sequence[str]) -> dict[str, Outcome]:
        found = await self._read("find_commands", [list(command_ids)])
        return {command_id: Outcome(*outcome) for command_id, *outcome in found}

    async def _read(self, name: str, parameters: Parameters) -> list[ResultRow]:
        return await self._reader.fetch(_sql(name), parameters, binary=True)

    async def _read_keys(self, users: Iterable[str]) -> None:
        missing = [user for user in users if self._keys.get(user) is None]
        for user_id, epoch, wrapped in await self._read("read_data_keys", [missing]) if missing else []:
            self._keys.unwrap(user_id, epoch, wrapped)
