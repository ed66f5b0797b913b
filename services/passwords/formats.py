"""The formats of password hashes: decides which imported hashes are accepted, and verifies passwords against hashes.

Only the hash itself says what it costs to verify. So its parameters are bounded before anything is computed or
allocated from them, at the door and again at each sign-in: each limit is the largest cost of real exports that takes
less than 500 ms (docs/decisions/0010-password-hashes.md). The forms are in bcrypts.py, derived.py (PBKDF2, scrypt),
plain_digests.py and crypts.py.
"""

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass

from argon2 import Parameters, extract_parameters
from argon2.exceptions import InvalidHashError

from services.passwords import argon2id, bcrypts, crypts, derived, plain_digests
from services.passwords.algorithms import algorithm
from services.passwords.form import B64, Form, HashRejected, N
from services.passwords.policy import Unusable, normalized
from services.passwords.spellings import canonical

__all__ = ["ExaminedHash", "HashRejected", "accepted", "examined", "fitting", "is_current", "verify"]

_LONGEST_TEXT = 512
"""Characters of a hash."""
_UNKNOWN = "not a password hash of a format that we know"


@dataclass(frozen=True, slots=True)
class ExaminedHash:
    """An imported hash that we can verify.

    Attributes:
        stored: its canonical form.
        weak: the algorithm, where a stolen hash is quickly guessed; the next login replaces it, as it does all others.
    """

    stored: str
    weak: str | None


def accepted(text: str, bcrypt_cost: int = bcrypts.MOST_COST) -> str:
    """The form in which an imported hash is stored. Raises HashRejected, as `examined`."""
    return examined(text, bcrypt_cost).stored


def examined(text: str, bcrypt_cost: int = bcrypts.MOST_COST) -> ExaminedHash:
    """The form in which an imported hash is stored, and whether it is weak.

    Raises HashRejected where its format is unknown, or it would cost too much to verify; the message names the
    algorithm. Computes no hash. `bcrypt_cost`: the highest cost of bcrypt that is accepted.
    """
    if len(text) > _LONGEST_TEXT or not text.isascii():
        raise HashRejected(_UNKNOWN)
    try:
        spelled = canonical(text)
        form, match = _form_of(spelled, bcrypt_cost)
        if not form.bounded(match):
            raise HashRejected(f"the hash costs too much to verify; {form.most}")
        return ExaminedHash(form.parse(spelled), form.name if form.weak(match) else None)
    except HashRejected:
        raise
    except (ValueError, TypeError):
        raise _rejected(text) from None


def _rejected(text: str) -> HashRejected:
    """Why a hash is refused that has no form of ours, or has one and is malformed."""
    named = algorithm(text)
    return HashRejected(_UNKNOWN if named is None else named.refusal)


def verify(password: str, stored: str, ours: Collection[Parameters] = (), bcrypt_cost: int = bcrypts.MOST_COST) -> bool:
    """Whether a password fits a hash, as `fitting` finds it."""
    return fitting(password, stored, ours, bcrypt_cost) is not None


def fitting(
    password: str, stored: str, ours: Collection[Parameters] = (), bcrypt_cost: int = bcrypts.MOST_COST
) -> str | None:
    """The form of a password that fits a hash which `accepted` or the hasher made: NFC, or as it was given.

    Another system may have hashed the octets as they were typed, or another text (`Form.typed`). Blocks for as long as
    the hash costs: twice where a password is not in NFC, whatever the hash. None for a malformed hash too, and, before
    anything is computed, for one over the bounds, unless it has parameters of `ours`. A failure for another reason (no
    memory) raises.
    """
    try:
        normal = normalized(password)
        form, match = _form_of(stored, bcrypt_cost)
        if not form.bounded(match) and not any(is_current(stored, each) for each in ours):
            return None
        parsed = form.parse(stored)
        forms = dict.fromkeys((normal, password, *filter(None, form.typed(match, normal))))
        return next((each for each in forms if form.fits(each.encode(), parsed)), None)
    except (Unusable, ValueError, TypeError):
        return None


def is_current(stored: str, parameters: Parameters) -> bool:
    """Whether a hash is of argon2 with just these parameters; else it is made again when the password is known."""
    try:
        return extract_parameters(stored) == parameters
    except InvalidHashError:
        return False


def _form_of(text: str, bcrypt_cost: int = bcrypts.MOST_COST) -> tuple[Form, re.Match[str]]:
    for form in _forms(bcrypt_cost):
        if match := form.pattern.fullmatch(text):
            return form, match
    raise ValueError(_UNKNOWN)


def _argon2_bounded(match: re.Match[str]) -> bool:
    memory, passes, lanes = int(match["m"]), int(match["t"]), int(match["p"])
    # Each lane is a thread that is started four times a pass.
    return 8 * lanes <= memory <= 256 * 1024 and passes <= 16 and lanes <= 64 and memory * passes <= 512 * 1024


def _argon2_weak(match: re.Match[str]) -> bool:
    """Under half the least of OWASP's cheat sheet (19 MiB, 2 passes)."""
    return int(match["m"]) * int(match["t"]) < 19 * 1024


def _argon2_parsed(text: str) -> str:
    for part in text.split("$")[-2:]:
        if derived.b64(derived.octets(part)) != part:
            raise ValueError("not base64")
    return text


_ARGON2 = Form(
    name="argon2",
    pattern=re.compile(
        rf"\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=(?P<m>{N}),t=(?P<t>{N}),p=(?P<p>{N})"
        rf"\${B64}{{11,86}}\${B64}{{22,86}}"
    ),
    bounded=_argon2_bounded,
    most="argon2: m at most 262144 (KiB), t at most 16, p at most 64, m·t at most 524288, m at least 8·p",
    parse=_argon2_parsed,
    fits=argon2id.fits,
    weak=_argon2_weak,
)


@functools.cache
def _forms(bcrypt_cost: int) -> tuple[Form, ...]:
    return (_ARGON2, *bcrypts.forms(bcrypt_cost), *derived.FORMS, *crypts.FORMS, *plain_digests.FORMS)
