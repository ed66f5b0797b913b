"""What is done for a command before it is decided: secrets are opened, compared, hashed, drawn."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from secrets import randbelow, token_urlsafe
from typing import Any

from denizen import messages as m
from pydantic import SecretStr

from services.accounts import limits, task
from services.accounts.credentials import token_invalid
from services.accounts.decision import Command, Facts, OnUser, RecoverPassword, RequestPasswordReset, TellOwner
from services.accounts.task import Instant, Task
from services.accounts.tools import Tools, too_many_attempts
from services.endpoint.call import Call
from services.passwords import formats
from services.refusal import Refusal

Prepared = Task | Instant
_HASHED = "hashed:"


async def _create(tools: Tools, call: Call, command: m.CreateUser) -> Prepared:
    hashed = command.password_hash
    if command.password is not None:
        password = await tools.opened(command.password, call)
        if hashed is not None:
            raise Refusal("validation_failed", "give one of password and passwordHash", field="passwordHash")
        if not password.startswith(_HASHED):
            new = await tools.new_hash(command.password, call, "password", command.email)
            return Task(call, command, Facts(password_hash=new))
        hashed = SecretStr(password.removeprefix(_HASHED))
    if hashed is None:
        return Task(call, command)
    try:
        accepted = formats.accepted(await tools.opened(hashed, call))
    except formats.HashRejected as error:
        raise Refusal("validation_failed", str(error), field="passwordHash") from None
    return Task(call, command, Facts(password_hash=accepted))


async def _register(tools: Tools, call: Call, command: m.Register) -> Prepared:
    """In the discreet setting all that happens is the same whether or not the address is free, but for the mail."""
    began = time.monotonic()
    new = await tools.new_hash(command.password, call, "password", command.email)
    if not tools.settings.register_discreet:
        return Task(call, command, Facts(password_hash=new))
    call.expected_version = None  # It would tell whether there is a user.
    key = limits.email_key(command.email)
    if not await tools.throttle.mail(key):
        raise too_many_attempts()
    owner = await tools.secrets.by_email(key)
    if owner is not None:
        return Task(call, TellOwner(owner.user_id), reply=task.accepted, began=began, discreet=True)
    facts = replace(_drawn_code(tools), password_hash=new)
    return Task(call, command, facts, task.accepted, began, discreet=True)


async def _change_email(tools: Tools, call: Call, command: m.ChangeEmail) -> Prepared:
    key = limits.email_key(command.email)
    owner = await tools.secrets.by_email(key)
    if owner is not None and owner.user_id != command.user_id:
        raise Refusal("email_taken", "another user has this email", field="email")
    if not await tools.throttle.mail(key):
        raise too_many_attempts()
    return Task(call, command, _drawn_code(tools))


async def _send_verification(tools: Tools, call: Call, command: m.SendVerificationEmail) -> Prepared:
    user = (await tools.user(command.user_id)).user
    if user is not None:
        address = user.wanted_email[1] if user.wanted_email else user.email_key
        if not await tools.throttle.mail(address):
            raise too_many_attempts()
    return Task(call, command, _drawn_code(tools))


def _drawn_code(tools: Tools) -> Facts:
    code = f"{randbelow(1_000_000):06d}"
    return Facts(drawn=code, digest=tools.ring.claim("code", code))


async def _verify_email(tools: Tools, call: Call, command: m.VerifyEmail) -> Prepared:
    code = await tools.opened(command.code, call)
    if not await tools.throttle.code(command.user_id):
        raise too_many_attempts()
    version = await tools.secrets.attempt(command.user_id, tools.ring.claim("code", code))
    return Task(call, command, Facts(proven_at=version))


async def _change_password(tools: Tools, call: Call, command: m.ChangePassword) -> Prepared:
    version = await tools.proven_at(command.user_id, command.current_password, call)
    if version is None:
        return Task(call, command)
    new = await tools.new_hash(command.new_password, call, "newPassword")
    return Task(call, command, Facts(proven_at=version, password_hash=new))


async def _reset_password(tools: Tools, call: Call, command: m.ResetPassword) -> Prepared:
    return Task(call, command, Facts(password_hash=await tools.new_hash(command.password, call, "password")))


async def _send_reset(tools: Tools, call: Call, command: m.SendPasswordResetEmail) -> Prepared:
    """The answer is the same, and as late, whether or not anybody has the address."""
    began = time.monotonic()
    call.expected_version = None  # Whose, he does not know.
    key = limits.email_key(command.email)
    if not await tools.throttle.mail(key):
        raise too_many_attempts()
    owner = await tools.secrets.by_email(key)
    if owner is None:
        return Instant(b"{}", began)
    token = token_urlsafe(32)
    facts = Facts(drawn=token, digest=tools.ring.claim("token", token))
    return Task(call, RequestPasswordReset(owner.user_id), facts, task.accepted, began, discreet=True)


async def _confirm_reset(tools: Tools, call: Call, command: m.ConfirmPasswordReset) -> Prepared:
    token = await tools.opened(command.token, call)
    owner = await tools.secrets.token(tools.ring.claim("token", token))
    if owner is None:
        raise token_invalid()
    user_id, version = owner
    new = await tools.new_hash(command.password, call, "password")
    return Task(call, RecoverPassword(user_id), Facts(proven_at=version, password_hash=new))


async def _revoke_session(tools: Tools, call: Call, command: m.RevokeSession) -> Prepared:
    session = await tools.secrets.session(command.session_id)
    if session is not None and session.user_id != command.user_id:
        # Not told to the verifiers either: they would refuse the other user's tokens.
        raise Refusal("validation_failed", "the session is another user's", field="sessionId")
    return Task(call, command, Facts(alive=session is not None))


async def _revoke_sessions(tools: Tools, call: Call, command: m.RevokeSessions) -> Prepared:
    return Task(call, command, Facts(alive=bool(await tools.secrets.sessions(command.user_id))))


async def _delete(_: Tools, call: Call, command: m.DeleteUser) -> Prepared:
    return Task(call, command, reply=task.deleted)


Prepare = Callable[[Tools, Call, Any], Awaitable[Prepared]]
PREPARE: Mapping[type[m.Request], Prepare] = {
    m.CreateUser: _create,
    m.Register: _register,
    m.ChangeEmail: _change_email,
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


async def repeated(tools: Tools, call: Call) -> Task | None:
    """The task of a command that ran before: nothing is compared or hashed again, it gets its first answer."""
    if not call.repeatable:
        return None
    outcome = (await tools.store.outcomes([call.key])).get(call.key)
    if outcome is None:
        return None
    command: Command = call.request
    if isinstance(command, m.ConfirmPasswordReset):
        command = RecoverPassword(outcome.user_id or "")
    elif not isinstance(command, m.UserRequest):
        command = OnUser(outcome.user_id or "")
    if isinstance(call.request, m.SendPasswordResetEmail) or (
        isinstance(call.request, m.Register) and tools.settings.register_discreet
    ):
        return Task(call, command, reply=task.accepted, began=time.monotonic(), discreet=True)
    return Task(call, command, reply=task.deleted if isinstance(call.request, m.DeleteUser) else task.with_user)
