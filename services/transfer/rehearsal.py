"""A dry run's log: what would be appended is kept in memory, over what there is."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from services.domain.claims import Claim
from services.domain.snapshots import Snapshot
from services.domain.streams import StoredEvent
from services.eventstore.credentials.store import SecretStore
from services.eventstore.log.store import Append, Appended, ClaimTaken, EventStore, Outcome, Result, VersionConflict
from services.eventstore.log.tails import Tail, Wanted


class Rehearsal:
    """An EventStore that changes nothing, so that what is decided on it is decided as for real.

    Nobody races it: what others append meanwhile, it may see or not.
    """

    def __init__(self, store: EventStore, secrets: SecretStore) -> None:
        self._store = store
        self._secrets = secrets
        self._appended: dict[str, list[StoredEvent]] = {}
        self._claims: dict[Claim, str | None] = {}

    async def append(self, batch: Sequence[Append]) -> list[Result]:
        held = await self._secrets.holders({claim for append in batch for claim in append.take})
        self._claims = {**held, **self._claims}
        tips = await self._store.tips(list({stream for append in batch for stream in append.versions}))
        return [self._append(append, tips) for append in batch]

    def _append(self, append: Append, tips: Mapping[str, int]) -> Result:
        for claim in sorted(append.take):
            if self._claims.get(claim) is not None:
                return ClaimTaken(claim[0])
        for stream, based in append.versions.items():
            if tips.get(stream, 0) + len(self._appended.get(stream, ())) != based:
                return VersionConflict()
        self._claims.update(dict.fromkeys(append.release, None))
        self._claims.update(dict.fromkeys(append.take, append.user_id))
        events = self._appended.setdefault(append.stream, [])
        for version, new in enumerate(append.events, append.expected + 1):
            events.append(
                StoredEvent(
                    position=0,
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
            )
        return Appended(0)

    async def holders(self, claims: Iterable[Claim]) -> dict[Claim, str]:
        """Whose each claim would be; one that nobody would have is absent."""
        wanted = set(claims)
        there: dict[Claim, str | None] = {**await self._secrets.holders(wanted)}
        there |= {claim: self._claims[claim] for claim in wanted & self._claims.keys()}
        return {claim: holder for claim, holder in there.items() if holder is not None}

    async def load(self, wanted: Sequence[Wanted]) -> list[Tail]:
        tails = await self._store.load(wanted)
        for tail, each in zip(tails, wanted, strict=True):
            if tail.whole:
                appended = self._appended.get(each.stream, ())
                tail.events += [event for event in appended if each.after < event.version <= each.until]
        return tails

    async def load_as_of(self, stream: str, at: datetime, after: int = 0) -> Tail:
        return await self._store.load_as_of(stream, at, after)

    async def keep(self, stream: str, snapshots: Sequence[Snapshot]) -> None:
        await self._store.keep(stream, snapshots)

    async def tips(self, streams: Sequence[str]) -> dict[str, int]:
        stored = await self._store.tips(streams)
        both = {stream: stored.get(stream, 0) + len(self._appended.get(stream, ())) for stream in streams}
        return {stream: version for stream, version in both.items() if version}

    async def read(self, after: int, limit: int) -> list[StoredEvent]:
        return await self._store.read(after, limit)

    async def head(self) -> int:
        return await self._store.head()

    async def outcomes(self, command_ids: Sequence[str]) -> dict[str, Outcome]:  # noqa: ARG002 - as EventStore has it
        return {}
