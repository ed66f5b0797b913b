"""An import that is alone goes all out; one that is not leaves the others the machine."""

import asyncio
from dataclasses import dataclass, field

import pytest

from services.transfer import pace
from services.transfer.pace import Pace


@dataclass
class Clock:
    """Stands still; sleeping is noted."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list[float])

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace.time, "monotonic", clock.monotonic)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    return clock


async def test_import_alone_never_rests(clock: Clock) -> None:
    one = Pace()
    for position in range(500, 500 * 20, 500):
        await one.rest()
        clock.now += 0.05
        one.appended(500, position)
        assert one.rows == 500
    assert clock.slept == []


async def test_import_beside_others_rests_as_long_as_it_works(clock: Clock) -> None:
    one = Pace()
    one.appended(500, 500)
    clock.now += 0.04
    one.appended(500, 1001)  # One event was another process's.
    assert one.rows == 64
    await one.rest()
    assert clock.slept == [pytest.approx(0.04)]
    clock.now += 0.01
    one.appended(64, 1065)
    await one.rest()
    assert clock.slept[1:] == [pytest.approx(0.01)]
    clock.now += 10
    one.appended(64, 1300)
    await one.rest()
    assert len(clock.slept) == 2, "no caller counted for ten seconds"


async def test_long_work_causes_no_long_rest(clock: Clock) -> None:
    one = Pace()
    one.appended(1, 1)
    clock.now += 1.5
    one.appended(1, 3)
    await one.rest()
    assert clock.slept == [0.25]


async def test_import_speeds_up_when_others_are_gone(clock: Clock) -> None:
    one = Pace()
    one.appended(1, 1)
    one.appended(1, 3)
    assert one.rows == 64
    clock.now += 2.1
    assert one.rows == 500
    await one.rest()
    assert clock.slept == []


async def test_uncounted_appends_are_not_others(clock: Clock) -> None:
    one = Pace()
    one.appended(10, 10)
    one.lose_count()
    one.appended(10, 60)
    assert one.rows == 500


async def test_dry_run_never_rests(clock: Clock) -> None:
    one = Pace()
    for position in (500, 1000, 1500):  # A rehearsal's positions follow each other (rehearsal.py).
        one.appended(500, position)
        await one.rest()
        assert one.rows == 500
    assert clock.slept == []
