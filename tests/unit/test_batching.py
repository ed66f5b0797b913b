"""The queue before the log: bounded, in order, and nothing that it took is forgotten."""

import asyncio
import time

import pytest

from services.platform.batching import Batcher


class Work:
    """Batches as they come; each waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Semaphore(0)
        self.started = asyncio.Semaphore(0)

    async def __call__(self, batch: list[int]) -> None:
        self.batches.append(batch)
        self.started.release()
        await self.go.acquire()


async def test_items_during_a_batch_form_the_next_in_order() -> None:
    work = Work()
    batcher = Batcher(work, most=3, capacity=10)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(batcher.run())
        assert batcher.put(0)
        await work.started.acquire()
        assert all(batcher.put(item) for item in range(1, 6))
        for _ in range(3):
            work.go.release()
        await batcher.drained()
        running.cancel()
    assert work.batches == [[0], [1, 2, 3], [4, 5]]


async def test_full_queue_refuses_until_there_is_room() -> None:
    work = Work()
    batcher = Batcher(work, most=2, capacity=2)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(batcher.run())
        assert batcher.put(0)
        await work.started.acquire()
        assert [batcher.put(item) for item in (1, 2, 3, 4)] == [True, True, False, False]
        work.go.release()
        await work.started.acquire()
        assert batcher.put(5)
        work.go.release()
        work.go.release()
        await batcher.drained()
        running.cancel()
    assert work.batches == [[0], [1, 2], [5]]


async def turns() -> None:
    """Whatever can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def after_three(work: Work, batcher: Batcher[int]) -> None:
    """A batch of three is done."""
    assert all(batcher.put(item) for item in range(3))
    await work.started.acquire()
    work.go.release()
    await turns()
    assert work.batches == [[0, 1, 2]]


async def test_next_batch_waits_for_as_many_as_the_last() -> None:
    work = Work()
    batcher = Batcher(work, most=8, capacity=10, apart=60)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(batcher.run())
        await after_three(work, batcher)
        batcher.put(3)
        batcher.put(4)
        await turns()
        assert len(work.batches) == 1
        batcher.put(5)
        await asyncio.wait_for(work.started.acquire(), 1)
        assert all(batcher.put(item) for item in (6, 7, 8, 9))  # Others, who come during the work, are not counted.
        work.go.release()
        await turns()
        batcher.put(10)
        batcher.put(11)
        await turns()
        assert len(work.batches) == 2
        batcher.put(12)
        await asyncio.wait_for(work.started.acquire(), 1)
        running.cancel()
    assert work.batches[1:] == [[3, 4, 5], [6, 7, 8, 9, 10, 11, 12]]


async def test_urgent_item_starts_a_batch_at_once() -> None:
    work = Work()
    batcher = Batcher(work, most=8, capacity=10, apart=60)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(batcher.run())
        await after_three(work, batcher)
        batcher.put(3)
        batcher.put(4, urgent=True)
        await asyncio.wait_for(work.started.acquire(), 1)
        batcher.put(5, urgent=True)  # Likewise where it comes during the work.
        work.go.release()
        await asyncio.wait_for(work.started.acquire(), 1)
        running.cancel()
    assert work.batches[1:] == [[3, 4], [5]]


async def test_urgent_item_behind_a_full_batch_is_next() -> None:
    work = Work()
    batcher = Batcher(work, most=2, capacity=10, apart=60)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(batcher.run())
        batcher.put(0)
        await work.started.acquire()
        for item in (1, 2, 3, 4):
            batcher.put(item)
        batcher.put(5, urgent=True)
        for _ in range(3):
            work.go.release()
            await asyncio.wait_for(work.started.acquire(), 1)
        running.cancel()
    assert work.batches == [[0], [1, 2], [3, 4], [5]]


async def test_full_batch_starts_at_once() -> None:
    work = Work()
    batcher = Batcher(work, most=2, capacity=10, apart=60)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(batcher.run())
        batcher.put(0)
        await work.started.acquire()
        assert all(batcher.put(item) for item in (1, 2))
        work.go.release()
        await asyncio.wait_for(work.started.acquire(), 1)
        running.cancel()
    assert work.batches == [[0], [1, 2]]


async def test_batch_waits_for_others_no_longer_than_set() -> None:
    work = Work()
    batcher = Batcher(work, most=8, capacity=10, apart=0.2)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(batcher.run())
        began = time.monotonic()
        await after_three(work, batcher)
        batcher.put(3)
        await asyncio.wait_for(work.started.acquire(), 5)
        assert time.monotonic() - began >= 0.19
        work.go.release()
        await asyncio.wait_for(batcher.drained(), 5)
        running.cancel()
    assert work.batches[1:] == [[3]]


async def _rest_after(seconds: float, apart: float) -> float:
    """How long the batch after one that took so long waits."""
    work = Work()
    batcher = Batcher(work, most=8, capacity=10, apart=apart)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(batcher.run())
        assert all(batcher.put(item) for item in range(3))
        await work.started.acquire()
        await asyncio.sleep(seconds)
        ended = time.monotonic()
        work.go.release()
        batcher.put(3)
        await asyncio.wait_for(work.started.acquire(), 60)
        running.cancel()
    assert work.batches[1:] == [[3]]
    return time.monotonic() - ended


async def test_long_batch_is_followed_by_a_rest() -> None:
    assert await _rest_after(0.15, apart=0.1) >= 0.09


async def test_rest_after_a_long_batch_is_bounded() -> None:
    assert await _rest_after(1, apart=0.01) < 0.9


async def test_queue_is_not_drained_during_a_batch() -> None:
    work = Work()
    batcher = Batcher(work, most=2, capacity=2)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(batcher.run())
        await asyncio.wait_for(batcher.drained(), 1)  # Nothing yet.
        batcher.put(0)
        draining = tasks.create_task(batcher.drained())
        await work.started.acquire()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not draining.done()
        work.go.release()
        await asyncio.wait_for(draining, 1)
        running.cancel()


async def test_cancellation_ends_a_batch() -> None:
    work = Work()
    batcher = Batcher(work, most=2, capacity=2)
    running = asyncio.create_task(batcher.run())
    batcher.put(0)
    await work.started.acquire()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
