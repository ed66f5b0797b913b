"""Decisions: what a command does to a user. One module for each noun; no I/O, no clock, no random number.

It imports the user, the events, the fields and the refusals of the domain.
"""

from collections.abc import Callable, Mapping
from typing import Any

from denizen import messages as m

from services.domain import refusals
from services.domain.commands import Command, ImportUser, RecoverPassword, RequestPasswordReset, TellOwner
from services.domain.decide import credentials, identities, lifecycle, profile
from services.domain.decision import NOTHING, Decision, Facts
from services.domain.user import User


def decide(user: User | None, command: Command, facts: Facts = NOTHING) -> Decision:
    """The events that a command leads to, or why it is refused.

    `user` is None where there is none of that id (and for CreateUser, where there must be none). The values of the
    command have been checked (`fields.check`).
    """
    if isinstance(command, m.CreateUser):
        return lifecycle.create(command)
    if isinstance(command, ImportUser):
        return lifecycle.import_user(command)
    if isinstance(command, m.Register):
        return lifecycle.register(command, facts)
    if user is None:
        return refusals.token_invalid() if isinstance(command, RecoverPassword) else refusals.user_not_found()
    decision: Decision = _DECISIONS[type(command)](user, command, facts)
    return decision


_DECISIONS: Mapping[type[Command], Callable[[User, Any, Facts], Decision]] = {
    m.UpdateUser: profile.update,
    m.BlockUser: lifecycle.block,
    m.UnblockUser: lifecycle.unblock,
    m.DeactivateUser: lifecycle.deactivate,
    m.ReactivateUser: lifecycle.reactivate,
    m.DeleteUser: lifecycle.delete,
    m.ChangeEmail: credentials.change_email,
    m.SendVerificationEmail: credentials.send_verification,
    m.VerifyEmail: credentials.verify_email,
    m.ChangePassword: credentials.change_password,
    m.ResetPassword: credentials.reset_password,
    RequestPasswordReset: credentials.request_reset,
    RecoverPassword: credentials.recover_password,
    TellOwner: credentials.tell_owner,
    m.LinkIdentity: identities.link,
    m.UnlinkIdentity: identities.unlink,
}
