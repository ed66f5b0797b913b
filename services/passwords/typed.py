"""What other systems made of a typed password before they hashed it, beside NFC.

A password is compared once more for each of them. So only hashes of at most half the dearest cost of their form are: a
refusal then takes no longer than that of any other hash (services/accounts/answers.py).
"""

import re
import unicodedata
from collections.abc import Callable

Typed = Callable[[re.Match[str], str], tuple[str, ...]]
"""Given the match of a form's pattern and the password in NFC: the other texts that the system may have hashed."""
_TRIMMED = " \t\n\r\0\x0b"
"""What PHP's trim() takes away."""
_SLASHED = re.compile(r"""(['"\\])""")
_ESCAPED = {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;"}


def as_typed(_match: re.Match[str], _password: str) -> tuple[str, ...]:
    """The system changed nothing."""
    return ()


def compatible(_match: re.Match[str], password: str) -> tuple[str, ...]:
    """NFKC, as in SASLprep (RFC 4013), which clients of directories should use (RFC 4513, section 5.1.3)."""
    return (unicodedata.normalize("NFKC", password),)


def compatible_scrypt(match: re.Match[str], password: str) -> tuple[str, ...]:
    """better-auth and Lucia hash the password in NFKC, at N=2^14, r=16, p=1."""
    is_theirs = (match["ln"], match["r"], match["p"]) == ("14", "16", "1")
    return compatible(match, password) if is_theirs else ()


def phpass(match: re.Match[str], password: str) -> tuple[str, ...]:
    """What WordPress and phpBB get from PHP: trimmed, or with a backslash before quotes; or escaped as in HTML."""
    if match["cost"] > "F":  # 2^17 rounds
        return ()
    if match[0].startswith("$H$"):
        return (password.translate(str.maketrans(_ESCAPED)),)
    trimmed = password.strip(_TRIMMED)
    return trimmed, _slashed(trimmed)


def wordpress(match: re.Match[str], password: str) -> tuple[str, ...]:
    """With a backslash before quotes. A password that a program set, such as WordPress's command line, has none."""
    return (_slashed(password),) if int(match["cost"]) <= 12 else ()


def drupal(match: re.Match[str], password: str) -> tuple[str, ...]:
    """Drupal trims passwords, where they are set and at the login."""
    return (password.strip(_TRIMMED),) if match["cost"] <= "E" else ()  # 2^16 rounds


def _slashed(password: str) -> str:
    return _SLASHED.sub(r"\\\1", password)
