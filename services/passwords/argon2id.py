"""argon2id by whichever of two libraries is quicker (docs/decisions/0020-logins-in-windows.md).

libsodium uses what the processor has (AVX2, AVX-512) and knows one lane and salts of 16 octets only; argon2-cffi knows
all that is let in, built for the oldest processors. The hashes are the same.
"""

import re
import threading
from base64 import b64decode, b64encode
from collections.abc import Generator
from contextlib import contextmanager
from hmac import compare_digest
from secrets import token_bytes

from argon2 import Parameters, PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

from services.passwords.digests import Digests, digest

_ONE_LANE = re.compile(
    r"\$argon2id\$v=19\$m=(?P<m>\d+),t=(?P<t>\d+),p=1\$(?P<salt>[A-Za-z0-9+/]{22})\$(?P<digest>[A-Za-z0-9+/]+)"
)
_SALT_OCTETS = 16
_ANY = PasswordHasher()
_BESIDE = threading.local()
_BESIDE_MOST = 64 * 1024
"""KiB of memory times passes. A dearer hash was imported, and is computed by its thread, at the thread's own priority:
at the lower one of the process it would take ten times as long on a busy machine, and its refusal would show that."""


@contextmanager
def beside() -> Generator[None]:
    """Within it libsodium computes for this thread in a process beside this one."""
    _BESIDE.digests = Digests()
    try:
        yield
    finally:
        _BESIDE.digests.close()
        del _BESIDE.digests


def new(password: bytes, parameters: Parameters) -> str:
    """A PHC string under a fresh salt. Raises DigestFailed."""
    version, memory, passes = parameters.version, parameters.memory_cost, parameters.time_cost
    one_lane = parameters.type is Type.ID and version == 19 and parameters.parallelism == 1
    if not one_lane or parameters.salt_len != _SALT_OCTETS:
        return PasswordHasher.from_parameters(parameters).hash(password)
    salt = token_bytes(_SALT_OCTETS)
    made = _digest(password, salt, memory, passes, parameters.hash_len)
    return f"$argon2id$v=19$m={memory},t={passes},p=1${_b64(salt)}${_b64(made)}"


def fits(password: bytes, stored: str) -> bool:
    """Whether a password fits a PHC string of argon2 (also of argon2i and argon2d). Raises DigestFailed."""
    if match := _ONE_LANE.fullmatch(stored):
        kept = _octets(match["digest"])
        return compare_digest(
            kept, _digest(password, _octets(match["salt"]), int(match["m"]), int(match["t"]), len(kept))
        )
    try:
        return _ANY.verify(stored, password)
    except VerifyMismatchError:
        return False


def _digest(password: bytes, salt: bytes, memory: int, passes: int, octets: int) -> bytes:
    digests: Digests | None = getattr(_BESIDE, "digests", None)
    compute = digests.digest if digests and memory * passes <= _BESIDE_MOST else digest
    return compute(password, salt, memory=memory, passes=passes, octets=octets)


def _b64(octets: bytes) -> str:
    return b64encode(octets).decode().rstrip("=")


def _octets(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4))
