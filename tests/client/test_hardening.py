"""nats-py, as we mend it."""

import asyncio

import nats.aio.client
import pytest

wait_for = vars(nats.aio.client)["asyncio"].wait_for


async def one_reply() -> None:
    """Wait for a reply as nats-py does, which comes at the loop's next turn, and for another that never comes."""
    reply: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(reply.set_result, None)
    await wait_for(reply, 5)
    await asyncio.Event().wait()


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_that_comes_with_the_reply_is_not_lost(turns: int) -> None:
    task = asyncio.create_task(one_reply())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()


async def test_the_time_of_a_reply() -> None:
    reply: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    for seconds in (0.01, 0, -1):
        with pytest.raises(TimeoutError):
            await wait_for(reply, seconds)
        assert reply.cancelled()
        reply = asyncio.get_running_loop().create_future()
    reply.set_result("said")
    assert [await wait_for(reply, seconds) for seconds in (1, 0, None)] == ["said"] * 3
