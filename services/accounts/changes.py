"""What is stored with an event that is no event: the secrets that it is about, the sessions that it ends, the mails."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.accounts.decision import Command, Facts, TellOwner
from services.accounts.events import (
    AnyEvent,
    EmailChanged,
    EmailVerificationRequested,
    EmailVerified,
    LoginSucceeded,
    PasswordChanged,
    PasswordResetRequested,
    SessionsRevoked,
    UserBlocked,
    UserCreated,
    UserDeactivated,
    UserDeleted,
)
from services.accounts.user import User
from services.eventstore.credentials.secrets import Changes, Code, Mail, MailKind, Purpose

CODE_LIFE = timedelta(minutes=10)
TOKEN_LIFE = timedelta(minutes=30)
_NOTE_LIFE = timedelta(days=3)
"""How long a note that asks for nothing is tried to be delivered."""
ENDS_SESSIONS = (UserBlocked, UserDeactivated, PasswordChanged)


def changes(
    command: Command,
    events: Sequence[AnyEvent],
    before: User | None,
    after: User | None,
    *,
    facts: Facts,
    at: datetime,
) -> Changes | None:
    """The changes that go with a command's events; None where there are none.

    `before` and `after`: the user, None where he is new or deleted.
    """
    if len(events) == 1 and type(events[0]) is UserCreated:  # Most of all: it ends nothing, and nobody is told.
        return None if facts.password_hash is None else Changes(password=facts.password_hash)
    kinds = {type(event) for event in events}
    if UserDeleted in kinds:
        return Changes(erase=True)
    letters = (*_mails(events, before, after, facts, at), *_note_to_owner(command, after, at))
    result = Changes(
        password=facts.password_hash if kinds & {UserCreated, PasswordChanged, LoginSucceeded} else None,
        code=None if _calls_off(events, before) else _code(kinds, facts, at),
        spent=_spent(events, before),
        session=facts.session if LoginSucceeded in kinds else None,
        end_sessions=_ended(events),
        mails=letters,
    )
    return result if result != Changes() else None


def _code(kinds: set[type[AnyEvent]], facts: Facts, at: datetime) -> Code | None:
    if EmailVerificationRequested in kinds:
        return Code("verify", facts.digest, at + CODE_LIFE, facts.long_digest)
    if PasswordResetRequested in kinds:
        return Code("reset", facts.digest, at + TOKEN_LIFE)
    return None


def _calls_off(events: Sequence[AnyEvent], before: User | None) -> bool:
    """Whether the user stays at the present address: the code for another one dies, and none is mailed."""
    wanted = [event.email for event in events if isinstance(event, EmailVerificationRequested)]
    return before is not None and before.email in wanted


def _spent(events: Sequence[AnyEvent], before: User | None) -> tuple[Purpose, ...]:
    spent: set[Purpose] = set()
    kinds = {type(event) for event in events}
    stays = before is not None and before.wanted_email is not None and kinds & set(ENDS_SESSIONS)
    if stays or kinds & {EmailVerified, EmailChanged} or _calls_off(events, before):
        spent.add("verify")
    if kinds & {PasswordChanged, EmailChanged}:
        spent.add("reset")
    return tuple(sorted(spent))


def _ended(events: Sequence[AnyEvent]) -> str | None:
    for event in events:
        if isinstance(event, ENDS_SESSIONS):
            return "all"
        if isinstance(event, SessionsRevoked):
            return event.session_id or "all"
    return None


def _mails(
    events: Sequence[AnyEvent], before: User | None, after: User | None, facts: Facts, at: datetime
) -> Sequence[Mail]:
    result: list[Mail] = []
    for event in events:
        if isinstance(event, EmailVerificationRequested) and after:
            if facts.taken or _calls_off([event], before):
                continue
            to = after.wanted_email[0] if after.wanted_email else after.email
            codes = {"code": facts.drawn, "long_code": facts.long_code}
            values = {**codes, "user_id": after.id, "minutes": _minutes(CODE_LIFE)}
            result.append(_mail("verify_email", to, after, values, at + CODE_LIFE))
        elif isinstance(event, PasswordResetRequested) and after:
            values = {"token": facts.drawn, "minutes": _minutes(TOKEN_LIFE)}
            result.append(_mail("reset_password", after.email, after, values, at + TOKEN_LIFE))
        elif isinstance(event, EmailChanged) and before:
            result.append(_mail("email_changed", before.email, before, {}, at + _NOTE_LIFE))
        elif isinstance(event, PasswordChanged) and after:
            result.append(_mail("password_changed", after.email, after, {}, at + _NOTE_LIFE))
    return result


def _note_to_owner(command: Command, owner: User | None, at: datetime) -> Sequence[Mail]:
    if isinstance(command, TellOwner) and owner:
        return [_mail("already_registered", owner.email, owner, {}, at + _NOTE_LIFE)]
    return []


def _mail(kind: MailKind, to: str, user: User, values: dict[str, str], expires_at: datetime) -> Mail:
    return Mail(kind, to, user.profile.get("locale"), values, expires_at)


def _minutes(life: timedelta) -> str:
    return str(int(life.total_seconds()) // 60)
