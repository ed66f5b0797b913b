"""Ends tasks that were started here."""

import asyncio
from typing import Any

_AGAIN_SECONDS = 1.0


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until all have ended; what a task raised is dropped. A task may end itself: it is cancelled here.

    Once is not enough: `asyncio.wait_for` of Python 3.11 returns its result where it comes together with the
    cancellation, which is lost (https://github.com/python/cpython/issues/86296), and nats-py waits so for each reply.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_AGAIN_SECONDS)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # Looked at, so that nobody is told that it was not.
