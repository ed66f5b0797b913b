"""Snapshots: what a user's stream had come to at a version, so that it need not be folded from the beginning.

They are a cache. One that is missing, of another form or unreadable costs time and nothing else.
"""

from dataclasses import dataclass, field
from datetime import datetime

from services.eventstore.log.event import Event, Json

FORM = 1
"""Of `Snapshot.state`: `shown` is the user as queries show them, without logins; `deciding` is what else commands are
decided on. Raised with every change of either: older ones are ignored from then on."""
EVERY = 16
"""Versions from one to the next. A command reads half as many events on the average, of 35 KB each at the most."""
PAGE = 64
"""Events of a stream that are read at a time: more than are behind a snapshot, where there are snapshots."""
TOGETHER = 64
"""Streams that are read at a time."""
NEWEST = 2**31 - 1
"""Behind every version."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a stream had come to after the event of a version, and the position and time of that event."""

    version: int
    position: int
    recorded_at: datetime
    state: Json


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
    """What is new in a part of a stream.

    Attributes:
        snapshot: the newest in that part, if there is one; `events` follow it.
        events: oldest first, PAGE at the most. Of an erased user the last one alone, without what was personal in it.
        whole: no event of the part is behind them.
        erased: the user is.
    """

    stream: str
    snapshot: Snapshot | None = None
    events: list[Event] = field(default_factory=list[Event])
    whole: bool = True
    erased: bool = False

    @property
    def version(self) -> int:
        """Of the last event; 0 where nothing is new."""
        if self.events:
            return self.events[-1].version
        return self.snapshot.version if self.snapshot else 0


def is_due(before: int, after: int) -> bool:
    """Whether events that take a stream from one version to another are followed by a snapshot."""
    return after // EVERY > before // EVERY
