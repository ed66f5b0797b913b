"""Hashes that are one digest or HMAC of the password and a salt: a guess costs nothing, so all of them are weak."""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode

from services.passwords.derived import octets
from services.passwords.form import B64, Form, always
from services.passwords.typed import compatible

SIZES = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
_LONGEST_SALT = 64
_LDAP = {"MD5": "md5", "SHA": "sha1", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}
_SCHEMES = {digest: scheme for scheme, digest in _LDAP.items()}
_PASSWORD, _SALT = b"{PASSWORD}", b"{SALT}"


def padded(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def after(digest: str, salt: bytes, key: bytes) -> str:
    """The digest of the password followed by the salt, in the spelling of LDAP (RFC 2307). Raises ValueError."""
    if len(key) != SIZES[digest] or len(salt) > _LONGEST_SALT:
        raise ValueError("the digest has another size, or the salt is too long")
    return f"{{{'S' if salt else ''}{_SCHEMES[digest]}}}{padded(key + salt)}"


def before(digest: str, salt: bytes, key: bytes) -> str:
    """The digest of the salt followed by the password, in the spelling of Ory Kratos. Raises ValueError."""
    if not salt:
        return after(digest, b"", key)
    if len(key) != SIZES[digest] or len(salt) > _LONGEST_SALT:
        raise ValueError("the digest has another size, or the salt is too long")
    return f"${digest}$pf={padded(_SALT + _PASSWORD)}${padded(salt)}${padded(key)}"


def keyed(digest: str, key: bytes, mac: bytes) -> str:
    """The HMAC of the password, in the spelling of Ory Kratos. Raises ValueError."""
    if len(mac) != SIZES[digest] or not 1 <= len(key) <= 2 * _LONGEST_SALT:
        raise ValueError("the digest has another size, or the key is too long")
    return f"$hmac-{digest}${padded(mac.hex().encode())}${padded(key)}"


# --- {SHA}, {SSHA256} … -------------------------------------------------------------------------------------------

_OF_LDAP = re.compile(rf"\{{(?P<salted>S?)(?P<digest>MD5|SHA|SHA256|SHA384|SHA512)\}}(?P<key>{B64}{{22,172}}={{0,2}})")


def _ldap_parts(text: str) -> tuple[str, bytes, bytes]:
    """The digest's name, the salt and the digest. Raises ValueError."""
    match = _OF_LDAP.fullmatch(text)
    assert match is not None
    digest = _LDAP[match["digest"]]
    raw = b64decode(match["key"], validate=True)
    key, salt = raw[: SIZES[digest]], raw[SIZES[digest] :]
    if bool(match["salted"]) != bool(salt):
        raise ValueError("the digest has another size")
    return digest, salt, key


def _ldap_parsed(text: str) -> str:
    return after(*_ldap_parts(text))


def _ldap_fits(secret: bytes, stored: str) -> bool:
    digest, salt, key = _ldap_parts(stored)
    return hmac.compare_digest(hashlib.new(digest, secret + salt).digest(), key)


# --- a salt in front, or a constant around the password --------------------------------------------------------------

_TEMPLATE = re.compile(
    rf"\$(?P<digest>md5|sha1|sha256|sha384|sha512)\$pf=(?P<template>{B64}{{4,128}}={{0,2}})"
    rf"\$(?P<salt>{B64}{{0,128}}={{0,2}})\$(?P<key>{B64}{{22,86}}={{0,2}})"
)


def _template_parts(text: str) -> tuple[str, bytes, bytes, bytes]:
    """The digest's name, what comes before the password and what after it, and the digest. Raises ValueError."""
    match = _TEMPLATE.fullmatch(text)
    assert match is not None
    template, salt, key = (octets(match[name]) for name in ("template", "salt", "key"))
    first, *rest = template.split(_PASSWORD)
    if len(rest) != 1 or len(key) != SIZES[match["digest"]] or max(template.count(_SALT), 1) * len(salt) > 256:
        raise ValueError("the template must name the password once")
    return match["digest"], first.replace(_SALT, salt), rest[0].replace(_SALT, salt), key


def _template_parsed(text: str) -> str:
    digest, first, last, key = _template_parts(text)
    if not first and len(last) <= _LONGEST_SALT:
        return after(digest, last, key)
    if not last and len(first) <= _LONGEST_SALT:
        return before(digest, first, key)
    match = _TEMPLATE.fullmatch(text)
    assert match is not None
    template, salt = padded(octets(match["template"])), padded(octets(match["salt"]))
    return f"${digest}$pf={template}${salt}${padded(key)}"


def _template_fits(secret: bytes, stored: str) -> bool:
    digest, first, last, key = _template_parts(stored)
    return hmac.compare_digest(hashlib.new(digest, first + secret + last).digest(), key)


# --- HMAC -----------------------------------------------------------------------------------------------------------

_HMAC = re.compile(
    rf"\$hmac-(?P<digest>md5|sha1|sha224|sha256|sha384|sha512)\$(?P<mac>{B64}{{40,172}}={{0,2}})"
    rf"\$(?P<key>{B64}{{2,172}}={{0,2}})"
)


def _hmac_parts(text: str) -> tuple[str, bytes, bytes]:
    match = _HMAC.fullmatch(text)
    assert match is not None
    return match["digest"], octets(match["key"]), bytes.fromhex(octets(match["mac"]).decode("ascii"))


def _hmac_parsed(text: str) -> str:
    return keyed(*_hmac_parts(text))


def _hmac_fits(secret: bytes, stored: str) -> bool:
    digest, key, mac = _hmac_parts(stored)
    return hmac.compare_digest(hmac.digest(key, secret, digest), mac)


FORMS = (
    Form("salted or plain MD5 or SHA", _OF_LDAP, always, "", _ldap_parsed, _ldap_fits, always, compatible),
    Form("salted MD5 or SHA", _TEMPLATE, always, "", _template_parsed, _template_fits, always),
    Form("HMAC", _HMAC, always, "", _hmac_parsed, _hmac_fits, always),
)
