"""Decisions on who gets in and whose sessions end; their events are in the stream of the user's logins."""

from collections.abc import Sequence

from denizen import messages as m

from services.accounts.credentials import CREDENTIALS_INVALID
from services.accounts.decision import Command, Facts, LogIn, no_user
from services.accounts.events import LoginEvent, LoginFailed, LoginSucceeded, SessionsRevoked
from services.accounts.user import User
from services.domain.refusals import Refusal

_COMMANDS = (LogIn, m.RevokeSession, m.RevokeSessions)
Verdict = tuple[Sequence[LoginEvent], Refusal | None]
"""What is recorded, and whether it is refused all the same."""


def is_about_sessions(command: Command) -> bool:
    """Whether a command is decided here."""
    return isinstance(command, _COMMANDS)


def decide(user: User | None, command: Command, facts: Facts) -> Verdict:
    """What becomes of a session."""
    if user is None:
        # Who signs in is told the same if the user was deleted since his password was compared.
        return [], credentials_invalid() if isinstance(command, LogIn) else no_user()
    if isinstance(command, LogIn):
        return _log_in(user, command, facts)
    if not facts.alive:
        return [], None
    return [SessionsRevoked(command.session_id if isinstance(command, m.RevokeSession) else None)], None


def _log_in(user: User, command: LogIn, facts: Facts) -> Verdict:
    """Only an active user gets in. Why another does not is told to nobody but who knows his password."""
    refusal = _refusal(user, facts)
    if refusal is not None:
        return [LoginFailed(refusal.code, command.ip, command.user_agent)], refusal
    assert facts.session is not None
    return [LoginSucceeded(facts.session.session_id, command.ip, command.user_agent)], None


def _refusal(user: User, facts: Facts) -> Refusal | None:
    if not facts.proves(user.password_version):
        return credentials_invalid()
    if refusal := held(user):
        return refusal
    details = [{"userId": user.id}]
    if user.status == "PENDING_VERIFICATION":
        return Refusal("email_not_verified", "the address is not verified", details=details)
    if user.password_change_required:
        return Refusal("password_change_required", "the password must be changed first", details=details)
    return None


def held(user: User) -> Refusal | None:
    """Why a user can do nothing, not even with a session that he still had a moment ago."""
    match user.status:
        case "BLOCKED":
            return Refusal("user_blocked", "the user is blocked")
        case "DEACTIVATED":
            return Refusal("user_deactivated", "the user is deactivated")
        case _:
            return None


def credentials_invalid() -> Refusal:
    """The same for a wrong password, an unknown address, and who has no password."""
    return Refusal("invalid_credentials", CREDENTIALS_INVALID)
