"""Parts of streams: what is asked for, and what is read of them."""

from dataclasses import dataclass, field

from services.domain.snapshots import Snapshot
from services.domain.streams import StoredEvent

PAGE = 64
"""Events of a stream that are read at a time: more than are behind a snapshot, where there are snapshots."""
TOGETHER = 64
"""Streams that are read at a time."""
NEWEST = 2**31 - 1
"""Behind every version."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part of a stream: what is new in it from version `after` on, up to version `until`.

    `events_alone`: no snapshot stands for some of them.
    """

    stream: str
    after: int = 0
    until: int = NEWEST
    events_alone: bool = False


@dataclass(slots=True)
class Tail:
    """The events of a part of a stream.

    Attributes:
        snapshot: the newest in that part, if there is one; `events` follow it.
        events: oldest first, PAGE at most. Of an erased user the last one alone, without what was personal in it.
        whole: the part has no event behind them.
        erased: the user is.
    """

    stream: str
    snapshot: Snapshot | None = None
    events: list[StoredEvent] = field(default_factory=list[StoredEvent])
    whole: bool = True
    erased: bool = False

    @property
    def version(self) -> int:
        """Of the last event; 0 where nothing is new."""
        if self.events:
            return self.events[-1].version
        return self.snapshot.version if self.snapshot else 0
