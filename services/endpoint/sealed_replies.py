"""Replies that only their caller can read, although others listen where they come.

All pages in browsers share one NATS user, so each of them may subscribe to the inboxes of all (docs/decisions/0055).
"""

import base64
import re
from collections.abc import Mapping

import orjson
from denizen import headers as h
from nacl.exceptions import CryptoError
from nacl.public import PublicKey, SealedBox

from services.domain import refusals

_KEY = re.compile(r"[A-Za-z0-9_-]{43}")
OCTETS = 48
"""How much longer a sealed box is than what is in it."""


def key_of(headers: Mapping[str, str] | None) -> bytes | None:
    """The key that a request brings for its reply. Raises Refusal: `validation_failed`."""
    text = (headers or {}).get(h.REPLY_KEY)
    if text is None:
        return None
    if not _KEY.fullmatch(text):
        raise refusals.invalid(f"the header {h.REPLY_KEY} must be 32 octets in base64url without padding", h.REPLY_KEY)
    return base64.urlsafe_b64decode(f"{text}=")


def sealed(key: bytes, body: bytes, headers: Mapping[str, str] | None) -> tuple[bytes, dict[str, str]]:
    """The reply in a sealed box of libsodium: JSON with its headers, and its body, which is JSON too.

    A key for which nothing can be sealed gets a refusal in the clear, which says no more than that.
    """
    whole = b'{"headers":%b,"body":%b}' % (orjson.dumps(headers or {}), body)
    try:
        return SealedBox(PublicKey(key)).encrypt(whole), {h.SEALED_REPLY: "1"}
    except CryptoError:
        refusal = refusals.invalid(f"the header {h.REPLY_KEY} is no key of X25519", h.REPLY_KEY)
        return orjson.dumps(refusal.body()), refusal.headers()
