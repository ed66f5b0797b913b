"""Replies that only their caller can read, although others listen where they come.

All pages in browsers share one NATS user, so each of them may subscribe to the inboxes of all (docs/decisions/0055).
"""

import base64
import re
from collections.abc import Mapping

import orjson
from denizen import headers as h
from nacl.public import PublicKey, SealedBox

from services.domain import refusals

_KEY = re.compile(r"[A-Za-z0-9_-]{43}")
_PAGES_INBOX = "_INBOX.browser-"
"""Where the replies to NATS users of the kind `browser` come, and no others."""
_PRIME = 2**255 - 19
_ORDER_EIGHT = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
SMALL_ORDER = frozenset((0, 1, *_ORDER_EIGHT, _PRIME - 1, _PRIME, _PRIME + 1))
"""The points of Curve25519 for which nothing can be sealed: every listener could open it (RFC 7748, section 6.1)."""


def key_of(reply_to: str, headers: Mapping[str, str] | None) -> bytes | None:
    """The key that a request brings for its reply. A page must bring one, because other pages hear its reply.

    Raises Refusal: `validation_failed`, before anything is done, as it is told in the clear.
    """
    text = (headers or {}).get(h.REPLY_KEY)
    if text is None:
        if reply_to.startswith(_PAGES_INBOX):
            raise refusals.invalid(f"a page in a browser must send the header {h.REPLY_KEY}", h.REPLY_KEY)
        return None
    if not _KEY.fullmatch(text):
        raise refusals.invalid(f"the header {h.REPLY_KEY} must be 32 octets in base64url without padding", h.REPLY_KEY)
    key = base64.urlsafe_b64decode(f"{text}=")
    if int.from_bytes(key, "little") % 2**255 in SMALL_ORDER:  # X25519 does not look at the highest bit.
        raise refusals.invalid(f"the header {h.REPLY_KEY} is no key of X25519", h.REPLY_KEY)
    return key


def sealed(key: bytes, body: bytes, headers: Mapping[str, str] | None) -> tuple[bytes, dict[str, str]]:
    """The reply in a sealed box of libsodium: JSON with its headers, and its body, which is JSON too."""
    whole = b'{"headers":%b,"body":%b}' % (orjson.dumps(headers or {}), body)
    return SealedBox(PublicKey(key)).encrypt(whole), {h.SEALED_REPLY: "1"}
