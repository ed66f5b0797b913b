"""RefreshSession, RevokeSession, RevokeSessions."""

from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_hex

from denizen import messages as m

from services.accounts.fingerprint import fingerprint
from services.accounts.handlers.handler import HandlerRow, Prepared
from services.accounts.handlers.signed_in import again, is_in_grace, life, signed_in
from services.accounts.pending import PendingCommand
from services.accounts.tools import Tools
from services.domain import refusals
from services.domain.decide.logins import decide_session
from services.domain.decision import Facts
from services.endpoint.call import Call
from services.eventstore.credentials.store import IdUsed
from services.tokens import refresh


async def _refresh(tools: Tools, call: Call, request: m.RefreshSession) -> Prepared:
    """Give fresh tokens for a refresh token, which is good once: a used one may be stolen, and ends the session.

    For a short time after its use it is answered as the first time: two tabs of a browser may refresh at once
    (docs/decisions/0030-sessions-that-may-be-stolen.md).
    """
    call.digest = await fingerprint(tools, call)
    parsed = refresh.parse(await tools.opened(request.refresh_token, call))
    session = await tools.secrets.session(parsed.session_id) if parsed else None
    if parsed is None or session is None or not refresh.is_ours(tools.ring, parsed, session.salt):
        raise refusals.refresh_token_invalid()
    key = call.key if call.repeatable else token_hex(16)
    if parsed.generation == session.generation:
        now = datetime.now(UTC)
        try:
            refreshed = await tools.secrets.refresh(session, key, now, now + life(tools), call.digest)
        except IdUsed:
            raise refusals.command_id_used() from None
        if refreshed:
            return await signed_in(tools, call, replace(session, generation=parsed.generation + 1, refreshed_at=now))
        session = await tools.secrets.session(parsed.session_id)
        if session is None:
            raise refusals.refresh_token_invalid()
    # Its answer may have been lost, or another tab was first.
    repeated = session.command_id == key or is_in_grace(tools, session)
    if repeated and parsed.generation == session.generation - 1:
        return await again(tools, call, session)
    call.repeatable, call.expected_version = False, None
    revoke = m.RevokeSession(user_id=session.user_id, session_id=session.session_id)
    return PendingCommand(call, revoke, reply=lambda _, __: refusals.refresh_token_invalid())


async def _revoke(tools: Tools, call: Call, command: m.RevokeSession) -> Prepared:
    """Look whether the session exists, and is the user's."""
    session = await tools.secrets.session(command.session_id)
    if session is not None and session.user_id != command.user_id:
        # Not told to the verifiers either: they would refuse the other user's tokens.
        raise refusals.session_of_another_user()
    return PendingCommand(call, command, Facts(alive=session is not None))


async def _revoke_all(tools: Tools, call: Call, command: m.RevokeSessions) -> Prepared:
    """Look whether there are any."""
    return PendingCommand(call, command, Facts(alive=bool(await tools.secrets.sessions(command.user_id))))


ROWS = (
    HandlerRow(request=m.RefreshSession, prepare=_refresh, repeats="session"),
    HandlerRow(
        request=m.RevokeSession,
        prepare=_revoke,
        decide=decide_session,
        stream="logins",
        missing=None,
    ),
    HandlerRow(
        request=m.RevokeSessions,
        prepare=_revoke_all,
        decide=decide_session,
        stream="logins",
        missing=None,
    ),
)
