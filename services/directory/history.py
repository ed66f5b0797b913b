"""Who changed what of a user, and the user as of any time: folded from his events, by what the directory is made by."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from denizen import messages as m

from projections import users
from services import sql
from services.database import Database
from services.endpoint.page import fitting, listed
from services.eventstore.event import Event
from services.eventstore.store import EventStore
from services.refusal import Refusal

Json = dict[str, Any]

_SECTIONS = ("profile", "metadata", "appMetadata")
_UNSHOWN = frozenset({"id", "createdAt", "updatedAt", "version", "loginCount", "lastLoginAt", "lastLoginIp"})
"""What every event changes, or none of a user's own stream does."""


class Histories:
    """Reads whole streams of users; methods raise DatabaseUnavailable and Refusal."""

    def __init__(self, store: EventStore, database: Database) -> None:
        self._store = store
        self._database = database

    async def history(self, request: m.GetUserHistory) -> tuple[int, bytes | None]:
        """The position of the log, and the page as JSON; None where there is no such user."""
        position, stored = await self._stream(request.user_id)
        rows = list(_rows(stored))
        if not rows or stored[-1].type == "UserDeleted":
            return position, None
        rows.reverse()
        before = int(request.cursor) if request.cursor else position + 1
        page = [row for row in rows if row["position"] < before]
        shown = fitting([orjson.dumps(row) for row in page[: request.count]])
        cursor = str(page[len(shown) - 1]["position"]) if len(page) > len(shown) else None
        return position, listed(shown, nextCursor=cursor)

    async def as_of(self, request: m.GetUser) -> tuple[int, bytes | None]:
        """The position that is shown, and the user as he was; None where he was not there yet, or is erased."""
        at = _time(request.as_of or "")
        position, stored = await self._stream(request.user_id)
        if stored and stored[-1].type == "UserDeleted":
            return position, None
        document: Json | None = None
        for event in stored:
            if event.recorded_at <= at:
                document = users.evolve(document, event)
        if document is None:
            return position, None
        figures = await self._database.fetch(sql.load("services.directory", "logins_as_of"), [request.user_id, at])
        for shown, count, last, ip in figures:
            position = min(position, shown)  # His logins are a projection's, which may be behind the log.
            document |= {"loginCount": count, "lastLoginAt": last, "lastLoginIp": ip}
        return position, orjson.dumps(document)

    async def _stream(self, user_id: str) -> tuple[int, Sequence[Event]]:
        """The position first: what is read after it shows at least as much."""
        position = await self._store.head()
        return position, (await self._store.load([user_id])).get(user_id, [])


def _rows(stored: Sequence[Event]) -> Iterator[Json]:
    document: Json | None = None
    for event in stored:
        before, document = document, users.evolve(document, event)
        yield {
            "position": event.position,
            "time": event.recorded_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
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
        raise Refusal("validation_failed", "must be a time as in RFC 3339", field="asOf") from None
