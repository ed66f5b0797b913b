"""Sealed secrets: what only Denizen can open, and only in the command that it was sealed for."""

from __future__ import annotations

import base64

from denizen.errors import MalformedMessage
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

    Raises TypeError where the secret is no text, and MalformedMessage where it is none in UTF-8.
    """
    # What others wrap secrets in prints as asterisks, which would be taken for the password.
    if not isinstance(secret, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a secret must be str, not {type(secret).__name__}")
    try:
        octets = secret.encode()
    except UnicodeEncodeError:
        raise MalformedMessage("a secret holds half a surrogate pair") from None
    box = SealedBox(PublicKey(public_key)).encrypt(b"%b\0%b" % (command_id.encode(), octets))
    return f"{PREFIX}{key_id}:{base64.urlsafe_b64encode(box).rstrip(b'=').decode()}"
