"""Is the machine quiet enough to compare times? Measured while they are taken.

A test of times that failed on a busy machine has shown nothing: it says so and skips.
"""

import hashlib
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from statistics import median

import pytest

_SECONDS = 0.1
_QUIET = 1.25


class Disturbance:
    """Measures again and again how much longer work takes than the processor works on it: 1.0 if nothing else runs."""

    def __init__(self) -> None:
        self._ratios: list[float] = []
        self._ended = threading.Event()

    @property
    def ratio(self) -> float:
        """The median so far."""
        return median(self._ratios) if self._ratios else 1.0

    def skip_if_busy(self) -> None:
        """Skip the test if times say nothing: others took the processor away while they were taken."""
        if self.ratio > _QUIET:
            pytest.skip(f"too busy to tell: work took {self.ratio:.2f} times the processor time that it needed")

    def run(self) -> None:
        """Measure until `end`."""
        while not self._ended.wait(_SECONDS):
            began, worked = time.perf_counter(), time.thread_time()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 60_000)  # 12 ms, without the GIL
            self._ratios.append((time.perf_counter() - began) / (time.thread_time() - worked))

    def end(self) -> None:
        self._ended.set()


@contextmanager
def disturbance() -> Generator[Disturbance]:
    """Measures within it."""
    measured = Disturbance()
    thread = threading.Thread(target=measured.run)
    thread.start()
    try:
        yield measured
    finally:
        measured.end()
        thread.join()
