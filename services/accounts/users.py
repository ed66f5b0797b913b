"""Loads users from the log: each folded from a snapshot and the few events behind it."""

import asyncio
from collections.abc import Callable, Iterable

from services.domain import events, snapshots
from services.domain.events import LoginEvent
from services.domain.fold import evolve
from services.domain.snapshots import Snapshot
from services.domain.state import UserState
from services.eventstore.log.store import EventStore
from services.eventstore.log.tails import NEWEST, TOGETHER, Tail, Wanted

StreamVersion = tuple[str, int]
"""A user's id, and the version up to which their stream is asked for."""


class UserReader:
    """Reads users; methods raise DatabaseUnavailable."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._folding: dict[str, asyncio.Task[UserState]] = {}
        self._turn = asyncio.Lock()

    async def load(self, user_ids: Iterable[str]) -> dict[str, UserState]:
        """The newest state of each user. Absent: those who are too far behind a snapshot; `fold` them first."""
        found = await self.at({(user_id, NEWEST) for user_id in user_ids})
        return {user_id: stream for (user_id, _), stream in found.items()}

    async def at(self, places: Iterable[StreamVersion]) -> dict[StreamVersion, UserState]:
        """Likewise as of versions. Some are read at a time, so that their events are not all in memory at once."""
        wanted = [(place, Wanted(place[0], until=place[1])) for place in places]
        found: dict[StreamVersion, UserState] = {}
        for first in range(0, len(wanted), TOGETHER):
            some = wanted[first : first + TOGETHER]
            tails = await self._store.load([each for _, each in some])
            found |= {
                place: evolved(UserState(tail.stream), tail)
                for (place, _), tail in zip(some, tails, strict=True)
                if tail.whole
            }
        return found

    async def user(self, user_id: str) -> UserState:
        """The newest state of a user, however far behind a snapshot they are."""
        found = await self.load([user_id])
        if user_id in found:
            return found[user_id]
        folded = await self.fold(user_id)
        return (await self.load([user_id])).get(user_id, folded)

    async def fold(self, user_id: str) -> UserState:
        """Fold a long stream that was written before there were snapshots, and keep what it had come to on the way.

        That takes as long as the stream is long: a page at a time, and other tasks have their turns between two pages.
        """
        folding = self._folding.get(user_id)
        if folding is None:
            folding = self._folding[user_id] = asyncio.create_task(self._fold(user_id))
            folding.add_done_callback(lambda _: self._folding.pop(user_id))
        return await asyncio.shield(folding)

    async def _fold(self, user_id: str) -> UserState:
        async with self._turn:
            stream, whole = UserState(user_id), False
            while not whole:
                (tail,) = await self._store.load([Wanted(user_id, stream.version)])
                whole = tail.whole
                kept: list[Snapshot] = []
                stream = evolved(stream, tail, kept.append)
                await self._store.keep(user_id, kept)
            return stream


def evolved(before: UserState, tail: Tail, keep: Callable[[Snapshot], None] | None = None) -> UserState:
    """A user after what is new in their stream; `keep` is told of the snapshots that are due on the way."""
    if tail.erased:
        (last,) = tail.events
        return UserState(before.user_id, None, last.version, last.position, gone=last.type != "UserDeleted")
    user, version, position = before.user, before.version, before.position
    if tail.snapshot is not None:
        user, version, position = snapshots.restored(tail.snapshot), tail.snapshot.version, tail.snapshot.position
    for event in tail.events:
        decoded = events.decode(event)
        assert not isinstance(decoded, LoginEvent)
        user = evolve(user, decoded, before.user_id, event.recorded_at)
        version, position = event.version, event.position
        if keep is not None and position and (due := snapshots.due(version - 1, user)) is not None:
            keep(Snapshot(version, position, event.recorded_at, due))
    return UserState(before.user_id, user, version, position)
