"""Access tokens, and the public keys of the service."""

from __future__ import annotations

from datetime import datetime

from denizen.messages.base import Message, Request, Secret

__all__ = ["GetJwks", "GetSealingKey", "Jwk", "Jwks", "SealingKey", "TokenFacts", "VerifyToken"]


class VerifyToken(Request):
    """Is an access token good, and its session still alive?"""

    token: Secret


class TokenFacts(Message):
    """The user and the session of an access token."""

    user_id: str
    session_id: str
    expires_at: datetime


class GetJwks(Request):
    """The keys that access tokens are signed with (RFC 7517)."""


class Jwk(Message):
    """An Ed25519 public key (RFC 8037)."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class Jwks(Message):
    keys: tuple[Jwk, ...]


class GetSealingKey(Request):
    """The key that secrets in requests are sealed for."""


class SealingKey(Message):
    key_id: str
    public_key: str
    """X25519, 32 octets, base64url without padding."""
