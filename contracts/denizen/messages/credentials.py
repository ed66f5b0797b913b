"""Addresses and passwords: what a user signs in with."""

from __future__ import annotations

from denizen.messages.base import Email, Message, Request, Secret, UserRequest

__all__ = [
    "Accepted",
    "ChangeEmail",
    "ChangeMyEmail",
    "ChangeMyPassword",
    "ChangePassword",
    "ConfirmPasswordReset",
    "ResetPassword",
    "SendPasswordResetEmail",
    "SendVerificationEmail",
    "VerifyEmail",
]


class ChangeEmail(UserRequest):
    """Mails a code to the new address. VerifyEmail with that code changes the address, and the old address gets a note.

    With the user's present address, a pending change is cancelled: its code becomes invalid, and no mail is sent.
    """

    email: Email


class SendVerificationEmail(UserRequest):
    """Sends a code to the address that is to be verified: the new one where ChangeEmail named one."""


class VerifyEmail(UserRequest):
    """Takes either code of the newest mail, and uses up both."""

    code: Secret
    """The six digits, which can be tried five times; or the long code, which wrong tries do not use up."""


class ChangePassword(UserRequest):
    """The new password must differ from the current one."""

    current_password: Secret
    new_password: Secret


class ResetPassword(UserRequest):
    """An operator sets the password. It never unblocks the user."""

    password: Secret
    require_change: bool = False
    """Signing in with this password is refused with `password_change_required` until ChangePassword."""


class SendPasswordResetEmail(Request):
    """The answer does not reveal whether a user has the address."""

    email: Email


class ConfirmPasswordReset(Request):
    """If the user must change the password, the new one must differ from the current one."""

    token: Secret
    password: Secret


class ChangeMyEmail(Request):
    """As ChangeEmail."""

    email: Email
    current_password: Secret | None = None
    """Needed where the user has a password: a stolen session must not move the account to another address."""


class ChangeMyPassword(Request):
    """As ChangePassword."""

    current_password: Secret
    new_password: Secret


class Accepted(Message):
    """The same answer in every case, so that it does not reveal whether an address is known."""
