"""One hash has many spellings: each system's own is turned into the one that we store.

Each function gets the match of its pattern, and raises ValueError, LookupError or TypeError for what is malformed.
"""

import re
from collections.abc import Callable

from passlib.utils import binary

from services.passwords import plain_digests
from services.passwords.derived import octets, pbkdf2, scrypt

_SCHEME = re.compile(r"\{([A-Za-z0-9@_.-]{1,40})\}")
_SCHEMES = {
    "ARGON2": "",
    "ARGON2I": "",
    "ARGON2ID": "",
    "BCRYPT": "",
    "BLF-CRYPT": "",
    "CRYPT": "",
    "MD5-CRYPT": "",
    "SHA256-CRYPT": "",
    "SHA512-CRYPT": "",
    "SCRYPT": "",
    "PBKDF2": "$pbkdf2$",
    "PBKDF2-SHA1": "$pbkdf2$",
    "PBKDF2-SHA256": "$pbkdf2-sha256$",
    "PBKDF2-SHA512": "$pbkdf2-sha512$",
}
"""Of `{SCHEME}hash`, as LDAP, Dovecot and Spring write it in either case: those before a hash of another format."""
_SPRING = {"SHA-1": "SHA", "SHA-256": "SHA256", "SHA-384": "SHA384", "SHA-512": "SHA512"}
_PREFIXES = {
    "argon2$argon2": "$argon2",
    "bcrypt$$2": "$2",
    "bcrypt_sha256$$2": "bcrypt_sha256$$2",
    "$pbkdf2-sha1$": "$pbkdf2$",
    "$md5-crypt$": "$1$",
    "$sha256-crypt$": "$5$",
    "$sha512-crypt$": "$6$",
}
"""How a spelling that differs at its beginning only begins (Django, passlib, Kratos), and how ours does."""

_DIGITS = r"[0-9]{1,10}"
_HEX = r"(?:[0-9A-Fa-f]{2})"
_B64 = r"[A-Za-z0-9+/._-]{0,172}={0,2}"
_ITOA64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_CISCO = str.maketrans(_ITOA64, _BASE64)


def canonical(text: str) -> str:
    """The same hash as formats.py knows it; what is of no spelling that we know comes back as it is.

    Raises ValueError or TypeError. `text` is ASCII, and of bounded length.
    """
    text = _without_scheme(text)
    if text.startswith("$2"):
        return text
    for prefix, ours in _PREFIXES.items():
        if text.startswith(prefix):
            text = ours + text.removeprefix(prefix)
            break
    if text.startswith("$argon2"):
        return re.sub(r"={1,2}(?=\$|$)", "", text)
    for pattern, spelled in _PATTERNS:
        if match := pattern.fullmatch(text):
            try:
                return spelled(match)
            except (LookupError, UnicodeDecodeError):
                raise ValueError("a malformed hash") from None
    return text


def _without_scheme(text: str) -> str:
    scheme = _SCHEME.match(text)
    if scheme is None:
        return text
    name, rest = scheme[1].upper(), text[scheme.end() :]
    name = name.partition("@")[0]  # Spring's {scrypt@SpringSecurity_v5_8}
    name = _SPRING.get(name, name)
    if name in _SCHEMES:
        return rest if rest.startswith("$") else _SCHEMES[name] + rest
    return f"{{{name}}}{rest}"


# --- PBKDF2 ---------------------------------------------------------------------------------------------------------


def _django_pbkdf2(match: re.Match[str]) -> str:
    return pbkdf2(match["digest"], int(match["rounds"]), match["salt"].encode(), octets(match["key"]))


def _phc_pbkdf2(match: re.Match[str]) -> str:
    """The PHC string format, as Ory Kratos, Auth0 and Mattermost write it; and MediaWiki's."""
    digest = match["digest"] or "sha1"
    return pbkdf2(digest.lower(), int(match["rounds"]), octets(match["salt"]), octets(match["key"]))


def _hex_pbkdf2(match: re.Match[str]) -> str:
    """Werkzeug's, whose salt is text."""
    return pbkdf2(match["digest"], int(match["rounds"]), match["salt"].encode(), bytes.fromhex(match["key"]))


def _seafile(match: re.Match[str]) -> str:
    return pbkdf2("sha256", int(match["rounds"]), bytes.fromhex(match["salt"]), bytes.fromhex(match["key"]))


def _grub(match: re.Match[str]) -> str:
    return pbkdf2("sha512", int(match["rounds"]), bytes.fromhex(match["salt"]), bytes.fromhex(match["key"]))


def _dovecot(match: re.Match[str]) -> str:
    return pbkdf2("sha1", int(match["rounds"]), match["salt"].encode(), bytes.fromhex(match["key"]))


def _cisco_8(match: re.Match[str]) -> str:
    return pbkdf2("sha256", 20_000, match["salt"].encode(), octets(match["key"].translate(_CISCO)))


