"""ChangeEmail, also of one's own, SendVerificationEmail, VerifyEmail."""

import time
from dataclasses import replace

from denizen import messages as m

from services.accounts.handlers.handler import HandlerRow, OwnAccount, Prepared
from services.accounts.pending import PendingCommand
from services.accounts.tools import CODE_DIGITS, Tools
from services.domain import fields, refusals
from services.domain.decide import credentials
from services.domain.decision import Facts
from services.endpoint.call import Call


async def _change_email(tools: Tools, call: Call, command: m.ChangeEmail) -> Prepared:
    """Draw a code for the new address, unless another user has it."""
    key = fields.email_key(command.email)
    owner = await tools.secrets.by_email(key)
    if owner is not None and owner.user_id != command.user_id:
        raise refusals.taken("email")
    stays = command.email == await tools.address(command.user_id)
    if not stays and not await tools.rate_limits.mail(key):
        raise refusals.too_many_attempts()
    return PendingCommand(call, command, tools.drawn_code())


async def _change_my_email(tools: Tools, call: Call, request: m.ChangeMyEmail) -> Prepared:
    """A stolen session must not move the account to another address: a user who has a password gives it.

    Nor may it ask who has an account, or write to strangers: it is counted before the owner of the address is looked
    up. In the discreet setting a taken address is answered as a free one is, and the code is not mailed.
    """
    began = time.monotonic()
    user_id = call.actor or ""
    proven_at = await _proven(tools, call, user_id, request)
    key = fields.email_key(request.email)
    stays = request.email == await tools.address(user_id)
    if not stays and not await tools.rate_limits.mail(key, user_id):
        raise refusals.too_many_attempts()
    call.check_deadline()
    discreet = tools.settings.register_discreet
    call.deadline = None if discreet else call.deadline
    owner = await tools.secrets.by_email(key)
    taken = owner is not None and owner.user_id != user_id
    if taken and not discreet:
        raise refusals.taken("email")
    facts = replace(tools.drawn_code(), proven_at=proven_at, taken=taken)
    command = m.ChangeEmail(user_id=user_id, email=request.email)
    return PendingCommand(call, command, facts, began=began if discreet else None, discreet=discreet)


async def _proven(tools: Tools, call: Call, user_id: str, request: m.ChangeMyEmail) -> int:
    """The version of the user at which they gave their password, or had none."""
    credential = await tools.secrets.by_id(user_id)
    if credential.password is None:
        return credential.version
    secret = request.current_password
    version = None if secret is None else await tools.proven_at(user_id, secret, call)
    if version is None:
        raise refusals.password_wrong("currentPassword")
    return version


async def _send_verification(tools: Tools, call: Call, command: m.SendVerificationEmail) -> Prepared:
    """Draw a code for the address that is to be verified."""
    user = (await tools.user(command.user_id)).user
    taken = False
    if user is not None:
        address = user.wanted_email[1] if user.wanted_email else user.email_key
        # The code for an address that is not the user's yet is a mail to a stranger.
        if not await tools.rate_limits.mail(address, user.id if user.wanted_email else None):
            raise refusals.too_many_attempts()
        owner = await tools.secrets.by_email(address)
        taken = owner is not None and owner.user_id != user.id
    return PendingCommand(call, command, replace(tools.drawn_code(), taken=taken))


async def _verify_email(tools: Tools, call: Call, command: m.VerifyEmail) -> Prepared:
    """Compare the code with the one that was mailed."""
    code = await tools.opened(command.code, call)
    if len(code) == CODE_DIGITS:
        version = await tools.secrets.attempt(command.user_id, tools.ring.claim("code", code))
    else:
        version = await tools.secrets.attempt_long(command.user_id, code)
    # Asked only now: what strangers tried in vain must not keep out the owner, whose next code can be tried five times.
    if version is None and not await tools.rate_limits.code(command.user_id):
        raise refusals.too_many_attempts()
    user = None if version is None else (await tools.user(command.user_id)).user
    if user is not None:
        await tools.rate_limits.proved([user.wanted_email[1] if user.wanted_email else user.email_key])
    return PendingCommand(call, command, Facts(proven_at=version))


ROWS = (
    HandlerRow(request=m.ChangeEmail, prepare=_change_email, decide=credentials.change_email),
    HandlerRow(
        request=m.ChangeMyEmail,
        prepare=_change_my_email,
        hides_timing="discreet",
        own=OwnAccount(lambda _, request: request, lengthens=True),
    ),
    HandlerRow(request=m.SendVerificationEmail, prepare=_send_verification, decide=credentials.send_verification),
    HandlerRow(request=m.VerifyEmail, prepare=_verify_email, decide=credentials.verify_email),
)
