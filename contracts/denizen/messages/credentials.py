"""Addresses and passwords: what a user signs in with."""

from __future__ import annotations

from denizen.messages.base import Email, Message, Request, Secret, UserRequest


class ChangeEmail(UserRequest):
    """Sends a code to the new address; VerifyEmail with it makes the address the user's, and the old one is told.

    The address that the user has calls off a change that is pending: its code is good no more, and no mail is sent.
    """

    email: Email


class SendVerificationEmail(UserRequest):
    """Sends a code to the address that is to be verified: the new one where ChangeEmail named one."""


class VerifyEmail(UserRequest):
    """Takes either code of the newest mail, and uses up both."""

    code: Secret
    """The six digits, which can be tried five times; or the long code, which wrong tries do not use up."""


class ChangePassword(UserRequest):
    """The new password must be another one than the current one."""

    current_password: Secret
    new_password: Secret


class ResetPassword(UserRequest):
    """An operator sets the password. Never unblocks."""

    password: Secret
    require_change: bool = False
    """Who signs in with it is refused with `password_change_required` until ChangePassword."""


class SendPasswordResetEmail(Request):
    """The answer does not reveal whether a user has the address."""

    email: Email


class ConfirmPasswordReset(Request):
    """Where the user must change the password, another one than before."""

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
