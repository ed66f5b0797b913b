"""What the dearest accepted hash costs: measured far below the bounds, and true at them."""

import time

import pytest

from services.passwords import dearest, formats
from tests.support.hashes import AT_THE_BOUND


@pytest.fixture(scope="module")
def seconds() -> float:
    return dearest.seconds()


@pytest.mark.quiet
@pytest.mark.parametrize("stored", AT_THE_BOUND.values(), ids=AT_THE_BOUND)
def test_costliest_hashes_cost_no_more_than_measured(stored: str, seconds: float) -> None:
    """In processor time, which is the same on a busy machine but for the caches; a floor is three times as long."""
    assert formats.accepted(stored) == stored
    began = time.thread_time()
    formats.verify("", stored)
    assert time.thread_time() - began < 1.5 * seconds


def test_sample_hash_costs_its_share_of_the_bound() -> None:
    for (sample, factor), bound in zip(dearest.samples(13), AT_THE_BOUND.values(), strict=True):
        assert formats.accepted(sample) == sample
        assert factor * _cost(sample) == pytest.approx(_cost(bound), rel=0.001)


def _cost(stored: str) -> int:
    """The number of rounds, or what stands for it, that a hash names."""
    kind, first = stored.split("$")[1:3]
    if kind in ("2b", "P", "S"):
        log = int(first) if kind == "2b" else "./0123456789ABCDEFGH".index(first[0])
        return 1 << log
    if kind.startswith("argon2"):
        memory, passes = (int(part.split("=")[1]) for part in stored.split("$")[3].split(",")[:2])
        return memory * passes
    if kind == "scrypt":
        log_n, r, p = (int(part.split("=")[1]) for part in first.split(","))
        return r * p << log_n
    return int(first.removeprefix("rounds="))
