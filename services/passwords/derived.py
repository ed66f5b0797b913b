"""PBKDF2 and scrypt, computed by OpenSSL, and Firebase's modified scrypt."""

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from services.passwords.form import B64, LONGEST_PASSWORD, Form, N
from services.passwords.typed import Typed, as_typed, compatible_scrypt

_SIZES = {"sha1": 20, "sha256": 32, "sha512": 64}
_SHORTEST = 16
"""Octets of a key that is compared: a shorter one would fit other passwords by chance."""
_FEW_ROUNDS = 100_000
_LITTLE_SCRYPT = 1 << 17
"""N·r: 16 MiB, the least of OWASP's Password Storage Cheat Sheet (N=2^14, r=8)."""
_SCRYPT_MOST = "scrypt: N·r·p at most 1048576, r at most 32, p at most 16, N under 2^(16·r)"


def ab64(octets: bytes) -> str:
    """Base64 as libpass writes PBKDF2: dots for pluses, no padding."""
    return b64(octets).replace("+", ".")


def b64(octets: bytes) -> str:
    """Base64 without padding."""
    return b64encode(octets).decode("ascii").rstrip("=")


def octets(text: str) -> bytes:
    """The octets that base64 stands for, with or without padding, with dots or pluses. Raises ValueError."""
    plain = text.rstrip("=").replace(".", "+")
    return b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def pbkdf2(digest: str, rounds: int, salt: bytes, key: bytes) -> str:
    """The form in which we keep PBKDF2 of every system.

    PBKDF2 makes its output block by block (RFC 8018), so of a longer key we keep the first block. Raises ValueError.
    """
    size = _SIZES[digest]
    if len(key) < _SHORTEST or len(salt) > 64:
        raise ValueError("a key that is too short, or a salt that is too long")
    name = "pbkdf2" if digest == "sha1" else f"pbkdf2-{digest}"
    return f"${name}${rounds}${ab64(salt)}${ab64(key[:size])}"


def scrypt(n: int, r: int, p: int, salt: bytes, key: bytes) -> str:
    """The form in which we keep scrypt. Its last step is PBKDF2 (RFC 7914): a longer key is cut likewise."""
    if n.bit_count() != 1 or len(key) < _SHORTEST or len(salt) > 64:
        raise ValueError("N is no power of two, the key is too short, or the salt is too long")
    return f"$scrypt$ln={n.bit_length() - 1},r={r},p={p}${b64(salt)}${b64(key[:32])}"


def _pbkdf2(digest: str, most: int) -> Form:
    name = f"PBKDF2-{digest.upper()}"
    ident = "pbkdf2" if digest == "sha1" else f"pbkdf2-{digest}"
    pattern = re.compile(
        rf"\${ident}\$(?P<rounds>{N})\$(?P<salt>[./A-Za-z0-9+]{{0,86}})\$(?P<key>[./A-Za-z0-9+]{{22,86}})"
    )

    def parts(text: str) -> tuple[int, bytes, bytes]:
        match = pattern.fullmatch(text)
        assert match is not None
        return int(match["rounds"]), octets(match["salt"]), octets(match["key"])

    def parse(text: str) -> str:
        rounds, salt, key = parts(text)
        if len(key) > _SIZES[digest]:
            raise ValueError("the key is longer than a block")
        return pbkdf2(digest, rounds, salt, key)

    def fits(secret: bytes, stored: str) -> bool:
        rounds, salt, key = parts(stored)
        made = hashlib.pbkdf2_hmac(digest, secret[:LONGEST_PASSWORD], salt, rounds, len(key))
        return compare_digest(made, key) and len(secret) <= LONGEST_PASSWORD

    return Form(
        name=name,
        pattern=pattern,
        bounded=lambda match: int(match["rounds"]) <= most,
        most=f"{name}: at most {most} rounds",
        parse=parse,
        fits=fits,
        weak=lambda match: int(match["rounds"]) < _FEW_ROUNDS,
    )


def _bounded(match: re.Match[str]) -> bool:
    log_n, r, p = int(match["ln"]), int(match["r"]), int(match["p"])
    # 128·N·r octets of memory, so at most 128 MiB. N < 2^(16·r) is RFC 7914's.
    return log_n <= 20 and log_n < 16 * r and r <= 32 and p <= 16 and (r * p << log_n) <= 1 << 20


def _weak(match: re.Match[str]) -> bool:
    return int(match["r"]) << int(match["ln"]) < _LITTLE_SCRYPT


def _computed(match: re.Match[str], secret: bytes, salt: bytes, size: int) -> bytes:
    n, r, p = 1 << int(match["ln"]), int(match["r"]), int(match["p"])
    memory = 128 * r * (n + p + 2) + (1 << 20)
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=size)


_SCRYPT = re.compile(
    rf"\$scrypt\$ln=(?P<ln>{N}),r=(?P<r>{N}),p=(?P<p>{N})\$(?P<salt>{B64}{{0,86}})\$(?P<key>{B64}{{22,43}})"
)


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    assert match is not None
    return match


def _scrypt_parsed(text: str) -> str:
    match = _matched(_SCRYPT, text)
    return scrypt(1 << int(match["ln"]), int(match["r"]), int(match["p"]), octets(match["salt"]), octets(match["key"]))


def _scrypt_fits(secret: bytes, stored: str) -> bool:
    match = _matched(_SCRYPT, stored)
    key = octets(match["key"])
    made = _computed(match, secret[:LONGEST_PASSWORD], octets(match["salt"]), len(key))
    return compare_digest(made, key) and len(secret) <= LONGEST_PASSWORD


# Firebase's modified scrypt (github.com/firebase/scrypt), as Supabase writes it. A shorter signer key would fit by
# chance, an empty one always: each has 64 octets.
_FIREBASE = re.compile(
    rf"\$fbscrypt\$v=1,n=(?P<ln>{N}),r=(?P<r>{N}),p=(?P<p>{N}),ss=(?P<ss>{B64}{{0,22}}={{0,2}})"
    rf",sk=(?P<sk>{B64}{{86}}==)\$(?P<salt>{B64}{{2,86}}={{0,2}})\$(?P<digest>{B64}{{86}}==)"
)


def _firebase_parsed(text: str) -> str:
    for part in re.split(r"\$|,s[sk]=", text)[3:]:
        if b64encode(b64decode(part, validate=True)) != part.encode():
            raise ValueError("not base64")
    return text


def _firebase_fits(secret: bytes, stored: str) -> bool:
    """The hash is the project's signer key, enciphered under the key that scrypt makes of the password."""
    match = _matched(_FIREBASE, stored)
    salt, separator, signer, digest = (b64decode(match[name]) for name in ("salt", "ss", "sk", "digest"))
    key = _computed(match, secret, salt + separator, 32)
    enciphered = Cipher(AES(key), CTR(bytes(16))).encryptor().update(signer)
    return compare_digest(enciphered, digest)


def _scrypt(
    name: str,
    pattern: re.Pattern[str],
    parse: Callable[[str], str],
    fits: Callable[[bytes, str], bool],
    typed: Typed = as_typed,
) -> Form:
    return Form(name, pattern, _bounded, _SCRYPT_MOST, parse, fits, _weak, typed)


FORMS = (
    _scrypt("scrypt", _SCRYPT, _scrypt_parsed, _scrypt_fits, compatible_scrypt),
    _scrypt("Firebase scrypt", _FIREBASE, _firebase_parsed, _firebase_fits),
    _pbkdf2("sha1", 2_000_000),
    _pbkdf2("sha256", 2_000_000),
    _pbkdf2("sha512", 1_000_000),
)
