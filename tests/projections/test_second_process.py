"""A rebuild by two processes, the second of which is killed."""

import asyncio
import multiprocessing
import os
import signal
from typing import Any

import psycopg
import pytest

import projections
from services.eventstore.log.postgres import PostgresEventStore
from services.platform.settings import Settings
from services.projector import rebuild
from services.projector.filling import SecondProcessEnded
from services.projector.rebuild import Rebuild, leftovers
from tests.support import log
from tests.support.read_side import ReadSide, commanded

_SESSION = "denizen rebuild second"
Owner = psycopg.AsyncConnection[Any]


class _Held(PostgresEventStore):
    """A log, of whose users one of the last cannot be filled in before `holder` lets go."""

    def __init__(self, settings: Settings, holder: Owner) -> None:
        super().__init__(settings, log.ring(), "held")
        self._holder = holder
        self.second_half = ""

    async def middle(self, until: int) -> str:
        """Asked when the tables are made, and before the second process is."""
        await self._holder.execute(
            "insert into denizen_rebuild.by_email"
            " select email_key, user_id from denizen.by_email order by user_id desc offset 100 limit 1"
        )
        self.second_half = await super().middle(until)
        return self.second_half


async def _found(onlooker: Owner, query: str) -> int:
    ((count,),) = await (await onlooker.execute(query.encode())).fetchall()
    return int(count)


async def test_killed_second_process_leaves_the_live_tables(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its first page of users, which it has committed, and its second."""
    settings = log.with_keys(database_url)
    monkeypatch.setattr(rebuild, "_MANY", 1)
    created = [("CreateUser", {"email": f"{n}@example.com", "externalId": str(n)}) for n in range(3_000)]
    async with (
        await Owner.connect(database_url) as holder,
        await Owner.connect(database_url, autocommit=True) as onlooker,
        ReadSide(database_url) as read_side,
    ):
        store = _Held(settings, holder)
        await read_side.apply(await commanded([created], store))
        live = await read_side.tables()
        rebuilding = asyncio.create_task(Rebuild(settings, store).run(projections.ALL))
        of_it = f"from pg_stat_activity where application_name = '{_SESSION}'"
        await log.until(lambda: _found(onlooker, f"select count(*) {of_it} and wait_event_type = 'Lock'"), "it waits")
        written = f"select count(*) from denizen_rebuild.users where user_id >= '{store.second_half}'"
        assert 900 < await _found(onlooker, written) < 1_100, "in the middle"
        (process,) = multiprocessing.active_children()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await holder.rollback()
        with pytest.raises(SecondProcessEnded, match="the second process of the rebuild has ended"):
            await rebuilding
        await _check(read_side, live)

        await log.until(lambda: _found(onlooker, f"select (count(*) = 0)::int {of_it}"), "its session ends")
        await store.close()
        store = PostgresEventStore(settings, log.ring(), "next")
        assert (await Rebuild(settings, store).run(projections.ALL)).position == len(created)
        await store.close()
        await _check(read_side, live)
        assert multiprocessing.active_children() == []


async def _check(read_side: ReadSide, live: tuple[Any, ...]) -> None:
    assert await read_side.tables() == live
    async with read_side.database.connection() as connection:
        assert await leftovers(connection, "denizen") == []
