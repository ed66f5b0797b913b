"""Whether the machine is quiet enough to compare times, measured while they are taken.

A test of times that fails on a busy machine has shown nothing: it says so and skips.
"""

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from statistics import fmean, median

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

    @property
    def delay(self) -> float:
        """The mean so far, which a single long stall raises too."""
        return fmean(self._ratios) if self._ratios else 1.0

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


@contextmanager
def takes_less_than(seconds: float) -> Generator[None]:
    """Fail the test where the block takes longer; skip it where other programs held the processor meanwhile."""
    with disturbance() as measured:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
    if took >= seconds:
        if measured.delay > _QUIET:
            pytest.skip(f"too busy to tell: {took:.2f} s, while work took {measured.delay:.2f} times what it needed")
        pytest.fail(f"took {took:.2f} s, and should take less than {seconds} s")


@asynccontextmanager
async def ends_within(seconds: float) -> AsyncGenerator[None]:
    """Fail the test where the block, or a request in it, gets no answer in time; skip it where the machine is busy."""
    with disturbance() as measured:
        try:
            async with asyncio.timeout(seconds):
                yield
        except (TimeoutError, ExceptionGroup) as error:
            if isinstance(error, TimeoutError) or error.subgroup(TimeoutError) is not None:
                measured.skip_if_busy()
            raise


async def within(seconds: float, condition: Callable[[], bool]) -> None:
    """Wait until the condition holds. Fails or skips as `takes_less_than` where that takes longer than `seconds`."""
    with takes_less_than(seconds):
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.005)
