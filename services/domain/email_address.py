"""E-mail addresses: what is one, and which two are the same."""

import re
import unicodedata
from collections.abc import Callable

import idna
from email_validator import EmailNotValidError, validate_email

# What nearly every address looks like, decided in 1 us; the rest goes through the library (60 us).
_PLAIN = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)


class InvalidEmail(ValueError):
    """Not an address that mail can be sent to."""


def canonical(address: str) -> str:
    """The key under which an address is unique: NFKC and casefold, the domain in IDNA (UTS 46, IDNA 2008).

    `SAM@EXAMPLE.com` and `sam@example.com` are one account. The domain is not folded: `ß` and a final sigma are letters
    of their own in UTS 46, so straße.example and strasse.example are two domains, which may have two owners. Mail goes
    only to the address as it was written. Raises InvalidEmail.
    """
    return _canonical(address, lambda domain: domain)


def coarse(address: str) -> str:
    """The key in earlier versions, for which `ß` in a domain was `ss`, and a final sigma any other sigma.

    Raises InvalidEmail.
    """
    return _canonical(address, _fold)


def renewed(key: str, address: str) -> str:
    """The key of an address of which any version has stored `key`."""
    domain = address.rpartition("@")[2]
    if domain.isascii() and "xn--" not in domain.lower():
        return key
    try:
        return canonical(address)
    except InvalidEmail:
        return key


def _canonical(address: str, fold_domain: Callable[[str], str]) -> str:
    if _PLAIN.fullmatch(address) and address.index("@") <= 64 and len(address) <= 254 and "--" not in address:
        return address.lower()
    try:
        # Strict: else the local part could be longer than the 64 octets of RFC 5321.
        valid = validate_email(address, check_deliverability=False, globally_deliverable=False, strict=True)
        local, domain = _fold(valid.local_part), idna.encode(fold_domain(valid.domain), uts46=True).decode("ascii")
        # Folding can make what is no address: a letter that falls apart into a mark and another begins with the mark.
        validate_email(f"{local}@{domain}", check_deliverability=False, globally_deliverable=False, strict=True)
    except (EmailNotValidError, idna.IDNAError, UnicodeError):
        raise InvalidEmail("is not an e-mail address") from None
    if "." not in domain or domain.rpartition(".")[2].isdigit():
        raise InvalidEmail("has no complete domain")
    return f"{local}@{domain.lower()}"


def _fold(text: str) -> str:
    """NFKC_Casefold in effect (Unicode 3.13): folding can undo the normal form, and so it is made twice."""
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", text)
