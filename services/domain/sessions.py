"""Sessions: how one begins, what ends them, and where in the user's own history both are.

What ends sessions is said here alone. The append of such an event deletes the sessions (`ended_by`). Accounts tells
the verifiers of them before it answers (`ended_by_command`), and the relay tells them again from the log, in case
accounts died in between (`ended_by_stored`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from denizen import messages as m

from services.domain.commands import Command, RecoverPassword
from services.domain.events import (
    AnyEvent,
    EmailUnverified,
    PasswordChanged,
    SessionsRevoked,
    UserBlocked,
    UserDeactivated,
    UserDeleted,
)
from services.domain.values import Json

ENDING_EVENTS = (UserBlocked, UserDeactivated, UserDeleted, PasswordChanged, EmailUnverified, SessionsRevoked)
"""The events that end all sessions of their user, but for a SessionsRevoked that names one."""
ENDING_TYPES = tuple(kind.__name__ for kind in ENDING_EVENTS)
"""Their names in the log."""
ENDING_COMMANDS: Mapping[type[Command], type[AnyEvent]] = {
    m.BlockUser: UserBlocked,
    m.DeactivateUser: UserDeactivated,
    m.DeleteUser: UserDeleted,
    m.ChangePassword: PasswordChanged,
    m.ResetPassword: PasswordChanged,
    RecoverPassword: PasswordChanged,
    m.RevokeSession: SessionsRevoked,
    m.RevokeSessions: SessionsRevoked,
}
"""The commands that lead to them, each with its event."""

_LOGINS_BITS = 32
"""Versions are PostgreSQL integers."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session as it begins. Its place is that of the event that it is stored with.

    Attributes:
        salt: 16 random octets, from which its refresh tokens are derived.
        private: `ip` and `userAgent`, stored under the user's data key.
        command_id: so that a repeat gets the same tokens.
    """

    session_id: str
    salt: bytes
    private: Json
    command_id: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """Sessions that ended: all of a user that began before a place, or the one that is named."""

    user_id: str
    session_id: str | None = None
    place: int = 0


def place(version: int, logins: int = 0) -> int:
    """The place in a user's own history at which a session began or all ended: an order without clocks and other users.

    It orders by the version of the user's own stream, then by that of the stream of the user's logins. A session
    begins behind the logins before it, at the version that its append requires. What ends all sessions makes the next
    version of either stream, so every session that began before it has a smaller place.

    A position of the log would order them too, but users can read access tokens: two positions tell what others did in
    between (docs/decisions/0026). Log positions stood here in earlier versions; they are below 2**32, and every place
    is above, so they compare as earlier.
    """
    return version << _LOGINS_BITS | logins


def ended_by(events: Iterable[AnyEvent]) -> str | None:
    """The sessions that new events end: `all` of the user, or the id of one; None where they end none."""
    for event in events:
        if isinstance(event, SessionsRevoked):
            return event.session_id or "all"
        if isinstance(event, ENDING_EVENTS):
            return "all"
    return None


def ended_by_command(command: Command, user_id: str, version: int, logins: int, *, added: bool) -> Ended | None:
    """The sessions that a command ended when it was carried out, now or the first time; None where it ended none.

    Where the user was, for example, blocked already, the sessions have ended all the same: the process that ended them
    may have died before it told the verifiers.

    `version`, `logins`: of the user's own stream and that of the logins after it; `added`: it added something to them.
    """
    if isinstance(command, m.RevokeSession):
        # Not where nothing was stored: callers can invent sessions, and every verifier would keep each of them.
        return Ended(user_id, command.session_id) if added else None
    if isinstance(command, m.RevokeSessions):
        return Ended(user_id, None, place(version, logins if added else 0))
    return Ended(user_id, None, place(version)) if type(command) in ENDING_COMMANDS else None


def ended_by_stored(event_type: str, user_id: str, at: int, session_id: str | None) -> Ended | None:
    """The sessions that a stored event ended at a place; None where it ended none. `session_id`: its public field."""
    if event_type not in ENDING_TYPES:
        return None
    return Ended(user_id, None, at) if session_id is None else Ended(user_id, session_id)
