"""Batches items that arrive while the previous batch is running: group appends, look-ups in one statement."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """A bounded queue and the one task that empties it, a batch at a time."""

    def __init__(
        self, work: Callable[[list[T]], Awaitable[None]], *, most: int, capacity: int, apart: float = 0
    ) -> None:
        """`work` gets at most `most` items, oldest first, and must not raise; at most `capacity` items wait.

        A batch begins `apart` seconds or more after the one before it, and after a rest as long as that one took
        (`apart` at most), so that more items share what a batch costs whatever its size. But it begins as soon as
        something urgent waits, or as many items have come after the last batch as were in it: the callers who ask
        again when they are answered have all done so.
        """
        self._work = work
        self._most = most
        self._capacity = capacity
        self._apart = apart
        self._items: list[T] = []
        self._wanted = capacity
        self._wake = asyncio.Event()
        self._enough = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, item: T, *, urgent: bool = False) -> bool:
        """Queue an item; False where the queue is full, and the item is not taken."""
        if len(self._items) >= self._capacity:
            return False
        self._items.append(item)
        self._idle.clear()
        self._wake.set()
        if urgent or len(self._items) >= self._wanted:
            self._enough.set()
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
            began = time.monotonic()
            if not self._items:
                self._enough.clear()
            await self._work(batch)
            self._wanted = len(self._items) + len(batch)
            took = time.monotonic() - began
            rest = max(self._apart - took, min(took, self._apart))
            if len(self._items) < self._most and rest > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(rest):
                        await self._enough.wait()
            self._wanted = self._capacity

    async def drained(self) -> None:
        """Wait until nothing is queued or under way."""
        await self._idle.wait()
