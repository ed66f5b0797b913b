"""Authenticate: from a password to a session."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from secrets import token_bytes

from denizen import messages as m
from typeid import TypeID

from services.accounts.fingerprint import fingerprint
from services.accounts.guessing.rate_limits import Guess, network
from services.accounts.handlers.handler import HandlerRow, Prepared
from services.accounts.handlers.signed_in import again, life, reply_of
from services.accounts.pending import Answer, PendingCommand
from services.accounts.tools import Tools
from services.domain import fields, refusals
from services.domain.commands import LogIn
from services.domain.decide.logins import decide_session
from services.domain.decision import Facts
from services.domain.refusals import Refusal
from services.domain.sessions import NewSession
from services.endpoint.call import Call
from services.tokens import access
from services.tokens.bearer import bearer_token

_IP = re.compile(rb'"ip"\s*:\s*"([0-9A-Fa-f:.]{2,45})"')


async def _authenticate(tools: Tools, call: Call, request: m.Authenticate) -> Prepared:
    """Compare the password. Whether or not a user has the address: the same work, the same answer, the same time.

    Its place among the guesses was reserved when it was taken over. Its repeats are recognised by the
    session that it began, not by its outcome: they prove the password, too.
    """
    with tools.guesses.reserved(network(request.ip)):
        address = fields.email_key(request.email)
        guess = Guess(address, request.ip, session=await _session_of(tools, call, address))
        call.digest = await fingerprint(tools, call)
        password = await tools.opened(request.password, call)
        guess, credential, verified = await tools.guesses.compare(guess, password, call.deadline)
    call.compared = verified.began
    call.deadline = None  # It would tell who has an account: what follows takes longer for who has one.
    if credential is None:
        return Answer(refusals.password_wrong())
    command = LogIn(credential.user_id, request.ip, request.user_agent)
    key, call.repeatable = call.key if call.repeatable else None, False
    call.expected_version = None  # It would tell who knows no password that there is a user.
    if verified.ok and await _is_hidden(tools, credential.user_id):
        verified = replace(verified, ok=False)
    before = await tools.guesses.made(guess, verified, credential.user_id, key)
    if not verified.ok:
        return PendingCommand(call, command)
    if before is not None:
        return await again(tools, call, before)
    session = _new_session(tools, request, key)
    facts = Facts(proven_at=credential.version, session=session)
    if verified.outdated:
        facts = replace(facts, password_hash=await _rehash(tools, password, call))
    repeat = None if key is None else partial(_begun, tools, call, credential.user_id, key)
    return PendingCommand(call, command, facts, await reply_of(tools, session), repeat=repeat)


async def _session_of(tools: Tools, call: Call, email_key: str) -> str | None:
    """The session whose access token the caller sends along, if it is one of the user with this address.

    It may have expired or ended: it signs no caller in, but its guesses have a share of their own.
    """
    token = bearer_token(call.authorization)
    claims = token and await access.recognized(token, tools.keys, tools.settings)
    if not claims:
        return None
    owner = await tools.secrets.by_email(email_key)
    return claims.session_id if owner is not None and owner.user_id == claims.user_id else None


async def _is_hidden(tools: Tools, user_id: str) -> bool:
    """Whether a user's right password must look like a wrong one.

    In the discreet setting no caller learns whether an address was free, not even by signing in after registering it.
    """
    if not tools.settings.register_discreet:
        return False
    user = (await tools.user(user_id)).user
    return user is not None and not user.email_verified


async def _rehash(tools: Tools, password: str, call: Call) -> str | None:
    """Today's hash of a password that is right, if there is time for it."""
    try:
        return await tools.pool.hash(password, call.deadline, "sign-in")
    except Refusal:
        return None


async def _begun(tools: Tools, call: Call, user_id: str, command_id: str) -> Answer:
    """The answer to a command whose id was used before."""
    return await again(tools, call, (await tools.secrets.begun([(user_id, command_id)])).get((user_id, command_id)))


def _new_session(tools: Tools, request: m.Authenticate, command_id: str | None) -> NewSession:
    now = datetime.now(UTC)
    private = {"ip": request.ip, "userAgent": request.user_agent}
    return NewSession(str(TypeID("sess")), token_bytes(16), private, command_id, now, now + life(tools))


def _reserve(tools: Tools, request: m.Authenticate) -> None:
    """A place among the guesses from the caller's network; `_authenticate` gives it back."""
    tools.guesses.reserve(network(request.ip))


def _full(tools: Tools, body: bytes) -> bool:
    """Whether no place is left for guesses from the network that a body names, without parsing the rest of it.

    No text inside another string looks like this: its quotation marks would have backslashes.
    """
    try:
        whence = network(found[1].decode()) if (found := _IP.search(body)) else ""
    except ValueError:
        whence = ""
    return tools.guesses.full(whence)


ROWS = (
    HandlerRow(
        request=m.Authenticate,
        prepare=_authenticate,
        makes=[LogIn],
        decide=decide_session,
        stream="logins",
        missing=None,
        repeats="session",
        hot=True,
        full=_full,
        reserve=_reserve,
    ),
)
