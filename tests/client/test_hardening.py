"""nats-py, as we mend it."""

import asyncio

import nats.aio.client
import nats.protocol.parser
import pytest
from denizen.connection import NatsConnection
from denizen.hardening import wait_for, with_globals


async def one_reply() -> None:
    """Wait for a reply as nats-py does, which comes at the loop's next turn, and for another that never comes."""
    reply: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(reply.set_result, None)
    await wait_for(reply, 5)
    await asyncio.Event().wait()


@pytest.mark.parametrize("turns", range(6))
async def test_cancellation_that_comes_with_the_reply_is_kept(turns: int) -> None:
    task = asyncio.create_task(one_reply())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()


async def test_reply_is_awaited_until_its_timeout() -> None:
    reply: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    for seconds in (0.01, 0, -1):
        with pytest.raises(TimeoutError):
            await wait_for(reply, seconds)
        assert reply.cancelled()
        reply = asyncio.get_running_loop().create_future()
    reply.set_result("said")
    assert [await wait_for(reply, seconds) for seconds in (1, 0, None)] == ["said"] * 3


def test_connection_has_parser_of_its_own() -> None:
    """Denizen's reads a subject with a vertical tab as nats-server does; that of nats-py stays as it was."""
    line = b"MSG a\x0bb 1 5\r\n"
    ours = vars(NatsConnection(None))["_ps"].parse.__globals__["MSG_RE"].match(line)
    theirs = nats.protocol.parser.MSG_RE.match(line)
    assert ours[1] == b"a\x0bb"
    assert theirs is not None
    assert theirs[1] == b"a"
    assert vars(nats.aio.client)["asyncio"] is asyncio


def test_correction_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(ImportError, match=r"uses no {'Missing'}"):
        with_globals(nats.aio.client.Client, Missing=None)
