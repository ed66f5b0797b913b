"""argon2id with the parameters of the settings; a user without a password costs the same work."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from argon2 import Parameters, Type, profiles

from services.passwords import argon2id, formats
from services.passwords.policy import Unusable, normalized
from services.platform.settings import Settings

PARAMETERS: Mapping[str, Parameters] = {
    "owasp": Parameters(
        type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=2, memory_cost=19 * 1024, parallelism=1
    ),
    "rfc9106-low-memory": profiles.RFC_9106_LOW_MEMORY,
    "rfc9106-high-memory": profiles.RFC_9106_HIGH_MEMORY,
}
"""By name (settings.hashing): OWASP Password Storage Cheat Sheet; RFC 9106, section 4, its second and first choice."""


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether the password is right, and its hash to be made again now that the password is known.

    `began`: when the work did (time.monotonic), after its time in the queue; `seconds`: how long it took.
    """

    ok: bool
    outdated: bool
    began: float = field(default=0.0, compare=False)
    seconds: float = field(default=0.0, compare=False)


class Hasher:
    """Blocks for as long as a hash takes (13 ms at `owasp`, decision 20), without the GIL; threads may share it."""

    def __init__(self, settings: Settings) -> None:
        """Computes one hash."""
        self._parameters = PARAMETERS[settings.hashing]
        self._bcrypt_cost = settings.imported_bcrypt_cost
        self._dummy = self.hash(secrets.token_urlsafe())

    def hash(self, password: str) -> str:
        """A PHC string under a fresh salt. Raises policy.Unusable."""
        return argon2id.new(normalized(password).encode(), self._parameters)

    def verify(self, password: str, stored: str | None) -> Verified:
        """Whether the password fits; `stored` is None where there is no password: the same work, never ok."""
        began = time.monotonic()
        try:
            normal = normalized(password)
        except Unusable:
            password, normal, stored = "", "", None
        found = formats.fitting(password, stored or self._dummy, PARAMETERS.values(), self._bcrypt_cost)
        if stored is None or found is None:
            return Verified(ok=False, outdated=False, began=began, seconds=time.monotonic() - began)
        # Ours are of NFC: what fits otherwise was made elsewhere, even at our parameters.
        outdated = found != normal or not formats.is_current(stored, self._parameters)
        return Verified(ok=True, outdated=outdated, began=began, seconds=time.monotonic() - began)
