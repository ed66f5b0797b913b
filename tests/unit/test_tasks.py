"""The bounded set of running tasks."""

import asyncio

from services.platform.tasks import TaskSet


async def test_task_set_is_full_at_its_bound_and_free_again() -> None:
    tasks, end = TaskSet(2), asyncio.Event()

    async def work() -> None:
        await end.wait()

    for _ in range(2):
        assert not tasks.full
        tasks.start(work())
    assert tasks.full
    end.set()
    await tasks.drained()
    assert not tasks.full


async def test_drained_waits_for_tasks_that_tasks_start() -> None:
    tasks = TaskSet()
    done: list[str] = []

    async def second() -> None:
        await asyncio.sleep(0)
        done.append("second")

    async def first() -> None:
        await asyncio.sleep(0)
        tasks.start(second())
        done.append("first")

    tasks.start(first())
    await tasks.drained()
    assert done == ["first", "second"]
