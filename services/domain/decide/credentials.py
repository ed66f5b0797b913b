"""Decisions on passwords and addresses.

What proves them was looked up before. A proof that is older than what it is about proves nothing.
"""

from denizen import messages as m

from services.domain import fields, refusals
from services.domain.commands import RecoverPassword, RequestPasswordReset
from services.domain.decision import Decision, Facts
from services.domain.events import (
    EmailChanged,
    EmailVerificationRequested,
    EmailVerified,
    PasswordChanged,
    PasswordResetRequested,
    UserEvent,
)
from services.domain.user import UserAggregate


def change_email(user: UserAggregate, command: m.ChangeEmail, facts: Facts) -> Decision:
    """A back end needs no proof; where there is one, it must be of the user's present password."""
    if facts.proven_at is not None and not facts.proves(user.password_version):
        return refusals.password_wrong("currentPassword")
    key = fields.email_key(command.email)
    if command.email == user.email and user.wanted_email is None:
        return refusals.address_unchanged()
    return [EmailVerificationRequested(command.email, key)]


def send_verification(user: UserAggregate, _: m.SendVerificationEmail, __: Facts) -> Decision:
    if user.email_verified and user.wanted_email is None:
        return refusals.address_verified()
    return [EmailVerificationRequested(None, None)]


def verify_email(user: UserAggregate, _: m.VerifyEmail, facts: Facts) -> Decision:
    """The code verifies the address that it was mailed to: the one that is to replace the user's, or their own."""
    if not facts.proves(user.code_version):
        return refusals.code_invalid()
    events: list[UserEvent] = []
    if user.wanted_email is not None:
        events.append(EmailChanged(*user.wanted_email))
    if not user.email_verified:
        events.append(EmailVerified())
    return events or refusals.nothing_to_verify()


def change_password(user: UserAggregate, _: m.ChangePassword, facts: Facts) -> Decision:
    if not facts.proves(user.password_version):
        return refusals.password_wrong("currentPassword")
    return [PasswordChanged("changed", False)]


def reset_password(_: UserAggregate, command: m.ResetPassword, __: Facts) -> Decision:
    return [PasswordChanged("reset", command.require_change)]


def recover_password(user: UserAggregate, _: RecoverPassword, facts: Facts) -> Decision:
    """The token was mailed, so it verifies the address too."""
    if not facts.proves(user.token_version):
        return refusals.token_invalid()
    changed = PasswordChanged("recovered", False)
    return [changed] if user.email_verified else [changed, EmailVerified()]


def request_reset(_: UserAggregate, __: RequestPasswordReset, ___: Facts) -> Decision:
    return [PasswordResetRequested()]
