"""Tasks are ended even where a cancellation is lost."""

import asyncio
from contextlib import suppress

from denizen.ending import end


async def _one_reply() -> None:
    """Wait for a reply as nats-py does, which comes at the loop's next turn, and for another that never comes."""
    reply: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(reply.set_result, None)
    await asyncio.wait_for(reply, 5)
    await asyncio.Event().wait()


async def test_a_task_whose_reply_comes_with_the_cancellation() -> None:
    for turns in range(6):
        task = asyncio.create_task(_one_reply())
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await end(task)
        assert task.cancelled()


async def test_what_a_task_raises_at_its_end_is_dropped() -> None:
    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await end(task)
    assert isinstance(task.exception(), LookupError)


async def test_a_task_that_ends_itself() -> None:
    after: list[str] = []

    async def ends_itself() -> None:
        await end(task)
        after.append("not reached")

    task = asyncio.create_task(ends_itself())
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert after == []
