"""What is done for a command before it is decided: secrets are opened, compared, hashed, drawn."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from secrets import randbelow, token_hex, token_urlsafe
from typing import Any

from denizen import messages as m
from pydantic import SecretStr
from typeid import TypeID

from services.accounts import pending
from services.accounts.pending import Answer, PendingCommand, Reply
from services.accounts.tools import Tools, accounts, too_many_attempts
from services.domain import fields, refusals
from services.domain.commands import Command, OnUser, RecoverPassword, RequestPasswordReset, TellOwner
from services.domain.decision import Facts
from services.domain.refusals import Refusal
from services.endpoint.call import Call
from services.eventstore.credentials.store import long_code_digest
from services.passwords import formats

Prepared = PendingCommand | Answer
_HASHED = "hashed:"
_DIGITS = 6
"""Of a verification code that a user types. A code of another length is none of these, and costs them no try."""


async def _create(tools: Tools, call: Call, command: m.CreateUser) -> Prepared:
    hashed = command.password_hash
    if command.password is not None:
        password = await tools.opened(command.password, call)
        if hashed is not None:
            raise Refusal("validation_failed", "give one of password and passwordHash", field="passwordHash")
        if not password.startswith(_HASHED):
            new = await tools.new_hash(command.password, call, "password", command.email)
            return PendingCommand(call, command, Facts(password_hash=new))
        hashed = SecretStr(password.removeprefix(_HASHED))
    if hashed is None:
        return PendingCommand(call, command)
    try:
        accepted = formats.accepted(await tools.opened(hashed, call))
    except formats.HashRejected as error:
        raise Refusal("validation_failed", str(error), field="passwordHash") from None
    return PendingCommand(call, command, Facts(password_hash=accepted))


async def _register(tools: Tools, call: Call, command: m.Register) -> Prepared:
    """In the discreet setting all that happens is the same whether or not the address is free, but for the mail."""
    began = time.monotonic()
    new = await tools.new_hash(command.password, call, "password", command.email)
    if not tools.settings.register_discreet:
        return PendingCommand(call, command, Facts(password_hash=new))
    call.expected_version = None  # It would tell whether there is a user.
    call.deadline = None  # Likewise, where it passes between here and the answer.
    key = fields.email_key(command.email)
    if not await tools.rate_limits.mail(key):
        raise too_many_attempts()
    owner = await tools.secrets.by_email(key)
    if owner is not None:
        return PendingCommand(call, TellOwner(owner.user_id), reply=pending.accepted, began=began, discreet=True)
    facts = replace(_drawn_code(tools), password_hash=new)
    return PendingCommand(call, command, facts, pending.accepted, began, discreet=True)


async def _change_email(tools: Tools, call: Call, command: m.ChangeEmail) -> Prepared:
    key = fields.email_key(command.email)
    owner = await tools.secrets.by_email(key)
    if owner is not None and owner.user_id != command.user_id:
        raise _email_taken()
    stays = command.email == await _address(tools, command.user_id)
    if not stays and not await tools.rate_limits.mail(key):
        raise too_many_attempts()
    return PendingCommand(call, command, _drawn_code(tools))


async def _change_my_email(tools: Tools, call: Call, request: m.ChangeMyEmail) -> Prepared:
    """A stolen session must not move the account to another address: who has a password gives it.

    Nor may it ask who has an account, or write to strangers: it is counted before anybody looks. In the discreet
    setting a taken address is answered as a free one is, and the code goes to nobody.
    """
    began = time.monotonic()
    user_id = call.actor or ""
    proven_at = await _proven(tools, call, user_id, request)
    key = fields.email_key(request.email)
    stays = request.email == await _address(tools, user_id)
    if not stays and not await tools.rate_limits.mail(key, user_id):
        raise too_many_attempts()
    call.check_deadline()
    discreet = tools.settings.register_discreet
    call.deadline = None if discreet else call.deadline
    owner = await tools.secrets.by_email(key)
    taken = owner is not None and owner.user_id != user_id
    if taken and not discreet:
        raise _email_taken()
    facts = replace(_drawn_code(tools), proven_at=proven_at, taken=taken)
    command = m.ChangeEmail(user_id=user_id, email=request.email)
    return PendingCommand(call, command, facts, began=began if discreet else None, discreet=discreet)


async def _proven(tools: Tools, call: Call, user_id: str, request: m.ChangeMyEmail) -> int:
    """The version of the user at which he gave his password, or had none."""
    credential = await tools.secrets.by_id(user_id)
    if credential.password is None:
        return credential.version
    secret = request.current_password
    version = None if secret is None else await tools.proven_at(user_id, secret, call)
    if version is None:
        raise refusals.password_wrong("currentPassword")
    return version


def _email_taken() -> Refusal:
    return Refusal("email_taken", "another user has this email", field="email")


async def _send_verification(tools: Tools, call: Call, command: m.SendVerificationEmail) -> Prepared:
    user = (await tools.user(command.user_id)).user
    taken = False
    if user is not None:
        address = user.wanted_email[1] if user.wanted_email else user.email_key
        # The code for an address that is not his yet is a mail to a stranger.
        if not await tools.rate_limits.mail(address, user.id if user.wanted_email else None):
            raise too_many_attempts()
        owner = await tools.secrets.by_email(address)
        taken = owner is not None and owner.user_id != user.id
    return PendingCommand(call, command, replace(_drawn_code(tools), taken=taken), reply=_reply(call))


def _reply(call: Call) -> Reply:
    """What is answered to a command that was carried out; who has proved nothing is told nothing."""
    match call.request:
        case m.DeleteUser():
            return pending.deleted
        case m.SendPasswordResetEmail():
            return pending.accepted
        case m.SendVerificationEmail() if call.operation.kind == "public":
            return pending.accepted
        case _:
            return pending.with_user


def _drawn_code(tools: Tools) -> Facts:
    code, long_code = f"{randbelow(10**_DIGITS):0{_DIGITS}d}", token_hex(16)
    digest = tools.ring.claim("code", code)
    long_digest = long_code_digest(tools.ring, digest, long_code)
    return Facts(drawn=code, digest=digest, long_code=long_code, long_digest=long_digest)


async def _verify_email(tools: Tools, call: Call, command: m.VerifyEmail) -> Prepared:
    code = await tools.opened(command.code, call)
    if len(code) == _DIGITS:
        version = await tools.secrets.attempt(command.user_id, tools.ring.claim("code", code))
    else:
        version = await tools.secrets.attempt_long(command.user_id, code)
    # Asked only now: what strangers tried in vain must not keep out the owner, whose next code can be tried five times.
    if version is None and not await tools.rate_limits.code(command.user_id):
        raise too_many_attempts()
    user = None if version is None else (await tools.user(command.user_id)).user
    if user is not None:
        await tools.rate_limits.proved([user.wanted_email[1] if user.wanted_email else user.email_key])
    return PendingCommand(call, command, Facts(proven_at=version))


async def _change_password(tools: Tools, call: Call, command: m.ChangePassword) -> Prepared:
    version = await tools.proven_at(command.user_id, command.current_password, call)
    if version is None:
        return PendingCommand(call, command)
    before = (await tools.secrets.by_id(command.user_id)).password
    address = await _address(tools, command.user_id)
    new = await tools.new_hash(command.new_password, call, "newPassword", address, unlike=before)
    return PendingCommand(call, command, Facts(proven_at=version, password_hash=new))


async def _reset_password(tools: Tools, call: Call, command: m.ResetPassword) -> Prepared:
    user = (await tools.user(command.user_id)).user
    new = await tools.new_hash(command.password, call, "password", user and user.email)
    if user is not None:
        await tools.rate_limits.proved(accounts(user))
    return PendingCommand(call, command, Facts(password_hash=new))


async def _address(tools: Tools, user_id: str) -> str | None:
    """A user's, which is no password."""
    user = (await tools.user(user_id)).user
    return None if user is None else user.email


