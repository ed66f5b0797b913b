"""The policy for new passwords (NIST SP 800-63B-4, section 3.1.1.2): long, and not a common one."""

import unicodedata
from functools import cache

MAX_LENGTH = 256
"""Characters."""


class Unusable(ValueError):
    """The text cannot be a password at all; the message does not hold it."""


def normalized(password: str) -> str:
    """The form that is hashed: NFC, so that it does not depend on the keyboard how `é` is written.

    Raises Unusable.
    """
    if "\0" in password:
        raise Unusable("a password has no NUL character")
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise Unusable("a password has no unpaired surrogate")
    return unicodedata.normalize("NFC", password)


def fault(password: str, min_length: int, *, email: str | None = None) -> str | None:
    """The fault of a new password of the user with this address; None where it has none.

    Its length is counted in characters (code points) of the NFC form. There are no rules of composition: NIST forbids
    them, for they make passwords worse.
    """
    try:
        password = normalized(password)
    except Unusable as unusable:
        return str(unusable)
    if len(password) < min_length:
        return f"a password has at least {min_length} characters"
    if len(password) > MAX_LENGTH:
        return f"a password has at most {MAX_LENGTH} characters"
    folded = password.casefold()
    if folded in _common():
        return "this is one of the most common passwords"
    if email is not None and folded in _of(email):
        return "the e-mail address is no password"
    return None


def _of(email: str) -> tuple[str, str]:
    folded = unicodedata.normalize("NFC", email).casefold()
    return folded, folded.rpartition("@")[0]


@cache
def _common() -> frozenset[str]:
    """The 30,000 most common passwords of the leaks that zxcvbn counted, in lower case; 25 ms and 14 MB, once."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])
