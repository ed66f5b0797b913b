"""Authenticate, RefreshSession and the sessions of a user: from credentials and tokens to sessions and tokens."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from secrets import token_bytes, token_hex

import orjson
from denizen import messages as m
from joserfc.jwk import OKPKey
from typeid import TypeID

from services.accounts import limits
from services.accounts.decision import Facts, LogIn
from services.accounts.logins import credentials_invalid
from services.accounts.preparation import Prepared
from services.accounts.task import Instant, Reply, Stream, Task
from services.accounts.tools import Tools
from services.accounts.user import rfc3339
from services.endpoint.call import Call
from services.eventstore.secrets import NewSession, Session
from services.refusal import Refusal
from services.tokens import access, refresh


async def authenticate(tools: Tools, call: Call, request: m.Authenticate) -> Prepared:
    """Whoever the address belongs to, if anybody: the same work, the same answer, the same time.

    Its repeats are recognised by the session that it began, not by its outcome: they prove the password, too.
    """
    account = limits.email_key(request.email)
    password = await tools.opened(request.password, call)
    credential, verified = await tools.guess(account, request.ip, password, tools.secrets.by_email(account), call)
    if credential is None:
        return Instant(credentials_invalid(), verified.began)
    command = LogIn(credential.user_id, request.ip, request.user_agent)
    key, call.repeatable = call.key if call.repeatable else None, False
    call.expected_version = None  # It would tell who knows no password that there is a user.
    if not verified.ok:
        return Task(call, command, began=verified.began)
    if key is not None and (before := await _begun_by(tools, credential.user_id, key)):
        return await _signed_in(tools, before)
    session = _new_session(tools, request, key)
    facts = Facts(proven_at=credential.version, session=session)
    if verified.outdated:
        facts = replace(facts, password_hash=await _rehash(tools, password, call))
    return Task(call, command, facts, await _reply(tools, session), verified.began)


async def _rehash(tools: Tools, password: str, call: Call) -> str | None:
    """Today's hash of a password that is right, if there is time for it."""
    try:
        return await tools.pool.hash(password, call.deadline)
    except Refusal:
        return None


async def _begun_by(tools: Tools, user_id: str, command_id: str) -> Session | None:
    sessions = await tools.secrets.sessions(user_id)
    return next((session for session in sessions if session.command_id == command_id), None)


def _new_session(tools: Tools, request: m.Authenticate, command_id: str | None) -> NewSession:
    now = datetime.now(UTC)
    private = {"ip": request.ip, "userAgent": request.user_agent}
    return NewSession(str(TypeID("sess")), token_bytes(16), private, command_id, now, now + _life(tools))


def _life(tools: Tools) -> timedelta:
    return timedelta(days=tools.settings.session_days)


async def refresh_session(tools: Tools, call: Call, request: m.RefreshSession) -> Prepared:
    """A token is good once. A used one may be stolen; who presents it cannot be told, and so the session ends."""
    parsed = refresh.parse(await tools.opened(request.refresh_token, call))
    session = await tools.secrets.session(parsed.session_id) if parsed else None
    if parsed is None or session is None or not refresh.is_ours(tools.ring, parsed, session.salt):
        raise _refresh_invalid()
    key = call.key if call.repeatable else token_hex(16)
    if parsed.generation == session.generation:
        if await tools.secrets.refresh(session, key, datetime.now(UTC) + _life(tools)):
            return await _signed_in(tools, replace(session, generation=session.generation + 1))
        session = await tools.secrets.session(parsed.session_id)
        if session is None:
            raise _refresh_invalid()
    if parsed.generation == session.generation - 1 and session.command_id == key:
        return await _signed_in(tools, session)  # The answer to the first was lost.
    call.repeatable, call.expected_version = False, None
    revoke = m.RevokeSession(user_id=session.user_id, session_id=session.session_id)
    return Task(call, revoke, reply=lambda _, __: _refresh_invalid())


def _refresh_invalid() -> Refusal:
    return Refusal(
        "token_invalid", "the refresh token is not good, or was used, or the session has ended", field="refreshToken"
    )


async def _signed_in(tools: Tools, session: Session) -> Instant:
    stream = await tools.user(session.user_id)
    if stream.user is None or stream.user.status != "ACTIVE":
        return Instant(_refresh_invalid())
    signed = _body(tools, await tools.keys.signing(), session, session.generation)
    return Instant(signed(stream, session.position), position=session.position)


async def _reply(tools: Tools, session: NewSession) -> Reply:
    return _body(tools, await tools.keys.signing(), session, 0)


def _body(tools: Tools, key: OKPKey, session: NewSession | Session, generation: int) -> Callable[[Stream, int], bytes]:
    """What SignedIn is made by, once the position is known at which the session began."""

    def reply(stream: Stream, position: int) -> bytes:
        token = access.issue(
            key,
            tools.settings,
            user_id=stream.user_id,
            session_id=session.session_id,
            position=position,
            at=datetime.now(UTC),
        )
        return orjson.dumps(
            {
                "accessToken": token,
                "refreshToken": refresh.refresh_token(tools.ring, session.session_id, session.salt, generation),
                "expiresIn": tools.settings.access_token_seconds,
                "sessionId": session.session_id,
                "user": stream.body(),
            }
        )

    return reply


async def list_sessions(tools: Tools, user_id: str, current: str | None = None) -> bytes:
    """The body of ListSessions. Raises Refusal."""
    if (await tools.user(user_id)).user is None:
        raise Refusal("user_not_found", "there is no user with this id", field="userId")
    sessions = await tools.secrets.sessions(user_id)
    return orjson.dumps({"data": [_shown(session, current) for session in sessions]})


def _shown(session: Session, current: str | None) -> dict[str, object]:
    return {
        "id": session.session_id,
        "createdAt": rfc3339(session.created_at),
        "refreshedAt": rfc3339(session.refreshed_at),
        "expiresAt": rfc3339(session.expires_at),
        **(session.private or {}),
        "current": session.session_id == current,
    }
