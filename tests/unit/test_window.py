"""Groups of requests that come within a moment: when they are closed, and that each gets its own answer."""

import asyncio
from collections.abc import Sequence

import pytest

from services.accounts.guessing.window import Window

LONG = 3600.0
"""No test waits that long: an answer that comes sooner was released by something else."""


class Work:
    """Answers a number by its square; each group waits until it is let go."""

    def __init__(self, patience: float = 0.0, most: int = 10) -> None:
        self.patience = patience
        self.groups: list[list[int]] = []
        self.started = asyncio.Semaphore(0)
        self.go = asyncio.Semaphore(0)
        self.window = Window(self, most=most, patience=lambda: self.patience)

    async def __call__(self, group: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(group))
        self.started.release()
        await self.go.acquire()
        if 13 in group:
            raise ValueError("unlucky")
        return [number * number for number in group]

    def ask(self, *numbers: int, at_once: bool = False) -> list[asyncio.Task[int]]:
        return [asyncio.create_task(self.window.ask(number, at_once=at_once)) for number in numbers]


async def turn() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_concurrent_requests_share_one_statement() -> None:
    work = Work()
    work.go.release()
    assert await asyncio.gather(*work.ask(1, 2, 3)) == [1, 4, 9]
    assert work.groups == [[1, 2, 3]]


async def test_request_during_a_group_joins_the_next() -> None:
    work = Work()
    first = work.ask(1)
    await work.started.acquire()
    others = work.ask(2, 3)
    await turn()
    assert work.groups == [[1]]
    work.go.release()
    work.go.release()
    assert await asyncio.gather(*first, *others) == [1, 4, 9]
    assert work.groups == [[1], [2, 3]]


async def test_group_waits_up_to_its_patience() -> None:
    work = Work(patience=LONG)
    asked = work.ask(1, 2)
    await turn()
    work.window.look()
    await turn()
    assert work.groups == []
    work.patience = 0
    work.window.look()
    work.go.release()
    assert await asyncio.gather(*asked) == [1, 4]


async def test_group_closes_when_the_time_is_over() -> None:
    work = Work(patience=0.01)
    work.go.release()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*work.ask(1)) == [1]


@pytest.mark.parametrize("most", [2, 10])
async def test_full_or_urgent_group_closes_at_once(most: int) -> None:
    work = Work(patience=LONG, most=most)
    asked = work.ask(1)
    await turn()
    assert work.groups == []
    asked += work.ask(2, at_once=most == 10)
    await work.started.acquire()
    assert work.groups == [[1, 2]]
    later = work.ask(3)
    work.go.release()
    assert await asyncio.gather(*asked) == [1, 4]
    await turn()
    assert work.groups == [[1, 2]], "the next has its own patience"
    later += work.ask(4, at_once=True)
    work.go.release()
    assert await asyncio.gather(*later) == [9, 16]


async def test_overflow_of_a_group_forms_the_next() -> None:
    work = Work(patience=LONG, most=2)
    asked = work.ask(1, 2, 3)
    for _ in range(2):
        work.go.release()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*asked) == [1, 4, 9]
    assert work.groups == [[1, 2], [3]]


async def test_failure_affects_its_group_only() -> None:
    work = Work()
    unlucky = work.ask(1, 13)
    await work.started.acquire()
    lucky = work.ask(2)
    work.go.release()
    work.go.release()
    assert [str(each) for each in await asyncio.gather(*unlucky, return_exceptions=True)] == ["unlucky"] * 2
    assert await asyncio.gather(*lucky) == [4]


async def test_cancelled_request_takes_no_answer_from_others() -> None:
    work = Work()
    asked = work.ask(1, 2)
    await work.started.acquire()
    asked[0].cancel()
    await turn()
    work.go.release()
    assert await asked[1] == 4
