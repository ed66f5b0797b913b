"""The history of a user, and the attempts to sign in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from denizen.messages.base import Message, OpaquePosition, Otherwise, Request, UserRequest
from pydantic import Field, StringConstraints

__all__ = [
    "FieldChange",
    "GetLoginHistory",
    "GetMyLoginHistory",
    "GetUserHistory",
    "Login",
    "LoginHistory",
    "UserChange",
    "UserHistory",
]

HistoryCursor = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{1,19}$"), Otherwise("not a nextCursor of such a history")
]


class GetUserHistory(UserRequest):
    """Newest first. A page has at most `count` rows, and ends before it grows larger than a message."""

    count: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: HistoryCursor | None = None
    """`nextCursor` of the page before."""


class FieldChange(Message):
    """The old and the new value of a field; null where it was or is absent."""

    field: str
    """Dotted: `email`, `profile.firstName`, `metadata.plan`."""
    old: Any = None
    new: Any = None


class UserChange(Message):
    """An event of a user: what changed, when, by whom."""

    position: int
    time: datetime
    type: str
    actor: str | None = None
    command_id: str | None = None
    changes: tuple[FieldChange, ...] = ()
    reason: str | None = None
    """Of a block, where one was given; of a new password, how it came about; `ended` where a block ended by itself."""


class UserHistory(Message):
    """The events of a user, newest first; iterates over `data`."""

    data: tuple[UserChange, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[UserChange]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


class GetLoginHistory(UserRequest):
    """Newest first. A page has at most `count` rows, and ends before it grows larger than a message."""

    count: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: HistoryCursor | None = None
    """`nextCursor` of the page before."""


class GetMyLoginHistory(Request):
    count: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: OpaquePosition | None = None
    """`nextCursor` of the page before."""


class Login(Message):
    """An attempt to sign in."""

    time: datetime
    outcome: str
    """`succeeded`, or the code of the refusal."""
    ip: str | None = None
    user_agent: str | None = None


class LoginHistory(Message):
    """Attempts to sign in, newest first; iterates over `data`."""

    data: tuple[Login, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[Login]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)
