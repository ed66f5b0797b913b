"""The hash parameters of a Firebase project: its console shows them, and no export holds them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_PAIR = re.compile(r'"?(\w+)"?\s*[:=]\s*"?([^\s",}]+)')


@dataclass(frozen=True, slots=True)
class HashConfig:
    """Authentication > Users > Password hash parameters.

    Attributes:
        signer_key: base64, secret.
        salt_separator: base64.
        rounds: scrypt's r.
        mem_cost: scrypt's N is two to the power of it.
    """

    signer_key: str = field(repr=False)
    salt_separator: str = "Bw=="
    rounds: int = 8
    mem_cost: int = 14

    @classmethod
    def parse(cls, text: str) -> HashConfig:
        """What the console shows: `hash_config { algorithm: SCRYPT, base64_signer_key: …, … }`, or that as JSON.

        Raises ValueError, whose message holds no input.
        """
        found = dict(_PAIR.findall(text))
        if found.get("algorithm", "SCRYPT") != "SCRYPT":
            raise ValueError("the hash parameters are not of SCRYPT")
        try:
            return cls(
                signer_key=found["base64_signer_key"],
                salt_separator=found["base64_salt_separator"],
                rounds=int(found["rounds"]),
                mem_cost=int(found["mem_cost"]),
            )
        except (KeyError, ValueError):
            raise ValueError(
                "the hash parameters need base64_signer_key, base64_salt_separator, rounds and mem_cost"
            ) from None
