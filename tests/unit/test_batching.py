"""The queue before the log: bounded, in order, and nothing that it took is forgotten."""

import asyncio

import pytest

from services.batching import Batcher


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


async def test_what_arrives_during_the_work_is_done_together_and_in_order() -> None:
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


async def test_a_full_queue_takes_nothing_more_until_there_is_room() -> None:
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


async def test_it_is_not_drained_while_work_is_under_way() -> None:
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


async def test_cancellation_ends_it_in_mid_work() -> None:
    work = Work()
    batcher = Batcher(work, most=2, capacity=2)
    running = asyncio.create_task(batcher.run())
    batcher.put(0)
    await work.started.acquire()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
