"""Hashes that are computed in Python: sha-crypt, md5-crypt and phpass by libpass, and Drupal 7's phpass.

Two at a time gain nothing, and between them the event loop waits for the GIL (up to 480 ms; for one alone 5 to 10 ms).
So one is computed at a time, and of short passwords only, because each round reads the password again.
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Callable
from typing import Any, Protocol, cast

from passlib import registry
from passlib.utils import binary

from services.passwords.form import H64, Form, N, always
from services.passwords.typed import Typed, as_typed, drupal, phpass

_LONGEST = 128
"""Octets of a password."""
_ONE_AT_A_TIME = threading.Lock()
_FEW_ROUNDS = 50_000
"""Of sha-crypt; its default is 5000."""
_SHA_CRYPT = rf"\$(?:rounds=(?P<rounds>{N})\$)?{H64}{{0,16}}\${H64}"
_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Of crypt(3), in the order of its values."""


class _Handler(Protocol):
    """A hash of libpass."""

    def from_string(self, hash: str) -> Any: ...
    def verify(self, secret: bytes, hash: str) -> bool: ...


def _libpass(
    handler_name: str,
    name: str,
    pattern: str,
    *,
    bounded: Callable[[re.Match[str]], bool] = always,
    most: str = "",
    weak: Callable[[re.Match[str]], bool] = always,
    typed: Typed = as_typed,
) -> Form:
    handler = cast(_Handler, registry.get_crypt_handler(handler_name))

    def parse(text: str) -> str:
        return str(handler.from_string(text).to_string())

    def fits(secret: bytes, stored: str) -> bool:
        with _ONE_AT_A_TIME:
            return handler.verify(secret[:_LONGEST], stored) and len(secret) <= _LONGEST

    return Form(name, re.compile(pattern), bounded, most, parse, fits, weak, typed)


def _sha_bounded(match: re.Match[str]) -> bool:
    return int(match["rounds"] or 0) <= 656_000


def _sha_weak(match: re.Match[str]) -> bool:
    return int(match["rounds"] or 5000) < _FEW_ROUNDS


def _sha_crypt(digest: str, pattern: str) -> Form:
    most = "sha-crypt: at most 656000 rounds"
    return _libpass(f"{digest}_crypt", f"{digest}-crypt", pattern, bounded=_sha_bounded, most=most, weak=_sha_weak)


def _phpass_bounded(match: re.Match[str]) -> bool:
    return match["cost"] <= "H"  # 19 in its alphabet, which is in the order of ASCII


# --- Drupal 7: phpass with SHA-512; `U$` where an update hashed the MD5 of Drupal 6 again ---------------------------


def _drupal_bounded(match: re.Match[str]) -> bool:
    return match["cost"] <= "G"


def _drupal_fits(secret: bytes, stored: str) -> bool:
    cost, salt, digest = stored[-52], stored[-51:-43].encode(), stored[-43:]
    kept = secret[:_LONGEST]
    if stored.startswith("U"):
        kept = hashlib.md5(kept, usedforsecurity=False).hexdigest().encode()
    with _ONE_AT_A_TIME:
        made = hashlib.sha512(salt + kept).digest()
        for _ in range(1 << _ALPHABET.index(cost)):
            made = hashlib.sha512(made + kept).digest()
    encoded = binary.h64.encode_bytes(made).decode("ascii")
    return hmac.compare_digest(encoded[:43], digest) and len(secret) <= _LONGEST


_DRUPAL = re.compile(rf"U?\$S\$(?P<cost>{H64}){H64}{{8}}{H64}{{43}}")

FORMS = (
    _sha_crypt("sha256", rf"\$5{_SHA_CRYPT}{{43}}"),
    _sha_crypt("sha512", rf"\$6{_SHA_CRYPT}{{86}}"),
    _libpass("md5_crypt", "md5-crypt", rf"\$1\${H64}{{0,8}}\${H64}{{22}}"),
    _libpass("apr_md5_crypt", "Apache's md5-crypt", rf"\$apr1\${H64}{{0,8}}\${H64}{{22}}"),
    _libpass(
        "phpass",
        "phpass",
        rf"\$[PH]\$(?P<cost>{H64}){H64}{{8}}{H64}{{22}}",
        bounded=_phpass_bounded,
        most="phpass: at most 2^19 rounds",
        typed=phpass,
    ),
    Form(
        "Drupal's phpass-SHA512",
        _DRUPAL,
        _drupal_bounded,
        "Drupal's phpass-SHA512: at most 2^18 rounds",
        str,
        _drupal_fits,
        lambda match: match["cost"] < "D",  # 2^15, Drupal 7's own
        drupal,
    ),
)
