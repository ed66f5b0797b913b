"""bcrypt, and the systems that hash a password once more before bcrypt, which reads 72 octets only."""

import base64
import functools
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import cast

import bcrypt
from passlib.utils import binary

from services.passwords.form import H64, Form
from services.passwords.typed import Typed, as_typed, wordpress

MOST_COST = 13
"""The default of settings.imported_bcrypt_cost."""
_BCRYPT = rf"\$2[aby]\$(?P<cost>[0-9]{{2}})\${H64}{{53}}"


_Bounds = tuple[Callable[[re.Match[str]], bool], str]


def _weak(match: re.Match[str]) -> bool:
    return int(match["cost"]) < 10


def _parsed(text: str) -> str:
    """Some implementations left rubbish in the unused bits of salt and digest, which others refuse."""
    head, salt, digest = text[:-53], text[-53:-31], text[-31:]
    return head + cast(str, binary.bcrypt64.repair_unused(salt)) + cast(str, binary.bcrypt64.repair_unused(digest))


def _cut(secret: bytes) -> bytes:
    """The 72 octets that bcrypt reads; the library raises above them (version 5). None of our own hashes come here."""
    return secret[:72]


def _hex_sha256(secret: bytes) -> bytes:
    """Django's bcrypt_sha256."""
    return hashlib.sha256(secret).hexdigest().encode()


def _wordpress(secret: bytes) -> bytes:
    """WordPress 6.8 and later: the octets that PHP's trim() takes away are no part of the password."""
    trimmed = secret.strip(b" \t\n\r\0\x0b")
    return base64.b64encode(hmac.digest(b"wp-sha384", trimmed, "sha384"))


def _form(
    bounds: _Bounds, name: str, prefix: str, prehashed: Callable[[bytes], bytes], typed: Typed = as_typed
) -> Form:
    def fits(secret: bytes, stored: str) -> bool:
        return bcrypt.checkpw(prehashed(secret), stored.removeprefix(prefix).encode())

    pattern = re.compile(re.escape(prefix) + _BCRYPT)
    return Form(name, pattern, *bounds, _parsed, fits, _weak, typed)


# --- libpass: version 2 keys the prehash with the salt ---------------------------------------------------------------

_LIBPASS = re.compile(
    rf"\$bcrypt-sha256\$(?:v=(?P<version>2),t=)?(?P<kind>2[ab]),(?:r=)?(?P<cost>[0-9]{{1,2}})"
    rf"\$(?P<salt>{H64}{{22}})\$(?P<digest>{H64}{{31}})"
)


def _libpass_fits(secret: bytes, stored: str) -> bool:
    match = _LIBPASS.fullmatch(stored)
    assert match is not None
    salt = match["salt"]
    made = hmac.digest(salt.encode(), secret, "sha256") if match["version"] else hashlib.sha256(secret).digest()
    inner = f"${match['kind']}${int(match['cost']):02}${salt}{match['digest']}"
    return bcrypt.checkpw(base64.b64encode(made), inner.encode())


def _libpass_parsed(text: str) -> str:
    head, salt, digest = text.rsplit("$", 2)
    return f"{head}${binary.bcrypt64.repair_unused(salt)}${binary.bcrypt64.repair_unused(digest)}"


@functools.cache
def forms(most: int) -> tuple[Form, ...]:
    """The forms of bcrypt, up to this cost."""

    def bounded(match: re.Match[str]) -> bool:
        return 4 <= int(match["cost"]) <= most

    bounds = bounded, f"bcrypt: cost 4 to {most} (DENIZEN_IMPORTED_BCRYPT_COST)"
    return (
        _form(bounds, "bcrypt", "", _cut),
        _form(bounds, "Django's bcrypt_sha256", "bcrypt_sha256$", _hex_sha256),
        _form(bounds, "WordPress bcrypt", "$wp", _wordpress, wordpress),
        Form("libpass bcrypt-sha256", _LIBPASS, *bounds, _libpass_parsed, _libpass_fits, _weak),
    )