def _atlassian(match: re.Match[str]) -> str:
    raw = octets(match["raw"])
    return pbkdf2("sha1", 10_000, raw[:16], raw[16:48])


def _aspnet(match: re.Match[str]) -> str:
    """ASP.NET Identity v2 (PBKDF2-SHA1 of 1000 rounds), and v3, which names digest, rounds and the salt's length."""
    raw = octets(match["raw"])
    if raw[0] == 0:
        if len(raw) != 49:
            raise ValueError("not ASP.NET Identity v2")
        return pbkdf2("sha1", 1000, raw[1:17], raw[17:])
    digest = ("sha1", "sha256", "sha512")[int.from_bytes(raw[1:5])]
    rounds, size = int.from_bytes(raw[5:9]), int.from_bytes(raw[9:13])
    return pbkdf2(digest, rounds, raw[13 : 13 + size], raw[13 + size :])


# --- scrypt ---------------------------------------------------------------------------------------------------------


def _django_scrypt(match: re.Match[str]) -> str:
    return scrypt(int(match["n"]), int(match["r"]), int(match["p"]), match["salt"].encode(), octets(match["key"]))


def _werkzeug_scrypt(match: re.Match[str]) -> str:
    return scrypt(
        int(match["n"]), int(match["r"]), int(match["p"]), match["salt"].encode(), bytes.fromhex(match["key"])
    )


def _phc_scrypt(match: re.Match[str]) -> str:
    """Ory Kratos writes N where the format has its logarithm; some keys have 64 octets, and some are padded."""
    given = int(match["ln"])
    if given > 1 << 31:
        raise ValueError("N is too large")
    n = 1 << given if given < 64 else given
    return scrypt(n, int(match["r"]), int(match["p"]), octets(match["salt"]), octets(match["key"]))


def _crypt_scrypt(match: re.Match[str]) -> str:
    """crypt(3)'s and libsodium's `$7$`, whose salt is the text itself."""
    r, p = (sum(_ITOA64.index(each) << 6 * at for at, each in enumerate(match[name])) for name in ("r", "p"))
    key = binary.h64.decode_bytes(match["key"].encode())
    log_n = _ITOA64.index(match["ln"])
    return scrypt(1 << log_n, r, p, match["salt"].encode(), key)


def _java_scrypt(match: re.Match[str]) -> str:
    """Spring's and Will Glozer's: logarithm of N, r and p in hexadecimal."""
    costs = int(match["costs"], 16)
    log_n, r, p = costs >> 16, costs >> 8 & 0xFF, costs & 0xFF
    return scrypt(1 << log_n, r, p, octets(match["salt"]), octets(match["key"]))


def _better_auth(match: re.Match[str]) -> str:
    """better-auth's and Lucia's: N=2^14, r=16, p=1; the salt is the text of its hexadecimal digits."""
    return scrypt(1 << 14, 16, 1, match["salt"].encode(), bytes.fromhex(match["key"]))


def _cisco_9(match: re.Match[str]) -> str:
    return scrypt(1 << 14, 1, 1, match["salt"].encode(), octets(match["key"].translate(_CISCO)))


def _firescrypt(match: re.Match[str]) -> str:
    """Ory Kratos's spelling of Firebase's."""
    salt, key, separator, signer = (plain_digests.padded(octets(match[name])) for name in ("salt", "key", "ss", "sk"))
    return f"$fbscrypt$v=1,n={match['ln']},r={match['r']},p={match['p']},ss={separator},sk={signer}${salt}${key}"


# --- digests --------------------------------------------------------------------------------------------------------


def _ldap_hex(match: re.Match[str]) -> str:
    """Spring's, whose salt in braces is a part of what is hashed, behind the password; and `{MD5}` with digits."""
    digest = {"MD5": "md5", "SHA": "sha1"}.get(match["digest"], match["digest"].lower())
    return plain_digests.after(digest, (match["salt"] or "").encode(), bytes.fromhex(match["key"]))


def _passwap(match: re.Match[str]) -> str:
    """Zitadel's salted digests."""
    side = plain_digests.before if match["side"] == "prefix" else plain_digests.after
    return side(match["digest"], match["salt"].encode(), octets(match["key"]))


def _django_digest(match: re.Match[str]) -> str:
    return plain_digests.before(match["digest"], match["salt"].encode(), bytes.fromhex(match["key"]))


def _werkzeug_hmac(match: re.Match[str]) -> str:
    return plain_digests.keyed(match["digest"], match["salt"].encode(), bytes.fromhex(match["key"]))


def _joomla(match: re.Match[str]) -> str:
    return plain_digests.after("md5", match["salt"].encode(), bytes.fromhex(match["key"]))


def _kratos_md5(match: re.Match[str]) -> str:
    return plain_digests.after("md5", b"", octets(match["key"]))


