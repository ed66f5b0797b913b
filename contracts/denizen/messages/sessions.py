"""Signing in, and the sessions that it begins."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from denizen.messages.base import Email, Message, Request, Secret, SessionId, UserRequest
from denizen.messages.origin import Ip, UserAgent
from denizen.messages.users import User
from pydantic import Field

__all__ = [
    "Authenticate",
    "ListMySessions",
    "ListSessions",
    "LogOut",
    "RefreshSession",
    "RevokeMySession",
    "RevokeSession",
    "RevokeSessions",
    "Session",
    "SessionList",
    "SignedIn",
]


class Authenticate(Request):
    """Sign in by password."""

    email: Email
    password: Secret
    ip: Ip | None = None
    user_agent: UserAgent | None = None


class RefreshSession(Request):
    """A refresh token is for one use. Within 10 s another use gets the same tokens; later it ends the session."""

    refresh_token: Secret


class RevokeSession(UserRequest):
    session_id: SessionId


class RevokeSessions(UserRequest):
    """Ends every session of a user."""


class RevokeMySession(Request):
    session_id: SessionId


class LogOut(Request):
    """Ends the session of the access token."""


class SignedIn(Message):
    """A session and its tokens."""

    access_token: Annotated[str, Field(repr=False)]
    """JWT, Ed25519: `sub` is the user, `sid` the session."""
    refresh_token: Annotated[str, Field(repr=False)]
    expires_in: int
    """Seconds that the access token lives."""
    session_id: str
    user: User


class ListSessions(UserRequest):
    """Newest first, at most a thousand, and at most as many as fit into one message."""


class ListMySessions(Request):
    """As ListSessions."""


class Session(Message):
    """A session: one device or browser on which the user is signed in."""

    id: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    ip: str | None = None
    user_agent: str | None = None
    current: bool = False
    """The session of the access token that asks."""


class SessionList(Message):
    """The live sessions of a user; iterates over `data`."""

    data: tuple[Session, ...]

    def __iter__(self) -> Iterator[Session]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)