async def _send_reset(tools: Tools, call: Call, command: m.SendPasswordResetEmail) -> Prepared:
    """The answer is the same, and as late, whether or not anybody has the address; and so is that to a repeat.

    Where nobody has it, it is asked for a user who is not: that leaves an outcome, too, under the command's id.
    """
    began = time.monotonic()
    call.expected_version = None  # Whose, he does not know.
    key = fields.email_key(command.email)
    if not await tools.rate_limits.mail(key):
        raise too_many_attempts()
    call.check_deadline()
    call.deadline = None  # From here on it would tell who takes longer.
    owner = await tools.secrets.by_email(key)
    user_id = str(TypeID("user")) if owner is None else owner.user_id
    token = token_urlsafe(32)
    facts = Facts(drawn=token, digest=tools.ring.claim("token", token))
    return PendingCommand(call, RequestPasswordReset(user_id), facts, pending.accepted, began, discreet=True)


async def _confirm_reset(tools: Tools, call: Call, command: m.ConfirmPasswordReset) -> Prepared:
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


async def _revoke_session(tools: Tools, call: Call, command: m.RevokeSession) -> Prepared:
    session = await tools.secrets.session(command.session_id)
    if session is not None and session.user_id != command.user_id:
        # Not told to the verifiers either: they would refuse the other user's tokens.
        raise Refusal("validation_failed", "the session is another user's", field="sessionId")
    return PendingCommand(call, command, Facts(alive=session is not None))


