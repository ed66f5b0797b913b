"""Gathers questions that come within a moment, and has them answered together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Window(Generic[T, R]):
    """Gathers items and answers them together, one group at a time."""

    def __init__(
        self, work: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, most: int, patience: Callable[[], float]
    ) -> None:
        """`work` answers each of at most `most` items, in their order; what it raises, each of them gets.

        `patience` says how many seconds the first of a group should have waited, as things are now.
        """
        self._work = work
        self._most = most
        self._patience = patience
        self._items: list[tuple[T, asyncio.Future[R]]] = []
        self._since = 0.0
        self._due = False
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None

    async def ask(self, item: T, *, at_once: bool = False) -> R:
        """The answer to an item; with `at_once` its group waits for no others."""
        loop = asyncio.get_running_loop()
        if not self._items:
            self._since = loop.time()
        answer: asyncio.Future[R] = loop.create_future()
        self._items.append((item, answer))
        self._due |= at_once or len(self._items) >= self._most
        self.look()
        return await answer

    def look(self) -> None:
        """Begin, if it is time: to be called where there may be less patience than before."""
        if self._running is not None or not self._items:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        left = 0 if self._due else self._since + self._patience() - loop.time()
        if left > 0:
            self._timer = loop.call_later(left, self.look)
        else:
            self._running = loop.create_task(self._run())
            self._running.add_done_callback(self._ended)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._running = None
        self.look()

    async def _run(self) -> None:
        """Answer a group. Items that come before this begins still belong to it."""
        group, self._items = self._items[: self._most], self._items[self._most :]
        self._due = bool(self._items)
        try:
            answers = await self._work([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - each caller gets it
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(group, answers, strict=True):
            if not future.done():
                future.set_result(answer)
