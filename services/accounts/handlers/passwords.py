"""ChangePassword, ResetPassword, SendPasswordResetEmail, ConfirmPasswordReset."""

import time
from secrets import token_urlsafe

from denizen import messages as m
from typeid import TypeID

from services.accounts.handlers.handler import HandlerRow, Prepared
from services.accounts.pending import PendingCommand
from services.accounts.tools import Tools, accounts
from services.domain import fields, refusals
from services.domain.commands import RecoverPassword, RequestPasswordReset
from services.domain.decide import credentials
from services.domain.decision import Facts
from services.endpoint.call import Call


async def _change_password(tools: Tools, call: Call, command: m.ChangePassword) -> Prepared:
    """Compare the current password, and hash the new one."""
    version = await tools.proven_at(command.user_id, command.current_password, call)
    if version is None:
        return PendingCommand(call, command)
    before = (await tools.secrets.by_id(command.user_id)).password
    address = await tools.address(command.user_id)
    new = await tools.new_hash(command.new_password, call, "newPassword", address, unlike=before)
    return PendingCommand(call, command, Facts(proven_at=version, password_hash=new))


async def _reset_password(tools: Tools, call: Call, command: m.ResetPassword) -> Prepared:
    """Hash the new password. Guesses at it begin afresh."""
    user = (await tools.user(command.user_id)).user
    new = await tools.new_hash(command.password, call, "password", user and user.email)
    if user is not None:
        await tools.rate_limits.proved(accounts(user))
    return PendingCommand(call, command, Facts(password_hash=new))


async def _send_reset(tools: Tools, call: Call, command: m.SendPasswordResetEmail) -> Prepared:
    """The answer is the same, and as late, whether or not a user has the address; and so is that to a repeat.

    Where no user has it, the command is on a user who does not exist: that leaves an outcome, too, under its id.
    """
    began = time.monotonic()
    call.expected_version = None  # The caller does not know whose.
    key = fields.email_key(command.email)
    if not await tools.rate_limits.mail(key):
        raise refusals.too_many_attempts()
    call.check_deadline()
    call.deadline = None  # From here on it would tell which of the two takes longer.
    owner = await tools.secrets.by_email(key)
    user_id = str(TypeID("user")) if owner is None else owner.user_id
    token = token_urlsafe(32)
    facts = Facts(drawn=token, digest=tools.ring.claim("token", token))
    return PendingCommand(call, RequestPasswordReset(user_id), facts, began=began, discreet=True)


async def _confirm_reset(tools: Tools, call: Call, command: m.ConfirmPasswordReset) -> Prepared:
    """Find the user by the token that was mailed, and hash the new password. Guesses at it begin afresh."""
    token = await tools.opened(command.token, call)
    owner = await tools.secrets.token(tools.ring.claim("token", token))
    if owner is None:
        raise refusals.token_invalid()
    user_id, version = owner
    user = (await tools.user(user_id)).user
    must_change = user is not None and user.password_change_required
    before = (await tools.secrets.by_id(user_id)).password if must_change else None
    new = await tools.new_hash(command.password, call, "password", user and user.email, unlike=before)
    if user is not None:
        await tools.rate_limits.proved(accounts(user))
    return PendingCommand(call, RecoverPassword(user_id), Facts(proven_at=version, password_hash=new))


ROWS = (
    HandlerRow(request=m.ChangePassword, prepare=_change_password, decide=credentials.change_password),
    HandlerRow(request=m.ResetPassword, prepare=_reset_password, decide=credentials.reset_password),
    HandlerRow(
        request=m.SendPasswordResetEmail,
        prepare=_send_reset,
        makes=[RequestPasswordReset],
        decide=credentials.request_reset,
        hides_timing="always",
        conceals=("user_not_found",),  # Deleted since the owner was looked up.
    ),
    HandlerRow(
        request=m.ConfirmPasswordReset,
        prepare=_confirm_reset,
        makes=[RecoverPassword],
        decide=credentials.recover_password,
        missing=refusals.token_invalid,
    ),
)
