"""Proof that a signed-in user is present: a session that began lately, or the password. An access token alone may be
stolen, and must not erase the account or add another way into it.
"""

from datetime import UTC, datetime, timedelta

from denizen import messages as m
from denizen.tokens import TokenClaims

from services.accounts.tools import Tools
from services.domain import refusals
from services.endpoint.call import Call

_FIELD = "currentPassword"


async def prove(tools: Tools, call: Call, claims: TokenClaims, request: m.GuardedRequest) -> None:
    """Raises Refusal, `forbidden` where neither proof is there. A password that is given must be right in any case.

    A refresh makes no session recent: a thief who holds the refresh token can do it, too.
    """
    if request.current_password is not None:
        if await tools.proven_at(claims.user_id, request.current_password, call) is None:
            raise refusals.password_wrong(_FIELD)
        return
    minutes = tools.settings.recent_sign_in_minutes
    if not minutes:
        return
    session = await tools.secrets.session(claims.session_id)
    if session is None:
        raise refusals.session_ended()
    if datetime.now(UTC) - session.created_at > timedelta(minutes=minutes):
        raise refusals.sign_in_too_long_ago(minutes, _FIELD)
