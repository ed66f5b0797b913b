"""An event of the feed, as handlers get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from denizen import headers as h
from denizen.messages import EventData
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg

STREAM = "USERS_EVENTS"


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a user. It is thin: a handler that needs more asks for the user.

    Attributes:
        id: unique; an event that is delivered twice has the same.
        type: `UserBlocked`.
        time: when it was recorded in the log.
        position: its place in the log; positions ascend.
        traceparent: of the command that caused it (W3C Trace Context), where that had one.
    """

    id: str
    type: str
    user_id: str
    time: datetime
    position: int
    data: EventData
    traceparent: str | None = None

    @classmethod
    def of(cls, message: Msg | RawStreamMsg) -> Event:
        """The event that a message of the stream holds."""
        headers = headers_of(message)
        return cls(
            id=headers["ce-id"],
            type=headers["ce-type"].rpartition(".")[2],
            user_id=headers["ce-subject"],
            time=time_of(headers),
            position=position_of(headers),
            data=EventData.model_validate_json(message.data or b""),
            traceparent=headers.get(h.TRACEPARENT),
        )


def headers_of(message: Msg | RawStreamMsg) -> Mapping[str, str]:
    """The headers of a message of the stream."""
    return cast(Mapping[str, str], message.headers or {})


def position_of(headers: Mapping[str, str]) -> int:
    """The log position of an event of the stream."""
    return int(headers["ce-sequence"])


def time_of(headers: Mapping[str, str]) -> datetime:
    """The time of an event of the stream."""
    return datetime.fromisoformat(headers["ce-time"])
