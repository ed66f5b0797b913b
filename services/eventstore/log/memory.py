"""The log in memory: the same contract without a server, for dry runs of imports and for tests."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from services.domain.claim_kinds import Claim
from services.domain.snapshots import Snapshot
from services.domain.streams import StoredEvent, user_of
from services.eventstore.log.schedule import unfounded
from services.eventstore.log.store import (
    END,
    Append,
    Appended,
    ClaimTaken,
    Outcome,
    Repeated,
    Result,
    StaleVersion,
)
from services.eventstore.log.tails import PAGE, Tail, Wanted

_PAGE = 1000
"""Events of users that are read at a time."""


class MemoryStreams:
    """An EventStore in the memory of its process. One task at a time decides and stores, so nothing can race.

    It keeps no secrets: `effects` are lost on it. Earlier events may lie elsewhere: those up to the position `_first`,
    and the first `_before` versions of a stream.
    """

    def __init__(self) -> None:
        self._first = 0
        self._before: dict[str, int] = {}
        self._log: list[StoredEvent] = []
        self._streams: dict[str, list[StoredEvent]] = {}
        self._claims: dict[Claim, str] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._asked: dict[str, list[str]] = {}
        self._erased: set[str] = set()
        self._snapshots: dict[str, list[Snapshot]] = {}

    async def append(self, batch: Sequence[Append]) -> list[Result]:
        results: dict[int, Result] = {}
        for index, append in enumerate(batch):
            results |= unfounded(dict(enumerate(batch)), results)
            if index not in results:
                results[index] = self._append(append)
        return [results[index] for index in range(len(batch))]

    @property
    def _head(self) -> int:
        return self._first + len(self._log)

    def _version(self, stream: str) -> int:
        return self._before.get(stream, 0) + len(self._streams.get(stream, ()))

    def _append(self, append: Append) -> Result:
        if append.command_id in self._outcomes:
            return Repeated()
        for claim in sorted(append.take):
            if claim in self._claims:
                return ClaimTaken(claim[0])
        if any(self._version(based) != version for based, version in append.versions.items()):
            return StaleVersion()
        for claim in append.release:
            if self._claims.get(claim) == append.stream:
                del self._claims[claim]
        self._claims.update(dict.fromkeys(append.take, append.stream))
        for version, new in enumerate(append.events, append.expected + 1):
            event = StoredEvent(
                position=self._head + 1,
                event_id=new.event_id,
                stream=append.stream,
                version=version,
                type=new.type,
                schema_version=new.schema_version,
                public=new.public,
                private=new.private,
                metadata=append.metadata,
                recorded_at=append.at,
            )
            self._log.append(event)
            self._streams.setdefault(append.stream, []).append(event)
        if append.command_id:
            self._outcomes[append.command_id] = self._outcome(append)
            self._asked.setdefault(self._about(append), []).append(append.command_id)
        self._keep_beside(append)
        return Appended(self._head if append.events else 0)

    def _about(self, append: Append) -> str:
        """The user with whom the digest of a command is erased."""
        if isinstance(append.about, tuple):
            return self._claims.get(append.about, "")
        return append.user_id or append.about or ""

    def _outcome(self, append: Append) -> Outcome:
        if append.refusal:
            return Outcome(None, None, append.refusal, None, append.operation, append.digest)
        version = append.expected + len(append.events)
        if append.requires is None:
            return Outcome(append.user_id, version, None, None, append.operation, append.digest)
        beside, logins = (self._head, version) if append.events else (None, 0)
        return Outcome(append.user_id, append.requires, None, beside, append.operation, append.digest, logins)

    def _keep_beside(self, append: Append) -> None:
        if append.snapshot is not None:
            version = append.expected + len(append.events)
            snapshot = Snapshot(version, self._head, append.at, append.snapshot)
            self._snapshots.setdefault(append.stream, []).append(snapshot)
        if append.effects and append.effects.erase:
            self._snapshots.pop(append.user_id, None)
            self._erased.add(append.user_id)
            for command_id in self._asked.pop(append.user_id, ()):
                self._outcomes[command_id] = replace(self._outcomes[command_id], digest=None)

    async def load(self, wanted: Sequence[Wanted]) -> list[Tail]:
        return [self._tail(each, lambda _: True) for each in wanted]

    async def load_as_of(self, stream: str, at: datetime, after: int = 0) -> Tail:
        return self._tail(Wanted(stream, after), lambda recorded_at: recorded_at <= at)

    def _tail(self, wanted: Wanted, is_then: Callable[[datetime], bool]) -> Tail:
        before = self._before.get(wanted.stream, 0)
        stored = self._streams.get(wanted.stream, [])[: max(0, wanted.until - before)]
        if user_of(wanted.stream) in self._erased:
            return Tail(wanted.stream, None, stored[-1:], erased=bool(stored))
        kept = () if wanted.events_alone else self._snapshots.get(wanted.stream, ())
        fitting = [each for each in kept if wanted.after < each.version <= wanted.until and is_then(each.recorded_at)]
        snapshot = max(fitting, key=lambda each: each.version, default=None)
        after = max(0, (snapshot.version if snapshot else wanted.after) - before)
        events = [event for event in stored[after : after + PAGE] if is_then(event.recorded_at)]
        return Tail(wanted.stream, snapshot, events, whole=len(events) < PAGE)

    async def keep(self, stream: str, snapshots: Sequence[Snapshot]) -> None:
        if stream not in self._erased:
            self._snapshots.setdefault(stream, []).extend(snapshots)

    async def tips(self, streams: Sequence[str]) -> dict[str, int]:
        return {stream: self._version(stream) for stream in streams if stream in self._streams}

    async def read(self, after: int, limit: int) -> list[StoredEvent]:
        after = max(0, after - self._first)
        return self._log[after : after + limit]

    async def head(self) -> int:
        return self._head

    async def outcomes(self, command_ids: Sequence[str]) -> dict[str, Outcome]:
        return {command_id: self._outcomes[command_id] for command_id in command_ids if command_id in self._outcomes}


class MemoryEventStore(MemoryStreams):
    """A Log that is gone with its process."""

    async def users(self, until: int, first: str = "", end: str = END) -> AsyncGenerator[list[StoredEvent]]:
        chosen = [stream for stream in sorted(self._streams) if first <= stream < end]
        streams = [stream for stream in chosen if user_of(stream) not in self._erased]
        told = [event for stream in streams for event in self._streams[stream] if event.position <= until]
        for start in range(0, len(told), _PAGE):
            yield told[start : start + _PAGE]

    async def middle(self, until: int) -> str:
        users = sorted(event.user_id for event in self._log[:until])
        return users[len(users) // 2]
