"""Sealed secrets: what only Denizen can open, and only in the command that it was sealed for."""

from __future__ import annotations

import base64

from nacl.public import PublicKey, SealedBox

PREFIX = "sealed:"


def seal(secret: str, command_id: str, key_id: str, public_key: bytes) -> str:
    """`sealed:<keyId>:<base64url>`, for any field that takes a secret.

    A sealed box of libsodium (X25519, XSalsa20, Poly1305) over the command id, a NUL and the secret; its length tells
    the secret's.

    Args:
        secret: at most 2,800 octets in UTF-8, as the sealed form must fit into the field.
        command_id: the `Nats-Msg-Id` that the command is sent with; in another command the secret is refused.
        key_id, public_key: from GetSealingKey; the key is 32 octets, which are base64url there.
    """
    box = SealedBox(PublicKey(public_key)).encrypt(f"{command_id}\0{secret}".encode())
    return f"{PREFIX}{key_id}:{base64.urlsafe_b64encode(box).rstrip(b'=').decode()}"
