"""The place in the feed of events where a new subscription begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from denizen.event import STREAM, headers_of, position_of, time_of
from nats.js import JetStreamContext

METADATA = "denizen-start"
"""Under this name a durable consumer remembers where it began."""

Start = Literal["first", "new"] | int | datetime
"""`"first"`: the first event that was ever published. `"new"`: the next one. A number: the first event at that position
of the log or behind it. A time with its zone: the first event of that time or later.
"""


@dataclass(frozen=True, slots=True)
class Beginning:
    """A start in the form in which it is compared and stored: `first`, `new`, `position:7`, `time:<RFC 3339>`."""

    text: str

    @classmethod
    def of(cls, start: Start) -> Beginning:
        """Raises ValueError, TypeError."""
        if isinstance(start, datetime):
            if start.tzinfo is None:
                raise ValueError("start: a time needs its zone")
            return cls(f"time:{start.astimezone(UTC).isoformat()}")
        if isinstance(start, int) and not isinstance(start, bool):
            if start < 0:
                raise ValueError("start: positions of the log begin with 1")
            return cls(f"position:{start}")
        if start not in ("first", "new"):
            raise ValueError('start: must be "first", "new", a position of the log, or a datetime with its zone')
        return cls(start)

    @classmethod
    def stored(cls, metadata: Mapping[str, str] | None) -> Beginning:
        """That of a consumer; those that earlier versions made began at the first event."""
        return cls((metadata or {}).get(METADATA, "first"))

    def asked(self) -> dict[str, str | int]:
        """The fields of FollowEvents that ask for it."""
        kind, _, value = self.text.partition(":")
        if kind == "position":
            return {"startPosition": int(value)}
        return {"startTime": value} if kind == "time" else {"start": kind}

    def includes(self, position: int, time: datetime) -> bool:
        """Whether an event belongs to it. A start may lie beyond the newest event."""
        kind, _, value = self.text.partition(":")
        if kind == "position":
            return position >= int(value)
        return kind != "time" or time >= datetime.fromisoformat(value)

    async def sequence(self, jetstream: JetStreamContext) -> int:
        """The stream's sequence number of its first event, by some 2 log2(n) requests. Raises nats.errors.Error."""
        if self.text == "first":
            return 1
        state = (await jetstream.stream_info(STREAM)).state
        low, high = state.first_seq, state.last_seq + 1
        if self.text == "new" or not state.messages:
            return high
        while low < high:
            middle = (low + high) // 2
            headers = headers_of(await jetstream.get_msg(STREAM, middle))
            if self.includes(position_of(headers), time_of(headers)):
                high = middle
            else:
                low = middle + 1
        return low
