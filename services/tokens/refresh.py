"""Refresh tokens: derived from the session's row by a server key, so that a thief of the table can present none."""

import base64
import hmac
import re
from dataclasses import dataclass

from services.eventstore.keys.data_keys import KeyRing

_FORM = re.compile(r"(sess_[0-7][0-9a-hjkmnp-tv-z]{25})\.(0|[1-9][0-9]{0,8})\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])")
"""The last character of 32 octets in base64url has two bits that are zero: each token can be written in one way."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The contents of a refresh token. Nothing of it is to be believed before `is_ours`.

    Attributes:
        generation: how often the session had been refreshed when the token was made.
        proof: 32 octets.
    """

    session_id: str
    generation: int
    proof: bytes


def refresh_token(ring: KeyRing, session_id: str, salt: bytes, generation: int) -> str:
    """`<session id>.<generation>.<base64url of the proof>`; the same arguments give the same token."""
    proof = base64.urlsafe_b64encode(_proof(ring, session_id, salt, generation)).rstrip(b"=").decode()
    return f"{session_id}.{generation}.{proof}"


def parse(token: str) -> Parsed | None:
    """None where it has not the form of a refresh token."""
    form = _FORM.fullmatch(token)
    if form is None:
        return None
    return Parsed(form[1], int(form[2]), base64.urlsafe_b64decode(form[3] + "="))


def is_ours(ring: KeyRing, parsed: Parsed, salt: bytes) -> bool:
    """Whether we made it, for the session that has this salt. Constant time. An old generation is ours, too."""
    return hmac.compare_digest(_proof(ring, parsed.session_id, salt, parsed.generation), parsed.proof)


def _proof(ring: KeyRing, session_id: str, salt: bytes, generation: int) -> bytes:
    return ring.claim("refresh", f"{session_id}.{generation}.{salt.hex()}")
