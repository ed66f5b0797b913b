"""Access tokens: JWT, signed with Ed25519, for minutes (RFC 7519, RFC 8037, RFC 9068's type)."""

import base64
import time
from datetime import datetime

import orjson
from denizen.errors import TokenInvalid
from denizen.tokens import ALGORITHM, REGISTRY, TYPE, TokenClaims, UnknownKey, check
from joserfc import jwt
from joserfc.jwk import OKPKey

from services.domain import refusals
from services.domain.refusals import Refusal
from services.platform.settings import Settings
from services.tokens.keys import ServerKeys


def issue(key: OKPKey, settings: Settings, *, user_id: str, session_id: str, place: int, at: datetime) -> str:
    """A token that is good for `settings.access_token_seconds` from `at` on. The same arguments give the same token.

    `key` is ServerKeys.signing(); `place` where the session began in the user's history (services/domain/sessions.py).
    """
    issued_at = int(at.timestamp())
    claims = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": user_id,
        "sid": session_id,
        "pos": place,
        "iat": issued_at,
        "exp": issued_at + settings.access_token_seconds,
    }
    return jwt.encode({"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}, claims, key, registry=REGISTRY)


async def verify(token: str, keys: ServerKeys, settings: Settings, now: float | None = None) -> TokenClaims:
    """Verify a token of ours and return its claims. Whether its session has ended since is not looked up.

    `now` is Unix time in seconds, by default the clock's. Raises Refusal: `token_invalid`, whatever is wrong.
    """
    try:
        try:
            known = await keys.verifying()
            return check(token, known, issuer=settings.issuer, audience=settings.audience, now=now)
        except UnknownKey:
            fresh = await keys.verifying(unknown=True)
            return check(token, fresh, issuer=settings.issuer, audience=settings.audience, now=now)
    except TokenInvalid as error:
        raise refusals.access_token_invalid(error.message) from None


async def recognized(token: str, keys: ServerKeys, settings: Settings) -> TokenClaims | None:
    """The claims of a token of ours, which may have expired within `settings.session_days`; None for others.

    It proves that the caller once had a session, and nothing else.
    """
    now = time.time()
    try:
        payload = orjson.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        expires_at = float(payload["exp"])
        if expires_at < now - 86_400 * settings.session_days:
            return None
        return await verify(token, keys, settings, min(now, expires_at - 1))
    except (Refusal, ValueError, TypeError, LookupError):
        return None
