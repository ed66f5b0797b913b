"""Commands of a signed-in user: who he is comes from his access token alone, whatever else the request says."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from denizen import messages as m
from denizen.tokens import TokenClaims

from services.accounts.signing_in import list_sessions
from services.accounts.task import Instant
from services.accounts.tools import Tools
from services.endpoint.call import Call

Translate = Callable[[Tools, Call, TokenClaims, Any], Awaitable[m.Request | Instant]]


async def _update(_: Tools, __: Call, claims: TokenClaims, request: m.UpdateMe) -> m.Request:
    return m.UpdateUser(user_id=claims.user_id, **_given(request))


async def _change_password(_: Tools, __: Call, claims: TokenClaims, request: m.ChangeMyPassword) -> m.Request:
    return m.ChangePassword(user_id=claims.user_id, **_given(request))


async def _revoke_session(_: Tools, __: Call, claims: TokenClaims, request: m.RevokeMySession) -> m.Request:
    return m.RevokeSession(user_id=claims.user_id, session_id=request.session_id)


async def _log_out(_: Tools, __: Call, claims: TokenClaims, ___: m.LogOut) -> m.Request:
    return m.RevokeSession(user_id=claims.user_id, session_id=claims.session_id)


async def _link(_: Tools, __: Call, claims: TokenClaims, request: m.LinkMyIdentity) -> m.Request:
    return m.LinkIdentity(user_id=claims.user_id, **_given(request))


async def _unlink(_: Tools, __: Call, claims: TokenClaims, request: m.UnlinkMyIdentity) -> m.Request:
    return m.UnlinkIdentity(user_id=claims.user_id, **_given(request))


async def _delete(_: Tools, __: Call, claims: TokenClaims, ___: m.DeleteMe) -> m.Request:
    return m.DeleteUser(user_id=claims.user_id)


async def _list_sessions(tools: Tools, _: Call, claims: TokenClaims, __: m.ListMySessions) -> Instant:
    return Instant(await list_sessions(tools, claims.user_id, claims.session_id))


TRANSLATE: Mapping[type[m.Request], Translate] = {
    m.UpdateMe: _update,
    m.ChangeMyPassword: _change_password,
    m.RevokeMySession: _revoke_session,
    m.LogOut: _log_out,
    m.LinkMyIdentity: _link,
    m.UnlinkMyIdentity: _unlink,
    m.DeleteMe: _delete,
    m.ListMySessions: _list_sessions,
}
"""The command of a back end that does the same for the user of the token; or the answer. Each raises Refusal.

Of GetMe and the like the directory knows; ChangeMyEmail is prepared as it is.
"""


def _given(request: m.Request) -> dict[str, Any]:
    """The fields that were sent, as they were understood; without what proves that the user may."""
    proof = m.GuardedRequest.model_fields.keys() if isinstance(request, m.GuardedRequest) else ()
    return {name: getattr(request, name) for name in request.model_fields_set.difference(proof)}
