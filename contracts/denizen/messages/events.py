"""The bodies of published events."""

from __future__ import annotations

from typing import Literal

from denizen.messages.base import Message, Status

__all__ = ["EventData", "EventType"]

EventType = Literal[
    "UserCreated",
    "UserUpdated",
    "UserCorrected",
    "EmailChanged",
    "EmailVerificationRequested",
    "EmailVerified",
    "EmailUnverified",
    "PasswordChanged",
    "PasswordResetRequested",
    "UserBlocked",
    "UserUnblocked",
    "UserDeactivated",
    "UserReactivated",
    "UserDeleted",
    "IdentityLinked",
    "IdentityUnlinked",
    "LoginSucceeded",
    "LoginFailed",
    "SessionsRevoked",
]


class EventData(Message):
    """The body of a published event: thin, so that no stream ever holds personal data."""

    user_id: str
    version: int
    """The user's version after the event."""
    status: Status
    """The user's status after the event."""
    changed: tuple[str, ...] = ()
    """Names of the fields that changed, dotted: `profile.firstName`, `metadata`."""
    session_id: str | None = None
    """LoginSucceeded: the session that began. SessionsRevoked: the one that ended; absent where all did."""
    reason: str | None = None
    """LoginFailed: the code of the refusal. PasswordChanged: `changed`, `reset` (by an operator), `recovered`, or
    `imported` (by an import that repaired an earlier one).
    UserCreated: `imported` where an import made the user, who needs no welcome.
    UserUnblocked: `ended` where the block had an end, which has come."""
