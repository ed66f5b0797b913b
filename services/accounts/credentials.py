"""Decisions on passwords and addresses. What proves them was looked up before; a proof that is older than what it is
about proves nothing.
"""

from collections.abc import Callable
from typing import Any

from denizen import messages as m

from services.accounts import limits
from services.accounts.decision import Decision, Facts, RecoverPassword, RequestPasswordReset, TellOwner
from services.accounts.events import (
    EmailChanged,
    EmailVerificationRequested,
    EmailVerified,
    PasswordChanged,
    PasswordReason,
    PasswordResetRequested,
    UserEvent,
)
from services.accounts.user import User
from services.domain.refusals import Refusal

CREDENTIALS_INVALID = "the password is not right"


def _change_email(user: User, command: m.ChangeEmail, facts: Facts) -> Decision:
    """A back end needs no proof; where there is one, it must be of the password that he has now."""
    if facts.proven_at is not None and not facts.proves(user.password_version):
        return Refusal("invalid_credentials", CREDENTIALS_INVALID, field="currentPassword")
    key = limits.email_key(command.email)
    if command.email == user.email and user.wanted_email is None:
        return Refusal("invalid_transition", "the user has this address", field="email")
    return [EmailVerificationRequested(command.email, key)]


def _send_verification(user: User, _: m.SendVerificationEmail, __: Facts) -> Decision:
    if user.email_verified and user.wanted_email is None:
        return Refusal("invalid_transition", "the address is verified")
    return [EmailVerificationRequested(None, None)]


def _verify(user: User, _: m.VerifyEmail, facts: Facts) -> Decision:
    if not facts.proves(user.code_version):
        return Refusal("code_invalid", "the code is not right, or has expired, or was used", field="code")
    events: list[UserEvent] = []
    if user.wanted_email is not None:
        events.append(EmailChanged(*user.wanted_email))
    if not user.email_verified:
        events.append(EmailVerified())
    return events or Refusal("code_invalid", "there is nothing to verify", field="code")


def _change_password(user: User, _: m.ChangePassword, facts: Facts) -> Decision:
    if not facts.proves(user.password_version):
        return Refusal("invalid_credentials", CREDENTIALS_INVALID, field="currentPassword")
    return _changed("changed")


def _reset_password(_: User, command: m.ResetPassword, __: Facts) -> Decision:
    return _changed("reset", require_change=command.require_change)


def _recover_password(user: User, _: RecoverPassword, facts: Facts) -> Decision:
    if not facts.proves(user.token_version):
        return token_invalid()
    # Who has the token has the mailbox.
    return [*_changed("recovered"), *([] if user.email_verified else [EmailVerified()])]


def _request_reset(_: User, __: RequestPasswordReset, ___: Facts) -> Decision:
    return [PasswordResetRequested()]


def _tell_owner(_: User, __: TellOwner, ___: Facts) -> Decision:
    """Nothing happened to him; the mail goes out with an append of no events."""
    return []


def _changed(reason: PasswordReason, *, require_change: bool = False) -> list[UserEvent]:
    return [PasswordChanged(reason, require_change)]


def token_invalid() -> Refusal:
    return Refusal("token_invalid", "the token is not right, or has expired, or was used", field="token")


DECISIONS: dict[type[Any], Callable[[User, Any, Facts], Decision]] = {
    m.ChangeEmail: _change_email,
    m.SendVerificationEmail: _send_verification,
    m.VerifyEmail: _verify,
    m.ChangePassword: _change_password,
    m.ResetPassword: _reset_password,
    RequestPasswordReset: _request_reset,
    RecoverPassword: _recover_password,
    TellOwner: _tell_owner,
}
