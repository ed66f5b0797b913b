"""The directory: each user as queries show them, as JSON, beside what lists are filtered, searched and sorted by."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from projections import search_text, words
from projections.projection import Projection, ProjectorConnection, copy, sql
from services.domain.events import TYPES
from services.domain.fold import show, show_login
from services.domain.streams import FoldedEvent
from services.domain.values import Json

_LOCK = sql("users_lock")
_SELECT = sql("users_select")
_COPY = sql("users_copy")
_UPDATE = sql("users_update")
_DELETE = sql("users_delete")
_COUNT = sql("user_counts_add")
_BESIDE = frozenset(name for name, kind in TYPES.items() if not kind.is_shown)
"""Events that change nothing that is shown here."""

_COLUMNS = "user_id", "status", "doc", "login_position", "email", "name", "search"
_Columns = tuple[str, str, str, str, str, str, str]


@dataclass(slots=True)
class _Shown:
    """A row: the document, and the position of the last login that is counted in it."""

    doc: Json
    login_position: int = 0


async def apply(connection: ProjectorConnection, events: Sequence[FoldedEvent]) -> None:
    """Fold the events into the documents of their users: one read, and what they change of it."""
    touched = {event.user_id for event in events if event.type not in _BESIDE}
    if not touched:
        return
    # Before they are read: a rebuild's swap that waits for readers must not find us between reading and writing.
    await connection.execute(_LOCK)
    # Also of those created here: where events are applied again they are there.
    found = await _select(connection, touched)
    stored = {user_id: _Shown(doc, position) for user_id, doc, position, _ in found}
    users = dict(stored)
    for event in events:
        _apply(users, event)
    searches = {user_id: search for user_id, _, _, search in found if users.get(user_id) is not stored[user_id]}
    after = await _write(connection, users, stored)
    await words.change(connection, after, searches)
    await _count(connection, [users[user_id] for user_id in after], [stored[user_id] for user_id in searches])


class _Filling:
    """Writes each user once; the last one of a piece may go on in the next, and is written with that."""

    def __init__(self) -> None:
        self._last: dict[str, _Shown] = {}

    async def add(self, connection: ProjectorConnection, events: Sequence[FoldedEvent]) -> None:
        users, self._last = self._last, {}
        for event in events:
            _apply(users, event)
        last = events[-1].user_id
        if last in users:
            self._last[last] = users.pop(last)
        await self._put(connection, users)

    async def end(self, connection: ProjectorConnection) -> None:
        await self._put(connection, self._last)

    @staticmethod
    async def _put(connection: ProjectorConnection, users: Mapping[str, _Shown]) -> None:
        await words.fill(connection, await _write(connection, users, {}))
        await _count(connection, users.values(), [])


async def _select(connection: ProjectorConnection, user_ids: Iterable[str]) -> list[tuple[str, Json, int, str]]:
    """The rows of users who have one: id, document, position of the last login, and what they are searched by."""
    return await (await connection.execute(_SELECT, [" ".join(user_ids)])).fetchall()


async def _write(
    connection: ProjectorConnection, users: Mapping[str, _Shown], stored: Mapping[str, _Shown]
) -> dict[str, Iterable[str]]:
    """Bring the table from what is stored to these users; the words of those who were written."""
    written: dict[str, Iterable[str]] = {}

    def rows(chosen: Iterable[tuple[str, _Shown]]) -> Iterator[_Columns]:
        for user_id, user in chosen:
            doc = user.doc
            email, name, search, written[user_id] = search_text.search_text(doc)
            yield user_id, doc["status"], orjson.dumps(doc).decode(), str(user.login_position), email, name, search

    if new := [(user_id, user) for user_id, user in users.items() if user_id not in stored]:
        await copy(connection, _COPY, map("\t".join, rows(new)))
    if changed := [(user_id, user) for user_id, user in users.items() if stored.get(user_id, user) is not user]:
        objects = [dict(zip(_COLUMNS, row, strict=True)) for row in rows(changed)]
        await connection.execute(_UPDATE, [orjson.dumps(objects).decode()])
    if gone := stored.keys() - users.keys():
        await connection.execute(_DELETE, [list(gone)])
    return written


async def _count(connection: ProjectorConnection, now: Iterable[_Shown], before: Iterable[_Shown]) -> None:
    """Move the numbers of users by status."""
    counts = Counter(user.doc["status"] for user in now)
    counts.subtract(user.doc["status"] for user in before)
    # Sorted: two processes of a rebuild must not wait for each other.
    moves = [{"status": status, "change": change} for status, change in sorted(counts.items()) if change]
    if moves:
        await connection.execute(_COUNT, [orjson.dumps(moves).decode()])


def _apply(users: dict[str, _Shown], event: FoldedEvent) -> None:
    user_id = event.user_id
    user = users.get(user_id)
    if event.type == "UserDeleted":
        users.pop(user_id, None)
    elif event.type == "LoginSucceeded":
        if user is not None and event.position > user.login_position:
            users[user_id] = _Shown(show_login(user.doc, event), event.position)
    elif event.type not in _BESIDE and (user is None or event.version > user.doc["version"]):
        document = show(user.doc if user else None, event)
        if document is not None:
            users[user_id] = _Shown(document, user.login_position if user else 0)


USERS = Projection(
    "users",
    7,
    ("users", "user_counts", "user_words", "words"),
    sql("users_create"),
    apply,
    _Filling,
    (sql("user_words_index"), sql("words_index"), sql("users_index")),
)