_Spelled = Callable[[re.Match[str]], str]
_SALT = r"(?P<salt>[^$]{1,64})"
_ENDS = rf"\$(?P<salt>{_B64})\$(?P<key>{_B64})"
"""How the spellings end whose salt and key are base64."""
_ROUNDS = rf"(?P<rounds>{_DIGITS})"
_DIGEST = "(?P<digest>sha1|sha256|sha512)"
_COSTS = rf"ln=(?P<ln>{_DIGITS}),r=(?P<r>{_DIGITS}),p=(?P<p>{_DIGITS})"
_H64 = "[./A-Za-z0-9]"
_SPELLINGS: tuple[tuple[str, _Spelled], ...] = (
    (rf"pbkdf2_{_DIGEST}\${_ROUNDS}\${_SALT}\$(?P<key>{_B64})", _django_pbkdf2),
    (rf"\$pbkdf2(?:-{_DIGEST})?\$i={_ROUNDS}(?:,l=[0-9]{{1,4}})?{_ENDS}", _phc_pbkdf2),
    (rf"\$pbkdf2\$f=(?P<digest>SHA256|SHA512),w={_ROUNDS},l=[0-9]{{1,4}}{_ENDS}", _phc_pbkdf2),
    (rf":pbkdf2:{_DIGEST}:{_ROUNDS}:[0-9]{{1,3}}:(?P<salt>{_B64}):(?P<key>{_B64})", _phc_pbkdf2),
    (rf"pbkdf2:{_DIGEST}:{_ROUNDS}\${_SALT}\$(?P<key>{_HEX}{{16,128}})", _hex_pbkdf2),
    (rf"PBKDF2SHA256\${_ROUNDS}\$(?P<salt>{_HEX}{{1,64}})\$(?P<key>{_HEX}{{32}})", _seafile),
    (rf"grub\.pbkdf2\.sha512\.{_ROUNDS}\.(?P<salt>{_HEX}{{1,64}})\.(?P<key>{_HEX}{{64}})", _grub),
    (rf"\$1\${_SALT}\${_ROUNDS}\$(?P<key>{_HEX}{{20}})", _dovecot),
    (rf"\$8\$(?P<salt>{_H64}{{14}})\$(?P<key>{_H64}{{43}})", _cisco_8),
    (r"\{PKCS5S2\}(?P<raw>[A-Za-z0-9+/]{64})", _atlassian),
    (r"(?P<raw>A[AQ][A-Za-z0-9+/]{42,170}={0,2})", _aspnet),
    (rf"scrypt\$(?P<n>{_DIGITS})\${_SALT}\$(?P<r>{_DIGITS})\$(?P<p>{_DIGITS})\$(?P<key>{_B64})", _django_scrypt),
    (
        rf"\$?scrypt:(?P<n>{_DIGITS}):(?P<r>{_DIGITS}):(?P<p>{_DIGITS})\${_SALT}\$(?P<key>{_HEX}{{16,64}})",
        _werkzeug_scrypt,
    ),
    (rf"\$scrypt\${_COSTS}{_ENDS}", _phc_scrypt),
    (
        rf"\$7\$(?P<ln>{_H64})(?P<r>{_H64}{{5}})(?P<p>{_H64}{{5}})(?P<salt>{_H64}{{1,64}})\$(?P<key>{_H64}{{43}})",
        _crypt_scrypt,
    ),
    (rf"\$(?:s0\$)?(?P<costs>[0-9a-f]{{5,6}}){_ENDS}", _java_scrypt),
    (rf"(?P<salt>[0-9a-f]{{32}}):(?P<key>{_HEX}{{64}})", _better_auth),
    (rf"s2:(?P<salt>[0-9A-Za-z]{{16,32}}):(?P<key>{_HEX}{{64}})", _better_auth),
    (rf"\$9\$(?P<salt>{_H64}{{14}})\$(?P<key>{_H64}{{43}})", _cisco_9),
    (rf"\$firescrypt\${_COSTS}{_ENDS}\$(?P<ss>{_B64})\$(?P<sk>{_B64})", _firescrypt),
    (
        rf"\{{(?P<digest>MD5|SHA|SHA256|SHA384|SHA512)\}}(?P<salt>\{{[^{{}}]{{1,62}}\}})?(?P<key>{_HEX}{{16,64}})",
        _ldap_hex,
    ),
    (rf"\$(?P<digest>md5|sha1|sha256|sha512)salted-(?P<side>prefix|suffix)\${_SALT}\$(?P<key>{_B64})", _passwap),
    (rf"(?P<digest>md5|sha1)\$(?P<salt>[^$]{{0,64}})\$(?P<key>{_HEX}{{16,20}})", _django_digest),
    (rf"(?P<digest>sha224|sha256|sha384|sha512)\${_SALT}\$(?P<key>{_HEX}{{28,64}})", _werkzeug_hmac),
    (rf"(?P<key>{_HEX}{{16}}):(?P<salt>[^\s:]{{1,64}})", _joomla),
    (rf"\$md5\$(?P<key>{_B64})", _kratos_md5),
)
_PATTERNS = tuple((re.compile(pattern), spelled) for pattern, spelled in _SPELLINGS)
