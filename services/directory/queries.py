"""Answers queries: those that arrive together by one statement, and each once its position is applied."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from denizen import headers as h
from denizen import messages as m
from psycopg.errors import UndefinedColumn, UndefinedTable

from services.directory.history import Histories
from services.directory.lookups import LOOKUPS, OPTIONS, SINGLES, Lookup, login_history, look_up, tables_exist
from services.directory.search.pages import UserSearch
from services.domain import refusals
from services.domain.email_address import InvalidEmail
from services.domain.refusals import Refusal
from services.endpoint.answering import answering
from services.endpoint.call import Call
from services.eventstore.log.store import EventStore
from services.platform import sql, startup
from services.platform.batching import Batcher
from services.platform.database import Database
from services.platform.settings import Settings

_BATCH = 256
_WAITING = 4096
"""Look-ups of one kind that wait for their turn; later ones are refused as `overloaded`."""
_WAITING_SINGLY = 256
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 1.0
"""How long a query waits for the position that it demands."""


Single = Callable[[Call], Awaitable[tuple[int, bytes | None]]]
"""Answers a query by itself: the position that is shown, and the body; None where there is no such user."""


@dataclass(slots=True, eq=False)
class Query:
    """A query, and until when it may wait for its position (time.monotonic)."""

    call: Call
    kind: type[m.Request]
    key: str
    until: float


class AsOf(m.GetUser):
    """GetUser of a time: answered by itself."""


class Queries:
    """Looks users up over one connection for each kind of query."""

    def __init__(
        self,
        settings: Settings,
        store: EventStore,
        answer: Callable[[Call, bytes, dict[str, str]], Awaitable[None]],
        refuse: Callable[[Call, Refusal], Awaitable[None]],
    ) -> None:
        self._answer = answer
        self._refuse = refuse
        self._parked: list[Query] = []
        self._databases: list[Database] = []
        self._batchers: dict[type[m.Request], Batcher[Query]] = {}
        reading = settings.for_reading()
        for kind, lookup in LOOKUPS.items():
            work = self._worker(partial(self._look_up, self._database(reading, kind.__name__), lookup))
            self._batchers[kind] = Batcher(work, most=_BATCH, capacity=_WAITING)
        self._log = self._database(settings, "head")
        self._latest = Batcher[Query](self._worker(self._demand_head), most=_BATCH, capacity=_WAITING)
        histories = Histories(store, self._database(settings, AsOf.__name__))
        singles: dict[type[m.Request], Single] = {
            m.GetUserHistory: _of_request(histories.history),
            AsOf: _of_request(histories.as_of),
            m.GetLoginHistory: partial(login_history, self._database(reading, m.GetLoginHistory.__name__)),
        }
        for kind, single in SINGLES.items():
            singles[kind] = _of_request(partial(single, self._database(reading, kind.__name__)))
        for kind, single in singles.items():
            work = self._worker(partial(self._answer_each, single))
            self._batchers[kind] = Batcher(work, most=1, capacity=_WAITING_SINGLY)

    def _database(self, settings: Settings, name: str) -> Database:
        self._databases.append(Database(settings, f"directory {name}", role="directory", options=OPTIONS.get(name)))
        return self._databases[-1]

    def accept(self, call: Call) -> bool:
        """Take a query over; False where its queue is full. Raises Refusal."""
        kind = type(call.request)
        if isinstance(call.request, m.GetUser) and call.request.as_of is not None:
            kind = AsOf
        elif isinstance(call.request, m.ListUsers) and call.request.search is not None:
            kind = UserSearch
        lookup = LOOKUPS.get(kind)
        try:
            key = lookup.key(call.request) if lookup else ""
        except InvalidEmail as error:
            raise refusals.invalid(str(error), "email") from None
        until = time.monotonic() + _PATIENCE_SECONDS
        if call.deadline is not None:
            until = min(until, time.monotonic() + call.deadline - time.time())
        query = Query(call, kind, key, until)
        return self._latest.put(query) if call.latest else self._batchers[kind].put(query)

    def _worker(
        self, answer: Callable[[dict[Query, None]], Awaitable[None]]
    ) -> Callable[[list[Query]], Awaitable[None]]:
        """Make the work of a batcher: it answers a batch of one kind of query, whatever happens."""

        async def work(batch: list[Query]) -> None:
            waiting = dict.fromkeys(batch)

            async def refuse(refusal: Refusal) -> None:
                for query in waiting:
                    await self._refuse(query.call, refusal)

            await answering(_reading(answer(waiting)), refuse)

        return work

    async def _demand_head(self, waiting: dict[Query, None]) -> None:
        """Read the head of the log, after the queries arrived: from here on they wait for that, as for any position."""
        ((head,),) = await self._log.fetch(sql.load("services.eventstore.log", "head"), [])
        for query in list(waiting):
            del waiting[query]
            query.call.min_position = max(query.call.min_position, int(head))
            await self._ask_again(query, self._batchers[query.kind])

    async def _ask_again(self, query: Query, batcher: Batcher[Query]) -> None:
        if not batcher.put(query):
            await self._refuse(query.call, refusals.too_many_queries())

    async def _look_up(self, database: Database, lookup: Lookup, waiting: dict[Query, None]) -> None:
        keys = list({query.key for query in waiting})
        position, found = await look_up(database, lookup, keys)
        encoded = {key: document.encode() for key, document in found.items()}
        headers = {h.POSITION: str(position)}
        for query in list(waiting):
            del waiting[query]
            if query.call.min_position > position:
                await self._park(query, query.call.min_position, position)
            elif query.key in encoded:
                shown = _headers(query.call, position) if query.call.is_opaque else headers
                await self._answer(query.call, encoded[query.key], shown)
            else:
                await self._miss(query, lookup.field)

    async def _answer_each(self, single: Single, waiting: dict[Query, None]) -> None:
        for query in list(waiting):
            position, body = await single(query.call)
            del waiting[query]
            if query.call.min_position > position:
                await self._park(query, query.call.min_position, position)
            elif body is not None:
                await self._answer(query.call, body, _headers(query.call, position))
            else:
                await self._miss(query, "userId")

    async def _miss(self, query: Query, field: str) -> None:
        """The projection lacks the user. Where the log knows them, it is behind: wait for the head of the log."""
        if query.call.known:
            query.call.known = False
            await self._ask_again(query, self._latest)
        elif query.call.operation.kind == "self":  # Erased since the token was checked.
            await self._refuse(query.call, refusals.session_ended())
        else:
            await self._refuse(query.call, refusals.user_not_found_by(field))

    async def _park(self, query: Query, wanted: int, position: int) -> None:
        """Keep a query until the position that it wants is applied, or it has waited long enough."""
        if time.monotonic() < query.until and len(self._parked) < _WAITING:
            self._parked.append(query)
            return
        await self._refuse(query.call, stale_read(query.call, wanted, position))

    async def retry_parked(self) -> None:
        """Ask again for all queries that wait: the projections have moved on, or some time has passed."""
        parked, self._parked = self._parked, []
        for query in parked:
            await self._ask_again(query, self._batchers[query.kind])

    async def projections_exist(self) -> None:
        """Wait for the projector, which makes the tables. Raises DatabaseUnavailable."""
        while not await tables_exist(self._databases[0]):
            startup.waiting("the projections are not there yet: is the projector running?", patient=True)
            await asyncio.sleep(_POLL_SECONDS)

    async def run(self) -> None:
        """Do the work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for batcher in (self._latest, *self._batchers.values()):
                tasks.create_task(batcher.run())

    async def drained(self) -> None:
        """Wait until every accepted query is answered; those that wait for a position have at most their patience."""
        while True:
            # Twice: a query goes from `_latest` to another batcher, and at most once more.
            for batcher in (self._latest, *self._batchers.values()) * 2:
                await batcher.drained()
            if not self._parked:
                return
            await asyncio.sleep(0.02)
            await self.retry_parked()

    async def close(self) -> None:
        for database in self._databases:
            await database.close()


async def _reading(work: Awaitable[None]) -> None:
    """Await work that reads projections. Raises Refusal where a table is not there yet, or is of an earlier version."""
    try:
        await work
    except (UndefinedTable, UndefinedColumn):  # The projector builds it (projector/rebuild.py).
        raise refusals.projection_missing() from None


def _headers(call: Call, position: int) -> dict[str, str]:
    return {h.POSITION: str(call.shown(position))}


def _of_request(answer: Callable[[Any], Awaitable[tuple[int, bytes | None]]]) -> Single:
    return lambda call: answer(call.request)


def stale_read(call: Call, wanted: int, position: int) -> Refusal:
    """The answer to a query whose position is not applied in time. Only back ends are told how far the log is."""
    if call.operation.kind == "self":
        return refusals.not_shown_yet()
    return refusals.projection_behind(position, wanted - position)
