"""Hashes off the event loop: few threads, a short queue, nothing that comes too late."""

import asyncio
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.passwords import argon2id
from services.passwords.hasher import Hasher, Verified
from services.refusal import Refusal
from services.settings import Settings

T = TypeVar("T")
_QUEUE_SECONDS = 1.5
"""How much work may wait: a client gives up soon after."""
_NICE = 10
"""Priority of the threads (setpriority(2)): a login flood must not take the processor from queries."""


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    work: Callable[[], T]
    deadline: float | None
    future: Future[T]

    def run(self) -> None:
        """The work, unless nobody waits for it any more or it comes too late."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            if self.deadline is not None and time.time() > self.deadline:
                raise Refusal("deadline_exceeded", "the deadline passed before the password's turn came")
            result = self.work()
        except Exception as error:  # noqa: BLE001 - it is the caller's
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class HashingPool:
    """A Hasher in threads. Memory is bounded by the threads times the cost of a hash.

    Not an executor of the standard library: its queue has no bound, and what is cancelled stays in it.

    Attributes:
        hasher: what does the work.
        hash_seconds: what one hash takes, measured at the start.
        capacity: how many wait at most, beside those under way.
    """

    def __init__(self, settings: Settings) -> None:
        """Computes four hashes, to know what they take."""
        self.hasher = Hasher(settings)
        threads = settings.hashing_threads or len(os.sched_getaffinity(0))
        # The quickest: whatever else runs on the machine at the start says nothing about later.
        self.hash_seconds = min(self._timed() for _ in range(3))
        self.capacity = max(2 * threads, round(_QUEUE_SECONDS / self.hash_seconds * threads))
        self._jobs: deque[_Job[Any]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name="hashing", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _timed(self) -> float:
        began = time.perf_counter()
        self.hasher.verify("", None)
        return time.perf_counter() - began

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._jobs)

    @property
    def hungry(self) -> bool:
        """Whether some thread has nothing to do, or will have nothing soon."""
        return len(self._jobs) < len(self._threads)

    async def hash(self, password: str, deadline: float | None) -> str:
        """A new hash. `deadline` is as time.time() has it.

        Raises Refusal: `overloaded` at once, or `deadline_exceeded`; and policy.Unusable.
        """
        return await self._done(_Job(lambda: self.hasher.hash(password), deadline, Future()))

    async def verify(self, password: str, stored: str | None, deadline: float | None) -> Verified:
        """Hasher.verify. Raises Refusal: `overloaded` at once, or `deadline_exceeded`."""
        return await self._done(_Job(lambda: self.hasher.verify(password, stored), deadline, Future()))

    async def close(self) -> None:
        """What waits is refused; returns when what is under way is done."""
        with self._changed:
            self._closed = True
            waiting = list(self._jobs)
            self._jobs.clear()
            self._changed.notify_all()
        for job in waiting:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(Refusal("overloaded", "the service ends; nothing was done, try again"))
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def _done(self, job: _Job[T]) -> T:
        with self._changed:
            if self._closed or self.waiting >= self.capacity:
                raise Refusal("overloaded", "too many passwords are waiting; nothing was done, try again")
            self._jobs.append(job)
            self._changed.notify()
        try:
            return await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            with self._changed, suppress(ValueError):
                self._jobs.remove(job)
            raise

    def _work(self) -> None:
        _give_way()
        with argon2id.beside():
            while (job := self._next()) is not None:
                job.run()
                del job  # It holds a password, and the next may be long in coming.

    def _next(self) -> _Job[Any] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            return self._jobs.popleft() if self._jobs else None


def _give_way() -> None:
    """Lower the priority of this thread, and so of what is started from it; only Linux has one for each.

    One that was lower already stays: raising it takes a privilege.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))
