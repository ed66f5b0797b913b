"""Authenticate, RefreshSession and the sessions of a user: from credentials and tokens to sessions and tokens."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from secrets import token_bytes, token_hex

import orjson
from denizen import messages as m
from joserfc.jwk import OKPKey
from typeid import TypeID

from services.accounts.fingerprint import fingerprint, is_repeat, used
from services.accounts.guessing.rate_limits import Guess, network
from services.accounts.pending import Answer, PendingCommand, Reply
from services.accounts.preparation import Prepared
from services.accounts.tools import Tools
from services.domain import fields, refusals
from services.domain.commands import LogIn
from services.domain.decision import Facts
from services.domain.refusals import Refusal
from services.domain.sessions import NewSession, place
from services.domain.state import UserState
from services.endpoint.call import Call
from services.eventstore.credentials.session import Session
from services.eventstore.credentials.store import IdUsed
from services.tokens import access, refresh
from services.tokens.bearer import bearer_token


async def authenticate(tools: Tools, call: Call, request: m.Authenticate) -> Prepared:
    """Whoever the address belongs to, if anybody: the same work, the same answer, the same time.

    Its place among the guesses was reserved when it was taken over.
    Its repeats are recognised by the session that it began, not by its outcome: they prove the password, too.
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
        return await _again(tools, call, before)
    session = _new_session(tools, request, key)
    facts = Facts(proven_at=credential.version, session=session)
    if verified.outdated:
        facts = replace(facts, password_hash=await _rehash(tools, password, call))
    repeat = None if key is None else partial(_begun, tools, call, credential.user_id, key)
    return PendingCommand(call, command, facts, await _reply(tools, session), repeat=repeat)


async def _session_of(tools: Tools, call: Call, email_key: str) -> str | None:
    """The session whose access token the caller sends along, if it is one of the user with this address.

    It may have expired or ended: it lets nobody in, but its guesses have a share of their own.
    """
    token = bearer_token(call.authorization)
    claims = token and await access.recognized(token, tools.keys, tools.settings)
    if not claims:
        return None
    owner = await tools.secrets.by_email(email_key)
    return claims.session_id if owner is not None and owner.user_id == claims.user_id else None


async def _is_hidden(tools: Tools, user_id: str) -> bool:
    """Whether his right password must look like a wrong one.

    In the discreet setting nobody learns whether an address was free: not by signing in with what he registered either.
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
    """What a command is answered whose id is there already."""
    return await _again(tools, call, (await tools.secrets.begun([(user_id, command_id)])).get((user_id, command_id)))


async def _again(tools: Tools, call: Call, session: Session | None) -> Answer:
    """The answer to a command whose id was there before: the tokens of the session that it began, if it is the same."""
    outcome = (await tools.store.outcomes([call.key])).get(call.key)
    if outcome is not None and not is_repeat(call, outcome):
        return Answer(used())
    if session is None:
        return Answer(Refusal("invalid_credentials", "this command id was used, and no session is as it began by it"))
    began_at = outcome and outcome.position
    if call.is_opaque and began_at is not None:
        began_at = await tools.store.head()
    return await _signed_in(tools, call, session, began_at)


def _new_session(tools: Tools, request: m.Authenticate, command_id: str | None) -> NewSession:
    now = datetime.now(UTC)
    private = {"ip": request.ip, "userAgent": request.user_agent}
    return NewSession(str(TypeID("sess")), token_bytes(16), private, command_id, now, now + _life(tools))


def _life(tools: Tools) -> timedelta:
    return timedelta(days=tools.settings.session_days)


async def refresh_session(tools: Tools, call: Call, request: m.RefreshSession) -> Prepared:
    """Give fresh tokens for a refresh token, which is good once: a used one may be stolen, and ends the session.

    For a short time after its use it is answered as the first time: two tabs of a browser may refresh at once
    (docs/decisions/0030-sessions-that-may-be-stolen.md).
    """
    parsed = refresh.parse(await tools.opened(request.refresh_token, call))
    session = await tools.secrets.session(parsed.session_id) if parsed else None
    if parsed is None or session is None or not refresh.is_ours(tools.ring, parsed, session.salt):
        raise _refresh_invalid()
    key = call.key if call.repeatable else token_hex(16)
    if parsed.generation == session.generation:
        now = datetime.now(UTC)
        try:
            refreshed = await tools.secrets.refresh(session, key, now, now + _life(tools), call.digest)
        except IdUsed:
            raise used() from None
        if refreshed:
            return await _signed_in(tools, call, replace(session, generation=parsed.generation + 1, refreshed_at=now))
        session = await tools.secrets.session(parsed.session_id)
        if session is None:
            raise _refresh_invalid()
    # Its answer may have been lost, or another tab was first.
    again = session.command_id == key or _is_in_grace(tools, session)
    if again and parsed.generation == session.generation - 1:
        return await _again(tools, call, session)
    call.repeatable, call.expected_version = False, None
    revoke = m.RevokeSession(user_id=session.user_id, session_id=session.session_id)
    return PendingCommand(call, revoke, reply=lambda _, __: _refresh_invalid())


def _is_in_grace(tools: Tools, session: Session) -> bool:
    """Whether the session was refreshed, or began, so lately that its newest tokens are given once more."""
    grace = tools.settings.refresh_grace_seconds
    return grace > 0 and datetime.now(UTC) - session.refreshed_at <= timedelta(seconds=grace)


def _refresh_invalid() -> Refusal:
    return Refusal(
        "token_invalid", "the refresh token is not good, or was used, or the session has ended", field="refreshToken"
    )


async def _signed_in(tools: Tools, call: Call, session: Session, began_at: int | None = None) -> Answer:
    """New tokens of a session. `began_at`: a position that shows its login; a refresh changes nothing that is shown."""
    stream = await tools.user(session.user_id)
    if stream.user is None or stream.user.status != "ACTIVE":
        return Answer(_refresh_invalid())
    issued_at = session.refreshed_at if _is_in_grace(tools, session) else None
    signed = _body(tools, await tools.keys.signing(), session, session.generation, issued_at)
    if began_at is None and not call.is_opaque:
        began_at = stream.position
    return Answer(signed(stream, session.place), position=None if began_at is None else call.shown(began_at))


async def _reply(tools: Tools, session: NewSession) -> Reply:
    signed = _body(tools, await tools.keys.signing(), session, 0)
    return lambda stream, _: signed(stream, place(stream.version, stream.logins))


def _body(
    tools: Tools, key: OKPKey, session: NewSession | Session, generation: int, issued_at: datetime | None = None
) -> Callable[[UserState, int], bytes]:
    """What SignedIn is made by, once the place is known at which the session began (services/domain/sessions.py).

    `issued_at`: when the access token was issued the first time; by default it is issued now.
    """

    def reply(stream: UserState, began: int) -> bytes:
        now = datetime.now(UTC)
        at = issued_at or now
        token = access.issue(
            key,
            tools.settings,
            user_id=stream.user_id,
            session_id=session.session_id,
            place=began,
            at=at,
        )
        return orjson.dumps(
            {
                "accessToken": token,
                "refreshToken": refresh.refresh_token(tools.ring, session.session_id, session.salt, generation),
                "expiresIn": tools.settings.access_token_seconds - int((now - at).total_seconds()),
                "sessionId": session.session_id,
                "user": stream.body(),
            }
        )

    return reply
