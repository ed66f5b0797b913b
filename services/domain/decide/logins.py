"""Decisions on sign-ins and on sessions that end; their events are in the stream of the user's logins."""

from collections.abc import Sequence
from typing import NamedTuple

from denizen import messages as m

from services.domain import refusals
from services.domain.commands import Command, LogIn
from services.domain.decision import Facts
from services.domain.events import LoginEvent, LoginFailed, LoginSucceeded, SessionsRevoked
from services.domain.refusals import Refusal
from services.domain.user import UserAggregate


class Verdict(NamedTuple):
    """The events that are recorded, and the refusal where the command is refused all the same."""

    events: Sequence[LoginEvent]
    refusal: Refusal | None


def decide_session(user: UserAggregate | None, command: Command, facts: Facts) -> Verdict:
    """Decide a sign-in, or the end of one session or of all."""
    if user is None:
        # The caller who signs in is told the same if the user was deleted since the password was compared.
        return Verdict([], refusals.password_wrong() if isinstance(command, LogIn) else refusals.user_not_found())
    if isinstance(command, LogIn):
        return log_in(user, command, facts)
    if not facts.alive:
        return Verdict([], None)
    return Verdict([SessionsRevoked(command.session_id if isinstance(command, m.RevokeSession) else None)], None)


def log_in(user: UserAggregate, command: LogIn, facts: Facts) -> Verdict:
    """Sign an active user in. A caller learns the status of another user only with the right password."""
    refusal = _why_not(user, facts)
    if refusal is not None:
        return Verdict([LoginFailed(refusal.code, command.ip, command.user_agent)], refusal)
    assert facts.session is not None
    return Verdict([LoginSucceeded(facts.session.session_id, command.ip, command.user_agent)], None)


def _why_not(user: UserAggregate, facts: Facts) -> Refusal | None:
    if not facts.proves(user.password_version):
        return refusals.password_wrong()
    if refusal := held(user):
        return refusal
    if user.status == "PENDING_VERIFICATION":
        return refusals.email_not_verified(user.id)
    if user.password_change_required:
        return refusals.password_change_required(user.id)
    return None


def held(user: UserAggregate) -> Refusal | None:
    """The refusal for a blocked or deactivated user, whatever session they have; None for others."""
    match user.status:
        case "BLOCKED":
            return refusals.user_blocked()
        case "DEACTIVATED":
            return refusals.user_deactivated()
        case _:
            return None
