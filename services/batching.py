"""What arrives while the last work is under way is done together: group appends, look-ups in one statement."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """A bounded queue and the one task that empties it, a batch at a time."""

    def __init__(self, work: Callable[[list[T]], Awaitable[None]], *, most: int, capacity: int) -> None:
        """`work` gets at most `most` items, oldest first, and must not raise; at most `capacity` items wait."""
        self._work = work
        self._most = most
        self._capacity = capacity
        self._items: list[T] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, item: T) -> bool:
        """Queue an item; False where the queue is full, and the item is not taken."""
        if len(self._items) >= self._capacity:
            return False
        self._items.append(item)
        self._idle.clear()
        self._wake.set()
        return True

    async def run(self) -> None:
        """Do the work until cancelled."""
        while True:
            await self._wake.wait()
            batch, self._items = self._items[: self._most], self._items[self._most :]
            if not batch:
                self._wake.clear()
                self._idle.set()
                continue
            await self._work(batch)

    async def drained(self) -> None:
        """Wait until nothing is queued or under way."""
        await self._idle.wait()
