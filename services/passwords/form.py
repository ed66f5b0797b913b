"""What a form of password hash is: how it is recognised, bounded, kept and compared."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from services.passwords.typed import Typed, as_typed

LONGEST_PASSWORD = 4096
"""Octets of a password that is compared: libpass takes no more."""
N = "[1-9][0-9]{0,9}"
B64 = "[A-Za-z0-9+/]"
H64 = "[./A-Za-z0-9]"
"""Parts of patterns: a number without leading zeros, and the alphabets of base64 and of crypt(3)."""


class HashRejected(ValueError):
    """The text is no hash that we accept. The message names the algorithm where it is known, and never the hash."""


def always(_: re.Match[str]) -> bool:
    return True


def never(_: re.Match[str]) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Form:
    """One form of hash.

    Attributes:
        name: of the algorithm, as a refusal names it.
        pattern: of the whole text.
        bounded: whether the cost that a match names is one that we are ready to pay.
        most: that cost in words.
        parse: the text in its one canonical form; raises ValueError or TypeError.
        fits: whether a password fits the hash.
        weak: whether a stolen hash is quickly guessed: no salt, MD5 or SHA-1 alone, or few iterations.
        typed: what the system that made a hash may have made of the password first (typed.py).
    """

    name: str
    pattern: re.Pattern[str]
    bounded: Callable[[re.Match[str]], bool]
    most: str
    parse: Callable[[str], str]
    fits: Callable[[bytes, str], bool]
    weak: Callable[[re.Match[str]], bool] = never
    typed: Typed = as_typed
