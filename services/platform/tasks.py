"""A bounded set of running tasks."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskSet:
    """Runs coroutines beside each other, and can wait until all of them have ended. A coroutine must not raise."""

    def __init__(self, most: int | None = None) -> None:
        """`most`: how many run at a time before the set is full; None where the caller has a bound of its own."""
        self._most = most
        self._running: set[asyncio.Task[None]] = set()

    @property
    def full(self) -> bool:
        """Whether no other coroutine should be started."""
        return self._most is not None and len(self._running) >= self._most

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task. The set keeps a reference to it: the event loop alone would not."""
        running = asyncio.create_task(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def drained(self) -> None:
        """Wait until no task is running."""
        while self._running:
            await asyncio.wait(self._running)
