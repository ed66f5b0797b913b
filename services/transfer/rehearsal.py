"""A dry run's log: what would be appended is kept in memory, over what is stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from services.domain.claim_kinds import Claim
from services.domain.streams import StoredEvent
from services.eventstore.log.memory import MemoryStreams
from services.eventstore.log.store import Append, EventStore, Outcome, Result
from services.eventstore.log.tails import PAGE, Tail, Wanted


class Holders(Protocol):
    async def holders(self, claims: Iterable[Claim]) -> Mapping[Claim, str]:
        """The user who holds each claim; a claim that is free is absent."""
        ...


class Rehearsal(MemoryStreams):
    """An EventStore that changes nothing, so that a decision on it is the decision that would be made on the log.

    It does not see what other processes append to a stream after the first append to it here.
    """

    def __init__(self, store: EventStore, stored: Holders) -> None:
        """`stored`: the claims of the log below."""
        super().__init__()
        self._below = store
        self._stored = stored
        self._known: set[Claim] = set()

    async def append(self, batch: Sequence[Append]) -> list[Result]:
        """Learn what the batch depends on, and append to what is in memory."""
        wanted = {claim for append in batch for claim in (*append.take, *append.release)} - self._known
        self._known |= wanted
        self._claims |= await self._stored.holders(wanted)
        based = list({stream for append in batch for stream in append.versions} - self._before.keys())
        tips = await self._below.tips(based)
        self._before |= {stream: tips.get(stream, 0) for stream in based}
        ids = [append.command_id for append in batch if append.command_id and append.command_id not in self._outcomes]
        self._outcomes |= await self._below.outcomes(ids)
        if not self._log:
            self._first = await self._below.head()
        return await super().append(batch)

    async def holders(self, claims: Iterable[Claim]) -> dict[Claim, str]:
        """The user who would hold each claim; a claim that would be free is absent."""
        wanted = set(claims)
        found = {**await self._stored.holders(wanted - self._known)}
        return found | {claim: self._claims[claim] for claim in wanted & self._known if claim in self._claims}

    async def load(self, wanted: Sequence[Wanted]) -> list[Tail]:
        below = await self._below.load([self._clipped(each) for each in wanted])
        return [_joined(*both) for both in zip(below, await super().load(wanted), strict=True)]

    async def load_as_of(self, stream: str, at: datetime, after: int = 0) -> Tail:
        below = await self._below.load_as_of(stream, at, after)
        return _joined(below, await super().load_as_of(stream, at, after))

    async def tips(self, streams: Sequence[str]) -> dict[str, int]:
        return {**await self._below.tips(streams), **await super().tips(streams)}

    async def read(self, after: int, limit: int) -> list[StoredEvent]:
        below = [
            event for event in await self._below.read(after, limit) if not self._log or event.position <= self._first
        ]
        return (below + await super().read(after, limit))[:limit]

    async def head(self) -> int:
        return await super().head() if self._log else await self._below.head()

    async def outcomes(self, command_ids: Sequence[str]) -> dict[str, Outcome]:
        return {**await self._below.outcomes(command_ids), **await super().outcomes(command_ids)}

    def _clipped(self, wanted: Wanted) -> Wanted:
        """The part of a stream that is stored, as this has come to know it."""
        if wanted.stream not in self._before:
            return wanted
        return replace(wanted, until=min(wanted.until, self._before[wanted.stream]))


def _joined(below: Tail, tail: Tail) -> Tail:
    """What is stored of a part of a stream, and behind it what is in memory."""
    if tail.erased or tail.snapshot is not None:
        return tail
    if below.whole:
        below.events = (below.events + tail.events)[:PAGE]
        below.whole = len(below.events) < PAGE
    return below
