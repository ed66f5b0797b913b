"""The effects of events: passwords, codes, sessions and mails that are stored with them and are no events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.domain.commands import Command, TellOwner
from services.domain.decision import Facts
from services.domain.events import (
    AnyEvent,
    EmailChanged,
    EmailVerificationRequested,
    EmailVerified,
    LoginSucceeded,
    PasswordChanged,
    PasswordResetRequested,
    UserBlocked,
    UserCreated,
    UserDeactivated,
    UserDeleted,
    UserUnblocked,
)
from services.domain.sessions import NewSession, ended_by
from services.domain.user import UserAggregate
from services.domain.values import Json

CODE_LIFE = timedelta(minutes=10)
TOKEN_LIFE = timedelta(minutes=30)
_NOTE_LIFE = timedelta(days=3)
"""How long delivery of a note that asks for nothing is tried."""
_SHUTS_OUT = {UserBlocked, UserDeactivated, PasswordChanged}
"""Events after which a wanted change of the address is forgotten (User.cancel_email_change)."""

Purpose = Literal["verify", "reset"]
MailKind = Literal["verify_email", "reset_password", "email_changed", "password_changed", "already_registered"]


@dataclass(frozen=True, slots=True)
class MailedCode:
    """A code or token that was mailed.

    Attributes:
        digest: KeyRing.claim of it; the code itself is nowhere but in the mail.
        long_digest: `long_code_digest` of the long code that the same mail holds; None where it holds none.
    """

    purpose: Purpose
    digest: bytes
    expires_at: datetime
    long_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to a user, sealed under the user's data key until it is sent.

    Attributes:
        to: the address as the user wrote it.
        locale: as in the user's profile; None where there is none.
        values: what the template is filled with, `code` and `long_code`, or `token`, among it.
        expires_at: when its code or token expires; it is not sent after that.
    """

    kind: MailKind
    to: str
    locale: str | None
    values: Mapping[str, str]
    expires_at: datetime

    def private(self) -> Json:
        return {"kind": self.kind, "to": self.to, "locale": self.locale, "values": dict(self.values)}


@dataclass(slots=True)
class Effects:
    """The changes that one append makes for its user beside the log. Ended rows are removed before new ones are stored.

    Attributes:
        password: the hash of a new one.
        code: replaces the one of its purpose.
        spent: purposes whose code is used up.
        end_sessions: `all`, or the id of one.
        block_end: when a block ends by itself; `never`: one that had an end has none any more.
        erase: everything that is kept for the user, the data key first of all.
    """

    password: str | None = None
    code: MailedCode | None = None
    spent: Sequence[Purpose] = ()
    session: NewSession | None = None
    end_sessions: str | None = None
    mails: Sequence[Mail] = ()
    block_end: datetime | Literal["never"] | None = None
    erase: bool = False


def effects_of(
    command: Command,
    events: Sequence[AnyEvent],
    before: UserAggregate | None,
    after: UserAggregate | None,
    *,
    facts: Facts,
    at: datetime,
) -> Effects | None:
    """The effects of a command's events; None where there are none.

    `before` and `after`: the user; None where they are new or deleted.
    """
    if len(events) == 1 and type(events[0]) is UserCreated:  # The most frequent case: nothing ends, no mail.
        return None if facts.password_hash is None else Effects(password=facts.password_hash)
    kinds = {type(event) for event in events}
    if UserDeleted in kinds:
        return Effects(erase=True)
    letters = (*_mails(events, before, after, facts, at), *_note_to_owner(command, after, at))
    result = Effects(
        password=facts.password_hash if kinds & {UserCreated, PasswordChanged, LoginSucceeded} else None,
        code=None if _cancels(events, before) else _code(kinds, facts, at),
        spent=_spent(events, before),
        session=facts.session if LoginSucceeded in kinds else None,
        end_sessions=ended_by(events),
        mails=letters,
        block_end=_block_end(kinds, before, after),
    )
    return result if result != Effects() else None


def _block_end(
    kinds: set[type[AnyEvent]], before: UserAggregate | None, after: UserAggregate | None
) -> datetime | Literal["never"] | None:
    if not kinds & {UserBlocked, UserUnblocked} or after is None:
        return None
    had_end = before is not None and before.blocked_until is not None
    return after.blocked_until or ("never" if had_end else None)


def _code(kinds: set[type[AnyEvent]], facts: Facts, at: datetime) -> MailedCode | None:
    if EmailVerificationRequested in kinds:
        return MailedCode("verify", facts.digest, at + CODE_LIFE, facts.long_digest)
    if PasswordResetRequested in kinds:
        return MailedCode("reset", facts.digest, at + TOKEN_LIFE)
    return None


def _cancels(events: Sequence[AnyEvent], before: UserAggregate | None) -> bool:
    """Whether the user stays at the present address: the code for another one dies, and none is mailed."""
    wanted = [event.email for event in events if isinstance(event, EmailVerificationRequested)]
    return before is not None and before.email in wanted


def _spent(events: Sequence[AnyEvent], before: UserAggregate | None) -> tuple[Purpose, ...]:
    spent: set[Purpose] = set()
    kinds = {type(event) for event in events}
    stays = before is not None and before.wanted_email is not None and kinds & _SHUTS_OUT
    if stays or kinds & {EmailVerified, EmailChanged} or _cancels(events, before):
        spent.add("verify")
    if kinds & {PasswordChanged, EmailChanged}:
        spent.add("reset")
    return tuple(sorted(spent))


def _mails(
    events: Sequence[AnyEvent], before: UserAggregate | None, after: UserAggregate | None, facts: Facts, at: datetime
) -> Sequence[Mail]:
    result: list[Mail] = []
    for event in events:
        if isinstance(event, EmailVerificationRequested) and after:
            if facts.taken or _cancels([event], before):
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
        elif isinstance(event, PasswordChanged) and after and event.reason != "imported":
            result.append(_mail("password_changed", after.email, after, {}, at + _NOTE_LIFE))
    return result


def _note_to_owner(command: Command, owner: UserAggregate | None, at: datetime) -> Sequence[Mail]:
    if isinstance(command, TellOwner) and owner:
        return [_mail("already_registered", owner.email, owner, {}, at + _NOTE_LIFE)]
    return []


def _mail(kind: MailKind, to: str, user: UserAggregate, values: dict[str, str], expires_at: datetime) -> Mail:
    return Mail(kind, to, user.profile.get("locale"), values, expires_at)


def _minutes(life: timedelta) -> str:
    return str(int(life.total_seconds()) // 60)
