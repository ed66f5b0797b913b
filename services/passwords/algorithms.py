"""Names the algorithm of a password hash by how it is spelled: for refusals, and to tell hashes from passwords."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Algorithm:
    """The name of an algorithm, and whether we can verify its hashes; `refusal`: the sentence that says otherwise."""

    name: str
    known: bool = True
    refusal: str = ""

    def __post_init__(self) -> None:
        """Make the sentence of the name, if none is given."""
        if not self.refusal:
            said = f"the {self.name} hash is malformed" if self.known else f"{self.name} hashes are not accepted"
            object.__setattr__(self, "refusal", said)


def _bare(scheme: str) -> Algorithm:
    sentence = f"a bare digest does not say its algorithm: if this one is plain {scheme}, write {{{scheme}}} before it"
    return Algorithm("bare digest", known=False, refusal=sentence)


_SPELLED: tuple[tuple[str, Algorithm], ...] = (
    (r"(?:argon2)?\$argon2(?:id|i|d)\$", Algorithm("argon2")),
    (r"(?:bcrypt(?:_sha256)?\$)?(?:\$wp)?\$2[aby]\$\d|\$bcrypt-sha256\$", Algorithm("bcrypt")),
    (r"\$2x?\$\d", Algorithm("bcrypt $2$ and $2x$", known=False)),
    (r"\$(?:fb|fire)scrypt\$|\$f_scrypt\$", Algorithm("Firebase scrypt")),
    (r"\$?scrypt[:$]\S|\$7\$|\$(?:s0\$)?[0-9a-f]{5,6}\$|s2:|\$9\$", Algorithm("scrypt")),
    (r"\$?pbkdf2[:$_-]|PBKDF2SHA256\$|grub\.pbkdf2\.|\$p5k2\$|\$8\$|:pbkdf2:", Algorithm("PBKDF2")),
    (r"\$5\$", Algorithm("sha256-crypt")),
    (r"\$6\$", Algorithm("sha512-crypt")),
    (r"\$(?:1|apr1)\$", Algorithm("md5-crypt")),
    (r"\$[PH]\$", Algorithm("phpass")),
    (r"U?\$S\$", Algorithm("Drupal's phpass-SHA512")),
    (r"\$hmac-", Algorithm("HMAC")),
    (r"\$(?:md5|sha1|sha256|sha384|sha512)(?:salted-(?:prefix|suffix))?\$", Algorithm("salted digest")),
    (r"(?:md5|sha1|sha256|sha512)\$[^$]{1,64}\$[0-9a-f]{32}", Algorithm("salted digest")),
    (r"\$g?y\$", Algorithm("yescrypt", known=False)),
    (r"\$md5[,$]", Algorithm("Sun MD5", known=False)),
    (r"\*[0-9A-Fa-f]{40}$", Algorithm("MySQL", known=False)),
    (r"SCRAM-SHA-(?:1|256)\$", Algorithm("SCRAM", known=False)),
    (r"[0-9A-Fa-f]{32}$", _bare("MD5")),
    (r"[0-9A-Fa-f]{40}$", _bare("SHA")),
    (r"[0-9A-Fa-f]{64}$", _bare("SHA256")),
    (r"[0-9A-Fa-f]{96}$", _bare("SHA384")),
    (r"[0-9A-Fa-f]{128}$", _bare("SHA512")),
    (r"[0-9a-f]{32}:\S{1,64}$", Algorithm("Joomla's salted MD5")),
    (r"[0-9a-f]{16,32}:[0-9a-f]{128}$", Algorithm("better-auth's scrypt")),
    (r"A[AQ][A-Za-z0-9+/]{42,}={0,2}$", Algorithm("ASP.NET Identity")),
)
_PATTERNS = tuple((re.compile(pattern), algorithm) for pattern, algorithm in _SPELLED)
_SHORTEST = 20
"""Characters of a hash."""
_SCHEME = re.compile(r"\{([A-Za-z][A-Za-z0-9@_.-]{1,39})\}(?=\S{11})")
_LDAP = re.compile(r"(?:S?(?:MD5|SHA(?:-?(?:1|224|256|384|512))?)|PKCS5S2)(?:\..*)?", re.IGNORECASE)
_WRAPPER = re.compile(r"(?:CRYPT|BCRYPT|BLF-CRYPT|ARGON2|PBKDF2|SCRYPT|.*-CRYPT)\b.*", re.IGNORECASE)


def algorithm(text: str) -> Algorithm | None:
    """The algorithm of a text that is spelled as a password hash; None where it may be anything."""
    if scheme := _SCHEME.match(text):
        name = scheme[1]
        inner = algorithm(text[scheme.end() :]) if _WRAPPER.fullmatch(name) else None
        return inner or Algorithm(f"{{{name.upper()}}}", known=bool(_LDAP.fullmatch(name) or _WRAPPER.fullmatch(name)))
    for pattern, found in _PATTERNS:
        if pattern.match(text):
            return found
    return None


def looks_hashed(text: str) -> bool:
    """Whether a text that is called a password is spelled as a hash of an algorithm that has a name."""
    found = algorithm(text) if len(text) >= _SHORTEST and " " not in text else None
    return found is not None and (found.known or not text.startswith("{"))
