"""Commands of a signed-in user on their own account, but ChangeEmail: the access token alone says who they are.

Each becomes the command of a back end that does the same; that command's row says the rest.
"""

from typing import Any

from denizen import messages as m
from denizen.tokens import TokenClaims

from services.accounts.handlers.handler import HandlerRow, OwnAccount


def _update(claims: TokenClaims, request: m.UpdateMe) -> m.Request:
    return m.UpdateUser(user_id=claims.user_id, **_given(request))


def _change_password(claims: TokenClaims, request: m.ChangeMyPassword) -> m.Request:
    return m.ChangePassword(user_id=claims.user_id, **_given(request))


def _revoke_session(claims: TokenClaims, request: m.RevokeMySession) -> m.Request:
    return m.RevokeSession(user_id=claims.user_id, session_id=request.session_id)


def _log_out(claims: TokenClaims, _: m.LogOut) -> m.Request:
    return m.RevokeSession(user_id=claims.user_id, session_id=claims.session_id)


def _link(claims: TokenClaims, request: m.LinkMyIdentity) -> m.Request:
    return m.LinkIdentity(user_id=claims.user_id, **_given(request))


def _unlink(claims: TokenClaims, request: m.UnlinkMyIdentity) -> m.Request:
    return m.UnlinkIdentity(user_id=claims.user_id, **_given(request))


def _delete(claims: TokenClaims, _: m.DeleteMe) -> m.Request:
    return m.DeleteUser(user_id=claims.user_id)


def _given(request: m.Request) -> dict[str, Any]:
    """The fields that were sent, parsed; without `currentPassword`."""
    proof = m.GuardedRequest.model_fields.keys() if isinstance(request, m.GuardedRequest) else ()
    return {name: getattr(request, name) for name in request.model_fields_set.difference(proof)}


ROWS = (
    HandlerRow(request=m.UpdateMe, own=OwnAccount(_update, lengthens=True)),
    HandlerRow(request=m.ChangeMyPassword, own=OwnAccount(_change_password, lengthens=True)),
    HandlerRow(request=m.RevokeMySession, own=OwnAccount(_revoke_session)),
    HandlerRow(request=m.LogOut, own=OwnAccount(_log_out)),
    HandlerRow(request=m.LinkMyIdentity, own=OwnAccount(_link, lengthens=True)),
    HandlerRow(request=m.UnlinkMyIdentity, own=OwnAccount(_unlink, lengthens=True)),
    HandlerRow(request=m.DeleteMe, own=OwnAccount(_delete)),
)
