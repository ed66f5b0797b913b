"""CreateUser, Register, BlockUser, UnblockUser, DeactivateUser, ReactivateUser, DeleteUser."""

import time
from dataclasses import replace
from datetime import UTC, datetime

from denizen import messages as m
from pydantic import SecretStr

from services.accounts.handlers.handler import HandlerRow, Prepared
from services.accounts.pending import PendingCommand, accepted
from services.accounts.tools import Tools
from services.domain import fields, refusals
from services.domain.commands import EndBlock, TellOwner
from services.domain.decide import lifecycle
from services.domain.decision import Facts
from services.domain.values import rfc3339
from services.endpoint.call import Call
from services.passwords import formats

_HASHED = "hashed:"


def _has_secret(request: m.CreateUser) -> bool:
    """Whether a password must be hashed, or a hash checked, before the decision."""
    return request.password is not None or request.password_hash is not None


async def _create(tools: Tools, call: Call, command: m.CreateUser) -> Prepared:
    """Hash the password, or check the hash that another system made."""
    hashed = command.password_hash
    if command.password is not None:
        password = await tools.opened(command.password, call)
        if hashed is not None:
            raise refusals.password_given_twice()
        if not password.startswith(_HASHED):
            new = await tools.new_hash(command.password, call, "password", command.email)
            return PendingCommand(call, command, Facts(password_hash=new))
        hashed = SecretStr(password.removeprefix(_HASHED))
    if hashed is None:
        return PendingCommand(call, command)
    try:
        known = formats.accepted(await tools.opened(hashed, call), tools.settings.imported_bcrypt_cost)
    except formats.HashRejected as error:
        raise refusals.invalid(str(error), "passwordHash") from None
    return PendingCommand(call, command, Facts(password_hash=known))


async def _register(tools: Tools, call: Call, command: m.Register) -> Prepared:
    """In the discreet setting all that happens is the same whether or not the address is free, except for the mail."""
    began = time.monotonic()
    new = await tools.new_hash(command.password, call, "password", command.email)
    if not tools.settings.register_discreet:
        return PendingCommand(call, command, Facts(password_hash=new))
    call.expected_version = None  # It would tell whether there is a user.
    call.deadline = None  # Likewise, where it passes between here and the answer.
    key = fields.email_key(command.email)
    if not await tools.rate_limits.mail(key):
        raise refusals.too_many_attempts()
    owner = await tools.secrets.by_email(key)
    if owner is not None:
        return PendingCommand(call, TellOwner(owner.user_id), reply=accepted, began=began, discreet=True)
    facts = replace(tools.drawn_code(), password_hash=new)
    return PendingCommand(call, command, facts, accepted, began, discreet=True)


def _has_end(request: m.BlockUser) -> bool:
    return request.until is not None


async def _block(_: Tools, call: Call, command: m.BlockUser) -> Prepared:
    """Check the end before the decision: a repeat, which got its first reply by then, may come when it has passed."""
    assert command.until is not None
    until = fields.moment(command.until, "until")
    if until <= datetime.now(UTC):
        raise refusals.invalid("has passed already", "until")
    # As the log has it, so that ends compare as texts.
    return PendingCommand(call, command.model_copy(update={"until": rfc3339(until)}))


def _registrations_full(tools: Tools, _: bytes) -> bool:
    return tools.pool.full("new password")


ROWS = (
    HandlerRow(
        request=m.CreateUser,
        prepare=_create,
        prepare_where=_has_secret,
        decide=lifecycle.create,
        missing=None,
        hot=True,
    ),
    HandlerRow(
        request=m.Register,
        prepare=_register,
        makes=[TellOwner],
        decide=lifecycle.register,
        missing=None,
        hides_timing="discreet",
        discreet_reply=accepted,
        conceals=("email_taken", "user_not_found"),  # Taken, or deleted, since the owner was looked up.
        counts_repeats=True,
        full=_registrations_full,
    ),
    HandlerRow(request=m.BlockUser, prepare=_block, prepare_where=_has_end, decide=lifecycle.block, hot=True),
    HandlerRow(request=m.UnblockUser, makes=[EndBlock], decide=lifecycle.unblock),
    HandlerRow(request=m.DeactivateUser, decide=lifecycle.deactivate),
    HandlerRow(request=m.ReactivateUser, decide=lifecycle.reactivate),
    HandlerRow(request=m.DeleteUser, decide=lifecycle.delete),
)
