"""The formats of password hashes: decides which imported hashes are accepted, and verifies passwords against hashes.

Only the hash itself says what it costs to verify. So its parameters are bounded before anything is computed or
allocated from them, at the door and again at each sign-in: each limit is the largest cost of real exports that takes
less than 500 ms (docs/decisions/0010-password-hashes.md).
"""

import hashlib
import hmac
import re
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, cast

import bcrypt
from argon2 import Parameters, extract_parameters
from argon2.exceptions import InvalidHashError
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from passlib import registry
from passlib.utils import binary

from services.passwords import argon2id
from services.passwords.policy import Unusable, normalized
from services.passwords.spellings import canonical

_LONGEST_TEXT = 512  # characters of a hash
_LONGEST = 4096  # octets of a password: the most that libpass takes
_LONGEST_IN_PYTHON = 128  # octets of a password, where each round reads it again
_IN_PYTHON = threading.Lock()
"""libpass computes these in Python. Two at a time gain nothing, and between them the event loop waits for the GIL (up
to 480 ms; for one alone 5 to 10 ms)."""


class HashRejected(ValueError):
    """Not a hash that we take; the message does not hold it."""


class _Handler(Protocol):
    """A hash of libpass."""

    def from_string(self, hash: str) -> Any: ...
    def verify(self, secret: bytes, hash: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Format:
    """One form of hash.

    Attributes:
        pattern: of the whole text.
        bounded: whether the cost that a match names is one that we are ready to pay.
        most: that cost in words.
        parse: the text in its one canonical form; raises ValueError or TypeError.
        fits: whether a password fits the hash.
    """

    pattern: re.Pattern[str]
    bounded: Callable[[re.Match[str]], bool]
    most: str
    parse: Callable[[str], str]
    fits: Callable[[bytes, str], bool]


def accepted(text: str) -> str:
    """The form in which an imported hash is stored.

    Raises HashRejected where its format is unknown, or it would cost too much to verify. Computes no hash.
    """
    if len(text) > _LONGEST_TEXT or not text.isascii():
        raise HashRejected("not a password hash of a format that we know")
    try:
        text = canonical(text)
        form, match = _form_of(text)
        if not form.bounded(match):
            raise HashRejected(f"the hash costs too much to verify; {form.most}")
        return form.parse(text)
    except HashRejected:
        raise
    except (ValueError, TypeError):
        raise HashRejected("not a password hash of a format that we know") from None


def verify(password: str, stored: str, ours: Collection[Parameters] = ()) -> bool:
    """Whether a password fits a hash, as `fitting` finds it."""
    return fitting(password, stored, ours) is not None


def fitting(password: str, stored: str, ours: Collection[Parameters] = ()) -> str | None:
    """The form of a password that fits a hash which `accepted` or the hasher made: NFC, or as it was given.

    Another system may have hashed the octets as they were typed. Blocks for as long as the hash costs: twice where a
    password is not in NFC, whatever the hash. None for a malformed hash too, and, before anything is computed, for one
    over the bounds, unless it has parameters of `ours`. A failure for another reason (no memory) raises.
    """
    try:
        forms = dict.fromkeys((normalized(password), password))
        form, match = _form_of(stored)
        if not form.bounded(match) and not any(is_current(stored, each) for each in ours):
            return None
        parsed = form.parse(stored)
        return next((each for each in forms if form.fits(each.encode(), parsed)), None)
    except (Unusable, ValueError, TypeError):
        return None


def is_current(stored: str, parameters: Parameters) -> bool:
    """Whether a hash is of argon2 with just these parameters; else it is made anew when the password is known."""
    try:
        return extract_parameters(stored) == parameters
    except InvalidHashError:
        return False


def _form_of(text: str) -> tuple[_Format, re.Match[str]]:
    for form in _FORMATS:
        if match := form.pattern.fullmatch(text):
            return form, match
    raise HashRejected("not a password hash of a format that we know")


# --- argon2 -------------------------------------------------------------------------------------------------------


def _argon2_bounded(match: re.Match[str]) -> bool:
    memory, passes, lanes = int(match["m"]), int(match["t"]), int(match["p"])
    # Each lane is a thread that is started four times a pass.
    return 8 * lanes <= memory <= 256 * 1024 and passes <= 16 and lanes <= 64 and memory * passes <= 512 * 1024


def _argon2_parsed(text: str) -> str:
    for part in text.split("$")[-2:]:
        if binary.b64s_encode(binary.b64s_decode(part)) != part.encode():
            raise ValueError("not base64")
    return text


# --- bcrypt -------------------------------------------------------------------------------------------------------


def _bcrypt_bounded(match: re.Match[str]) -> bool:
    return 4 <= int(match["cost"]) <= 13


def _bcrypt_parsed(text: str) -> str:
    """Some implementations left rubbish in the unused bits of salt and digest, which others refuse."""
    head, salt, digest = text[:-53], text[-53:-31], text[-31:]
    return head + cast(str, binary.bcrypt64.repair_unused(salt)) + cast(str, binary.bcrypt64.repair_unused(digest))


def _bcrypt_fits(secret: bytes, stored: str) -> bool:
    # bcrypt reads 72 octets, and the library raises above (version 5). Only imported hashes come here: none of ours.
    return bcrypt.checkpw(secret[:72], stored.encode())


def _bcrypt_sha256_fits(secret: bytes, stored: str) -> bool:
    """Django's: bcrypt of the SHA-256 in hexadecimal."""
    return bcrypt.checkpw(hashlib.sha256(secret).hexdigest().encode(), stored.removeprefix("bcrypt_sha256$").encode())


# --- Firebase's modified scrypt (github.com/firebase/scrypt), as Supabase writes it --------------------------------


def _firebase_parsed(text: str) -> str:
    for part in re.split(r"\$|,s[sk]=", text)[3:]:
        if b64encode(b64decode(part, validate=True)) != part.encode():
            raise ValueError("not base64")
    return text


def _firebase_fits(secret: bytes, stored: str) -> bool:
    """The hash is the project's signer key, enciphered under what scrypt makes of the password."""
    _, match = _form_of(stored)
    salt, separator, signer, digest = (b64decode(match[name]) for name in ("salt", "ss", "sk", "digest"))
    n, r, p = 1 << int(match["ln"]), int(match["r"]), int(match["p"])
    memory = 128 * r * (n + p + 2) + (1 << 20)
    key = hashlib.scrypt(secret, salt=salt + separator, n=n, r=r, p=p, maxmem=memory, dklen=32)
    enciphered = Cipher(AES(key), CTR(bytes(16))).encryptor().update(signer)
    return hmac.compare_digest(enciphered, digest)


# --- what libpass computes ----------------------------------------------------------------------------------------


def _libpass(
    name: str, pattern: str, bounded: Callable[[re.Match[str]], bool], most: str = "", *, in_python: bool = False
) -> _Format:
    handler = cast(_Handler, registry.get_crypt_handler(name))
    longest = _LONGEST_IN_PYTHON if in_python else _LONGEST
    turn = _IN_PYTHON if in_python else nullcontext()

    def parse(text: str) -> str:
        return str(handler.from_string(text).to_string())

    def fits(secret: bytes, stored: str) -> bool:
        with turn:
            return handler.verify(secret[:longest], stored) and len(secret) <= longest

    return _Format(re.compile(pattern), bounded, most, parse, fits)


def _scrypt_bounded(match: re.Match[str]) -> bool:
    log_n, r, p = int(match["ln"]), int(match["r"]), int(match["p"])
    # 128·N·r octets of memory, so at most 128 MiB. N < 2^(16·r) is RFC 7914's.
    return log_n <= 20 and log_n < 16 * r and r <= 32 and p <= 16 and (r * p << log_n) <= 1 << 20


def _rounds(most: int) -> Callable[[re.Match[str]], bool]:
    return lambda match: int(match["rounds"] or 0) <= most


def _always(_: re.Match[str]) -> bool:
    return True


_N = "[1-9][0-9]{0,9}"
_B64 = "[A-Za-z0-9+/]"
_H64 = "[./A-Za-z0-9]"
_BCRYPT = rf"\$2[aby]\$(?P<cost>[0-9]{{2}})\${_H64}{{53}}"
_PBKDF2 = rf"\$(?P<rounds>{_N})\$[./A-Za-z0-9+]{{0,86}}\$[./A-Za-z0-9+]"
_SCRYPT_MOST = "scrypt: N·r·p at most 1048576, r at most 32, p at most 16, N under 2^(16·r)"
_SHA_CRYPT = rf"\$(?:rounds=(?P<rounds>{_N})\$)?{_H64}{{0,16}}\${_H64}"

_FORMATS = (
    _Format(
        re.compile(
            rf"\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=(?P<m>{_N}),t=(?P<t>{_N}),p=(?P<p>{_N})"
            rf"\${_B64}{{11,86}}\${_B64}{{22,86}}"
        ),
        _argon2_bounded,
        "argon2: m at most 262144 (KiB), t at most 16, p at most 64, m·t at most 524288, m at least 8·p",
        _argon2_parsed,
        argon2id.fits,
    ),
    _Format(re.compile(_BCRYPT), _bcrypt_bounded, "bcrypt: cost 4 to 13", _bcrypt_parsed, _bcrypt_fits),
    _Format(
        re.compile(rf"bcrypt_sha256\${_BCRYPT}"),
        _bcrypt_bounded,
        "bcrypt: cost 4 to 13",
        _bcrypt_parsed,
        _bcrypt_sha256_fits,
    ),
    _libpass(
        "scrypt",
        rf"\$scrypt\$ln=(?P<ln>{_N}),r=(?P<r>{_N}),p=(?P<p>{_N})\${_B64}{{0,86}}\${_B64}{{43}}",
        _scrypt_bounded,
        _SCRYPT_MOST,
    ),
    _Format(
        # A shorter signer key would fit by chance, an empty one always: each has 64 octets.
        re.compile(
            rf"\$fbscrypt\$v=1,n=(?P<ln>{_N}),r=(?P<r>{_N}),p=(?P<p>{_N}),ss=(?P<ss>{_B64}{{0,22}}={{0,2}})"
            rf",sk=(?P<sk>{_B64}{{86}}==)\$(?P<salt>{_B64}{{2,86}}={{0,2}})\$(?P<digest>{_B64}{{86}}==)"
        ),
        _scrypt_bounded,
        _SCRYPT_MOST,
        _firebase_parsed,
        _firebase_fits,
    ),
    _libpass("pbkdf2_sha1", rf"\$pbkdf2{_PBKDF2}{{27}}", _rounds(2_000_000), "PBKDF2-SHA1: at most 2000000 rounds"),
    _libpass(
        "pbkdf2_sha256", rf"\$pbkdf2-sha256{_PBKDF2}{{43}}", _rounds(2_000_000), "PBKDF2-SHA256: at most 2000000 rounds"
    ),
    _libpass(
        "pbkdf2_sha512", rf"\$pbkdf2-sha512{_PBKDF2}{{86}}", _rounds(1_000_000), "PBKDF2-SHA512: at most 1000000 rounds"
    ),
    _libpass(
        "sha256_crypt", rf"\$5{_SHA_CRYPT}{{43}}", _rounds(656_000), "sha-crypt: at most 656000 rounds", in_python=True
    ),
    _libpass(
        "sha512_crypt", rf"\$6{_SHA_CRYPT}{{86}}", _rounds(656_000), "sha-crypt: at most 656000 rounds", in_python=True
    ),
    _libpass("md5_crypt", rf"\$1\${_H64}{{0,8}}\${_H64}{{22}}", _always, in_python=True),
    _libpass(
        "phpass",
        rf"\$[PH]\$(?P<cost>{_H64}){_H64}{{8}}{_H64}{{22}}",
        lambda match: match["cost"] <= "H",  # 19 in its alphabet, which is in the order of ASCII
        "phpass: at most 2^19 rounds",
        in_python=True,
    ),
    _libpass("ldap_salted_sha1", rf"\{{SSHA\}}{_B64}{{32,48}}={{0,2}}", _always),
    _libpass("ldap_salted_sha256", rf"\{{SSHA256\}}{_B64}{{48,64}}={{0,2}}", _always),
    _libpass("ldap_salted_sha512", rf"\{{SSHA512\}}{_B64}{{91,108}}={{0,2}}", _always),
)
