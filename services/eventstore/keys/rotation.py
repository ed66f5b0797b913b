"""`denizen keys rotate`: rewraps every key under a new epoch, and destroys the old epochs' key-encryption keys."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import LiteralString

import orjson

from services.domain.values import Json
from services.eventstore.keys import data_keys as keys
from services.eventstore.keys import files as key_files
from services.eventstore.keys.checks import check_keys
from services.eventstore.keys.data_keys import KeyRing, KeysMissing
from services.platform import sql
from services.platform.database import Connection, Database, ResultRow
from services.platform.settings import Settings

BATCH = 500
"""Keys of one transaction: about 20 ms, and as long an erasure of one of their users may have to wait."""
_PAUSE_SECONDS = 0.05

RotationProgress = Callable[[int, int], None]
"""Told how many data keys are done, of how many."""


class RotationRefused(Exception):
    """For people: why nothing was rotated, and what to do."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of a rotation.

    Attributes:
        epoch: the one that every key is wrapped under now.
        rewrapped: how many keys were rewrapped, those of an interrupted run before this one not counted.
        removed: epochs whose key files were deleted.
        left: epochs whose keys open nothing any more, and are still here: remove them.
    """

    epoch: int
    rewrapped: int
    removed: Sequence[int]
    left: Sequence[int]


def _sql(name: str) -> LiteralString:
    return sql.load("services.eventstore.keys", name)


async def rotate(settings: Settings, *, keep_old: bool, progress: RotationProgress) -> Rotation:
    """Rotate, or finish a rotation that was interrupted; `keep_old` leaves the old epochs' key files there.

    Raises RotationRefused, KeysMissing, DatabaseUnavailable and psycopg.Error; after each of them, and after a kill,
    the next call goes on where this one was.
    """
    ring = keys.load(settings)
    database = Database(settings, "rotation", transaction_seconds=10)
    try:
        # A key wrapped under another log's key could be opened by no service.
        async with database.connection() as connection:
            await check_keys(connection, ring)
        work = Work(settings, ring, database)
        await work.lock()
        old = await work.epochs_to_retire()
        if old is None:
            old = _begin(settings, ring)
            async with database.connection() as connection:
                await check_keys(connection, ring)
            ring.advance()
        rewrapped = await work.retire(old) if old else 0
        rewrapped += await work.rewrap(progress)
        return await work.finish(rewrapped, keep_old)
    finally:
        await database.close()


def _begin(settings: Settings, ring: KeyRing) -> Sequence[int]:
    """Make the key of a new epoch; the epoch that it takes the place of."""
    if keys.in_environment(settings):
        raise RotationRefused(
            f"every key is wrapped under epoch {ring.epoch} already. Add a key of epoch {ring.epoch + 1} to "
            "DENIZEN_KEY_ENCRYPTION_KEYS, restart every service with both, then rotate"
        )
    key_files.create_next(settings.home / "keys", ring.epoch)
    ring.reload()
    return [ring.epoch]


class Work:
    """The steps, over one connection: the lock of the rotation is its session's."""

    def __init__(self, settings: Settings, ring: KeyRing, database: Database) -> None:
        self._settings = settings
        self._ring = ring
        self._database = database

    async def lock(self) -> None:
        """Raises RotationRefused."""
        async with self._database.connection() as connection:
            if await (await connection.execute(_sql("lock_rotation"))).fetchone() != (True,):
                raise RotationRefused("another rotation is at work on this log")

    async def epochs_to_retire(self) -> Sequence[int] | None:
        """The older epochs that still wrap; none where a rotation was interrupted after it had retired them.

        None where a new rotation begins: everything is under the newest epoch.
        """
        retired, held = dict(await self._run("read_retired_epochs")), dict(await self._run("count_epochs"))
        newest = self._ring.epoch
        if newest in retired or max(held, default=0) > newest:
            raise KeysMissing(f"the newest key here is of epoch {newest}, and this log is beyond it")
        wrapping = sorted({epoch for epoch in {*self._ring.epochs, *held} if epoch < newest} - retired.keys())
        return wrapping if wrapping or not all(retired.values()) else None

    async def retire(self, epochs: Sequence[int]) -> int:
        """From this commit on nothing new is wrapped under them; how many of the server's own keys were rewrapped.

        Those are few, and their rows change later on, so they go at once.
        """
        async with self._database.connection(reopen=False) as connection, connection.transaction():
            await connection.execute(_sql("lock_server_keys"))
            rewrapped = await self._rewrap_server_keys(connection)
            await connection.execute(_sql("lock_data_keys"))
            await connection.execute(_sql("retire_epochs"), [list(epochs)])
        return rewrapped

    async def _rewrap_server_keys(self, connection: Connection) -> int:
        rows = await (await connection.execute(_sql("read_server_keys"), [self._ring.epoch])).fetchall()
        renewed: list[Json] = []
        for kind, key_id, epoch, wrapped in rows:
            name = f"{kind}\0{key_id}"  # as services/tokens/keys.py binds it
            private = self._ring.unwrapped(name, epoch, wrapped) if wrapped else None
            renewed.append({"key_id": key_id, "wrapped": self._ring.wrap(name, private).hex() if private else ""})
        await connection.execute(_sql("rewrap_server_keys"), self._renewed(renewed))
        return len(rows)

    def _renewed(self, rows: list[Json]) -> Json:
        return {"epoch": self._ring.epoch, "keys": orjson.dumps(rows).decode()}

    async def rewrap(self, progress: RotationProgress) -> int:
        """Rewrap every data key that is under an older epoch; how many."""
        done = 0
        while left := await self._left():
            total = done + left
            after: str | None = ""
            while after is not None:
                count, after = await self._batch(after)
                done += count
                progress(done, max(done, total))
            if done < total:
                await asyncio.sleep(_PAUSE_SECONDS)  # Others hold the rest, for six seconds at most.
        return done

    async def _left(self) -> int:
        ((count,),) = await self._run("count_old_data_keys", self._ring.epoch)
        return int(count)

    async def _batch(self, after: str) -> tuple[int, str | None]:
        """Some of those of the users behind `after`: how many, and the last user; None where there were no more."""
        epoch = self._ring.epoch
        async with self._database.connection(reopen=False) as connection, connection.transaction():
            taken = {"after": after, "epoch": epoch, "limit": BATCH}
            rows = await (await connection.execute(_sql("take_data_keys"), taken)).fetchall()
            if not rows:
                return 0, None
            opened = {user_id: self._ring.unwrapped(user_id, old, wrapped) for user_id, old, wrapped in rows}
            renewed = [
                {"user_id": user_id, "wrapped": self._ring.wrap(user_id, key).hex()} for user_id, key in opened.items()
            ]
            stored = await (await connection.execute(_sql("rewrap_data_keys"), self._renewed(renewed))).fetchall()
            if {user_id: self._ring.unwrapped(user_id, epoch, wrapped) for user_id, wrapped in stored} != opened:
                raise KeysMissing("a key that was rewrapped does not open: nothing of this batch was stored")
        return len(rows), rows[-1][0]

    async def finish(self, rewrapped: int, keep_old: bool) -> Rotation:
        """Destroy what opens nothing any more."""
        epoch = self._ring.epoch
        if remaining := {each for each, _ in await self._run("count_epochs")} - {epoch}:
            raise RotationRefused(f"keys of epoch {min(remaining)} are still there: rotate again")
        old = sorted(each for each in self._ring.epochs if each < epoch)
        removed: list[int] = []
        if not (keep_old or keys.in_environment(self._settings)):
            removed = [each for each in old if key_files.remove(self._settings.home / "keys", each)]
        # Last: a run that was killed before this finishes the same rotation.
        await self._run("empty_epochs")
        return Rotation(epoch, rewrapped, removed, [each for each in old if each not in removed])

    async def _run(self, name: str, *parameters: object) -> list[ResultRow]:
        """The rows of a statement. Raises DatabaseUnavailable where the connection, and with it the lock, is gone."""
        async with self._database.connection(reopen=False) as connection:
            cursor = await connection.execute(_sql(name), parameters)
            return await cursor.fetchall() if cursor.description else []