async def _revoke_sessions(tools: Tools, call: Call, command: m.RevokeSessions) -> Prepared:
    return PendingCommand(call, command, Facts(alive=bool(await tools.secrets.sessions(command.user_id))))


async def _delete(_: Tools, call: Call, command: m.DeleteUser) -> Prepared:
    return PendingCommand(call, command, reply=pending.deleted)


Prepare = Callable[[Tools, Call, Any], Awaitable[Prepared]]
PREPARE: Mapping[type[m.Request], Prepare] = {
    m.CreateUser: _create,
    m.Register: _register,
    m.ChangeEmail: _change_email,
    m.ChangeMyEmail: _change_my_email,
    m.SendVerificationEmail: _send_verification,
    m.VerifyEmail: _verify_email,
    m.ChangePassword: _change_password,
    m.ResetPassword: _reset_password,
    m.SendPasswordResetEmail: _send_reset,
    m.ConfirmPasswordReset: _confirm_reset,
    m.RevokeSession: _revoke_session,
    m.RevokeSessions: _revoke_sessions,
    m.DeleteUser: _delete,
}
"""How each request with secrets or sessions becomes a task. Each raises Refusal."""


def has_secret(request: m.CreateUser) -> bool:
    """Most have none, and are tasks as they are."""
    return request.password is not None or request.password_hash is not None


async def repeated(tools: Tools, call: Call) -> PendingCommand | None:
    """The task of a command that ran before: nothing is compared or hashed again, it gets its first answer."""
    if not call.repeatable:
        return None
    outcome = (await tools.store.outcomes([call.key])).get(call.key)
    if outcome is None:
        return None
    # Else a request that is made up would be a guess at the first one's password, which costs no hash.
    if isinstance(call.request, m.Register) and not await tools.rate_limits.code(f"command/{call.key}"):
        raise too_many_attempts()
    command: Command = call.request
    if isinstance(command, m.ConfirmPasswordReset):
        command = RecoverPassword(outcome.user_id or "")
    elif not isinstance(command, m.UserRequest):
        command = OnUser(outcome.user_id or "")
    kinds = (m.SendPasswordResetEmail, *((m.Register, m.ChangeMyEmail) if tools.settings.register_discreet else ()))
    discreet = isinstance(call.request, kinds)
    reply = pending.accepted if discreet and isinstance(call.request, m.Register) else _reply(call)
    return PendingCommand(call, command, reply=reply, began=time.monotonic() if discreet else None, discreet=discreet)
