"""Access tokens: what one says, and the check of it that Denizen and your own services share.

Needs joserfc: `pip install 'denizen[verifier]'`. `denizen.TokenVerifier` fetches the keys and knows who was signed out;
what is here is pure.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from denizen import arguments
from denizen.errors import TokenInvalid
from denizen.json_objects import Json
from denizen.messages import Jwks, SessionId, UserId
from denizen.strict_json import parse
from pydantic import BaseModel, ConfigDict, Field

try:
    from joserfc import jws
    from joserfc.errors import JoseError, UnsupportedAlgorithmError
    from joserfc.jwk import OKPKey
    from joserfc.jws import JWSRegistry
except ModuleNotFoundError as error:
    if error.name != "joserfc":
        raise
    raise ImportError("checking access tokens needs joserfc: pip install 'denizen[verifier]'") from None

ALGORITHM = "EdDSA"
"""RFC 8037, and with Ed25519 alone. RFC 9864 would have it `Ed25519`, which few JOSE libraries know yet."""
TYPE = "at+jwt"
"""RFC 9068: a token of another kind is no access token, even with a valid signature (RFC 8725, section 3.11)."""
LEEWAY_SECONDS = 60
"""How far the clock of Denizen may be ahead of ours. `exp` has no leeway."""
_ONLY = "(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?"
"""Base64url that is the only text of its octets: the bits of the last character that belong to none are zero."""
_FORM = re.compile(rf"(?=[^.]{{1,256}}\.[^.]{{1,2048}}\.[^.]{{86}})({_ONLY})\.{_ONLY}\.{_ONLY}")
"""Three parts of base64url, bounded before anything is decoded; an Ed25519 signature has 64 octets."""

KeySet = Mapping[str, OKPKey]
"""Public Ed25519 keys by key id."""


class UnknownKey(TokenInvalid):
    """No key of the set has the token's key id: it may be newer than the set."""


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """The claims of a valid access token.

    Attributes:
        position: where the session began in the user's own history, the claim `pos`. What ends the user's sessions at
            a later place revokes this token: no clock is compared, and nothing is told of other users. It is no
            position of the log.
        issued_at, expires_at: UTC, whole seconds.
    """

    user_id: str
    session_id: str
    position: int
    issued_at: datetime
    expires_at: datetime


_Time = Annotated[int, Field(ge=0, lt=2**34)]


class _Payload(BaseModel):
    """Claims that we do not know are ignored (RFC 7519, section 4)."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    iss: str
    aud: str | list[str]
    sub: UserId
    sid: SessionId
    pos: Annotated[int, Field(ge=0, lt=2**63)]
    iat: _Time
    exp: _Time
    nbf: _Time = 0


class _OneAlgorithm(JWSRegistry):
    """joserfc's own registry warns at each use of `EdDSA`, because of RFC 9864."""

    def get_alg(self, name: str) -> Any:
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError
        return self.algorithms[ALGORITHM]


REGISTRY = _OneAlgorithm()
"""Signs and verifies by `ALGORITHM`, whatever a header asks for."""


def key_set(jwks: Jwks) -> KeySet:
    """The keys of a reply of GetJwks. One of another type or use is left out (RFC 7517, section 5)."""
    keys: dict[str, OKPKey] = {}
    for jwk in jwks.keys:
        if (jwk.kty, jwk.crv, jwk.use, jwk.alg) == ("OKP", "Ed25519", "sig", ALGORITHM):
            keys[jwk.kid] = OKPKey.import_key(jwk.model_dump())
    return keys


def check(token: str, keys: KeySet, *, issuer: str, audience: str, now: float | None = None) -> TokenClaims:
    """The claims of an access token that one of the keys has signed, for `audience`, and that has not expired.

    Whether its session was ended since is not known here. `now` is Unix time in seconds, by default the clock's.

    Raises TokenInvalid for whatever is wrong; UnknownKey, a TokenInvalid, where it may help to fetch the keys again.
    """
    header, key_id = _header(arguments.text("token", token))
    if header != {"alg": ALGORITHM, "typ": TYPE, "kid": key_id}:
        # No other parameter is ever ours: jku, jwk, x5u and x5c name keys, crit and b64 change what is signed.
        raise _invalid()
    key = keys.get(key_id)
    if key is None:
        raise UnknownKey("the access token is signed by a key that is not in use")
    try:
        signed = jws.deserialize_compact(token, key, registry=REGISTRY)
        payload = _Payload.model_validate(parse(signed.payload))
    except (JoseError, ValueError):
        raise _invalid() from None
    audiences = [payload.aud] if isinstance(payload.aud, str) else payload.aud
    if payload.iss != issuer or audience not in audiences:
        raise TokenInvalid("the access token is meant for another audience")
    now = time.time() if now is None else now
    if payload.exp <= now:
        raise TokenInvalid("the access token has expired")
    if max(payload.iat, payload.nbf) > now + LEEWAY_SECONDS:
        raise TokenInvalid("the access token is from the future: compare the clocks")
    return TokenClaims(payload.sub, payload.sid, payload.pos, _utc(payload.iat), _utc(payload.exp))


def _invalid() -> TokenInvalid:
    return TokenInvalid("not a good access token")


def _header(token: str) -> tuple[Json, str]:
    """The header, nothing of it believed yet, and its key id."""
    form = _FORM.fullmatch(token)
    if form is None:
        raise _invalid()
    part = form[1]
    try:
        header = parse(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        raise _invalid() from None
    if not isinstance(key_id := header.get("kid"), str):
        raise _invalid()
    return header, key_id


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
