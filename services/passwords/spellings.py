"""One hash has many spellings: Django's, LDAP's and Spring's are turned into the one that we store."""

import re

from passlib.utils import binary

_SCHEME = re.compile(r"\{([A-Za-z0-9-]{1,16})\}")
_SCHEMES = {
    "ARGON2": "",
    "BCRYPT": "",
    "CRYPT": "",
    "PBKDF2": "$pbkdf2$",
    "PBKDF2-SHA1": "$pbkdf2$",
    "PBKDF2-SHA256": "$pbkdf2-sha256$",
    "PBKDF2-SHA512": "$pbkdf2-sha512$",
}
"""Of LDAP's and Spring's `{SCHEME}hash` (RFC 2307: in either case), those before a hash of another format."""
_PREFIXES = {"argon2$argon2": "$argon2", "bcrypt$$2": "$2", "$pbkdf2-sha1$": "$pbkdf2$"}
_DJANGO_PBKDF2 = re.compile(r"pbkdf2_(sha1|sha256)\$([0-9]{1,10})\$([^$]{1,64})\$([A-Za-z0-9+/]{27,43})=")
_DJANGO_SCRYPT = re.compile(
    r"scrypt\$(?P<n>[0-9]{1,10})\$(?P<salt>[^$]{1,64})\$(?P<r>[0-9]{1,10})\$(?P<p>[0-9]{1,10})"
    r"\$(?P<digest>[A-Za-z0-9+/]{86})=="
)
_LONG_SCRYPT = re.compile(r"(\$scrypt\$[^$]*\$[^$]*\$)([A-Za-z0-9+/]{44,86})")


def canonical(text: str) -> str:
    """The same hash as formats.py knows it; what is of no spelling that we know comes back as it is.

    Raises ValueError. `text` is ASCII, and of bounded length.
    """
    if scheme := _SCHEME.match(text):
        name = scheme[1].upper()
        text = _SCHEMES.get(name, f"{{{name}}}") + text[scheme.end() :]
    for prefix, ours in _PREFIXES.items():
        if text.startswith(prefix):
            return ours + text.removeprefix(prefix)
    if match := _DJANGO_PBKDF2.fullmatch(text):
        algorithm, rounds, salt, digest = match.groups()
        ident = {"sha1": "$pbkdf2$", "sha256": "$pbkdf2-sha256$"}[algorithm]
        return f"{ident}{rounds}${_text(binary.ab64_encode(salt.encode()))}${digest}"
    if match := _DJANGO_SCRYPT.fullmatch(text):
        n = int(match["n"])
        if n.bit_count() != 1:
            raise ValueError("scrypt's N is a power of two")
        salt = _text(binary.b64s_encode(match["salt"].encode()))
        text = f"$scrypt$ln={n.bit_length() - 1},r={match['r']},p={match['p']}${salt}${match['digest']}"
    if match := _LONG_SCRYPT.fullmatch(text):
        # Its last step is PBKDF2, block by block (RFC 7914): the first 32 octets of 64 are those of a hash of 32.
        return match[1] + _text(binary.b64s_encode(binary.b64s_decode(match[2])[:32]))
    return text


def _text(octets: bytes) -> str:
    return octets.decode("ascii")
