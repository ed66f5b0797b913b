"""Measures the most expensive password hash that we accept, on this machine.

A refusal must not tell by its time which kind of hash was compared, so it goes out no sooner than the dearest of them
takes (services/accounts/answers.py). Each format is timed far below its bound and scaled up: to compute all of them at
their bounds would take 3 s at each start.
"""

import time

from services.passwords import bcrypts, formats

_B64_32, _B64_64 = "A" * 43, "A" * 86


def samples(bcrypt_cost: int) -> tuple[tuple[str, int], ...]:
    """A hash of each format whose cost has a bound, and how many times that cost the bound is."""
    return (
        (f"$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ${_B64_32}", 4),
        (f"$2b$08${'.' * 53}", 1 << (bcrypt_cost - 8)),
        (f"$scrypt$ln=14,r=8,p=1$c29tZXNhbHQ${_B64_32}", 8),
        (f"$pbkdf2$50000$c29tZXNhbHQ${'A' * 27}", 40),
        (f"$pbkdf2-sha256$50000$c29tZXNhbHQ${_B64_32}", 40),
        (f"$pbkdf2-sha512$25000$c29tZXNhbHQ${_B64_64}", 40),
        (f"$5$rounds=16400$saltstring${'.' * 43}", 40),
        (f"$6$rounds=16400$saltstring${'.' * 86}", 40),
        (f"$P$C{'.' * 30}", 32),
        (f"$S$B{'.' * 51}", 32),
    )


def seconds(bcrypt_cost: int = bcrypts.MOST_COST) -> float:
    """The processor time of the dearest format at its bound. Takes a third of a second.

    Processor time, because whatever else runs on the machine at the start says nothing about later.
    """
    return max(factor * min(_timed(sample) for _ in range(2)) for sample, factor in samples(bcrypt_cost))


def _timed(sample: str) -> float:
    began = time.thread_time()
    formats.verify("", sample)
    return time.thread_time() - began
