"""The TCP servers of tests leave no socket open: one that is collected later fails another test."""

import asyncio
import gc
import socket
from contextlib import suppress

import pytest

from tests.support.tcp import listening, passed_on


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("turns", range(10))
def test_server_that_ends_while_a_client_connects_leaves_no_socket(turns: int, cancelled: bool) -> None:
    """`turns`: of the event loop, between the client's connection and the end."""

    async def swallow(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def run() -> None:
        async with listening(swallow) as target:

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await passed_on(reader, writer, ("127.0.0.1", target))

            async with listening(serve) as port:
                with socket.create_connection(("127.0.0.1", port)):
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    task = asyncio.current_task()
                    if cancelled and task is not None:
                        task.cancel()

    with suppress(asyncio.CancelledError):
        asyncio.run(run())
    gc.collect()
