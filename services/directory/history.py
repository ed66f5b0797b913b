"""The history of a user, and the user as of any time: folded from the user's events as the projections are."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from denizen import messages as m

from services.domain import refusals
from services.domain.fold import show
from services.domain.streams import StoredEvent
from services.domain.values import Json, rfc3339
from services.endpoint.answer_size import fitting, listed
from services.eventstore.log.store import EventStore
from services.eventstore.log.tails import PAGE, Tail, Wanted
from services.platform import sql
from services.platform.database import Database

_SECTIONS = ("profile", "metadata", "appMetadata")
_UNSHOWN = frozenset({"id", "createdAt", "updatedAt", "version", "loginCount", "lastLoginAt", "lastLoginIp"})
"""The fields that are left out of a change: every event changes them, or no event of the user's own stream does."""


class Histories:
    """Reads streams of users a page at a time; methods raise DatabaseUnavailable and Refusal."""

    def __init__(self, store: EventStore, database: Database) -> None:
        self._store = store
        self._database = database

    async def history(self, request: m.GetUserHistory) -> tuple[int, bytes | None]:
        """The position of the log, and the page as JSON; None where there is no such user."""
        user_id = request.user_id
        position = await self._store.head()  # Before the events are read: those show at least as much.
        (first,) = await self._store.load([Wanted(user_id, until=1)])
        if first.erased or not first.events:
            return position, None
        last = await self._newest(user_id) if request.cursor is None else await self._before(user_id, request.cursor)
        rows: list[bytes] = []
        positions: list[int] = []
        while last and len(rows) < request.count and len(fitting(rows)) == len(rows):
            before = max(0, last - min(PAGE, request.count - len(rows)))
            some = list(_rows(*await self._part(user_id, before, last)))
            rows += [orjson.dumps(row) for row in reversed(some)]
            positions += [row["position"] for row in reversed(some)]
            last = before
        shown = fitting(rows)
        cursor = str(positions[len(shown) - 1]) if last or len(rows) > len(shown) else None
        return position, listed(shown, nextCursor=cursor)

    async def as_of(self, request: m.GetUser) -> tuple[int, bytes | None]:
        """The position that is shown, and the user as they were; None where they did not exist yet, or are erased."""
        at = _time(request.as_of or "")
        position = await self._store.head()
        document: Json | None = None
        version, whole = 0, False
        while not whole:
            tail = await self._store.load_as_of(request.user_id, at, version)
            document, version, whole = _after(tail, document), tail.version, tail.whole
        if document is None:
            return position, None
        figures = await self._database.fetch(sql.load("services.directory", "logins_as_of"), [request.user_id, at])
        for shown, count, last, ip in figures:
            position = min(position, shown)  # The logins are a projection's, which may be behind the log.
            document = document | {"loginCount": count, "lastLoginAt": last, "lastLoginIp": ip}
        return position, orjson.dumps(document)

    async def _newest(self, user_id: str) -> int:
        return (await self._store.tips([user_id]))[user_id]

    async def _before(self, user_id: str, cursor: str) -> int:
        """The version before the last one that was shown. Raises Refusal."""
        for event in await self._store.read(int(cursor) - 1, 1):
            if event.stream == user_id and event.position == int(cursor):
                return event.version - 1
        raise refusals.invalid("not a nextCursor of such a history", "cursor")

    async def _part(self, user_id: str, before: int, last: int) -> tuple[Json | None, Sequence[StoredEvent]]:
        """The user at a version, and the events from there to another, PAGE at the most."""
        document: Json | None = None
        version = 0
        while version < before:
            (tail,) = await self._store.load([Wanted(user_id, version, before)])
            document, version = _after(tail, document), tail.version or before
        (part,) = await self._store.load([Wanted(user_id, before, last, events_alone=True)])
        return document, () if part.erased else part.events


def _after(tail: Tail, document: Json | None) -> Json | None:
    """A user's document after the new events of their stream."""
    if tail.erased:
        return None
    if tail.snapshot is not None:
        document = tail.snapshot.state["shown"]
    for event in tail.events:
        document = show(document, event)
    return document


def _rows(document: Json | None, stored: Sequence[StoredEvent]) -> Iterator[Json]:
    for event in stored:
        before, document = document, show(document, event)
        yield {
            "position": event.position,
            "time": rfc3339(event.recorded_at),
            "type": event.type,
            "actor": event.metadata.get("actor"),
            "commandId": event.metadata.get("commandId"),
            "changes": list(_changes(before or {}, document or {})),
            "reason": (event.private or {}).get("reason") or event.public.get("reason"),
        }


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Json]:
    old, new = _flat(before), _flat(after)
    for field in sorted(old.keys() | new.keys()):
        was, now = old.get(field), new.get(field)
        if orjson.dumps(was) != orjson.dumps(now):  # 1, 1.0 and true are three values
            yield {"field": field, "old": was, "new": now}


def _flat(document: Mapping[str, Any]) -> Json:
    fields = {name: value for name, value in document.items() if name not in _UNSHOWN and name not in _SECTIONS}
    for section in _SECTIONS:
        fields |= {f"{section}.{name}": value for name, value in document.get(section, {}).items()}
    return fields


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise refusals.not_a_time("asOf") from None
