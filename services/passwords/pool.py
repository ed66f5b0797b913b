"""Hashes off the event loop: few threads, short queues, nothing that comes too late."""

import asyncio
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from services.domain import refusals
from services.passwords import argon2id
from services.passwords.hasher import PARAMETERS, Hasher, Verified
from services.platform.settings import Settings

T = TypeVar("T")
HashingKind = Literal["sign-in", "new password"]
_KINDS: tuple[HashingKind, ...] = ("sign-in", "new password")
_QUEUE_SECONDS = 0.75
"""How much work of each kind may wait. Where both kinds wait they take turns, and so it takes twice as long: a client
gives up soon after."""
_LATE_SECONDS = 10
"""After such a wait the caller has given up: a queue of dear imported hashes takes longer than its length says."""
_NICE = 10
"""Priority of threads that compute hashes of ours themselves (setpriority(2)), as in digests.py."""


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    work: Callable[[], T]
    deadline: float | None
    future: Future[T]
    queued: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """The work, unless its caller has gone or it comes too late."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            if self.deadline is not None and time.time() > self.deadline:
                raise refusals.deadline_exceeded_in_queue()
            if time.monotonic() - self.queued > _LATE_SECONDS:
                raise refusals.too_many_passwords()
            result = self.work()
        except Exception as error:  # noqa: BLE001 - it is the caller's
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class HashingPool:
    """A Hasher in threads. Memory is bounded by the threads times the cost of a hash.

    Sign-ins and new passwords have a queue each and take turns: a flood of either leaves the other half of the work.
    Not an executor of the standard library: its queue has no bound, and what is cancelled stays in it.

    Attributes:
        hasher: what does the work.
        hash_seconds: what one hash takes, measured at the start.
        capacity: how many of each kind wait at most, beside those under way.
    """

    def __init__(self, settings: Settings) -> None:
        """Computes four hashes, to know what they take."""
        self.hasher = Hasher(settings)
        threads = settings.hashing_threads or len(os.sched_getaffinity(0))
        # The quickest: whatever else runs on the machine at the start says nothing about later.
        self.hash_seconds = min(self._timed() for _ in range(3))
        self.capacity = max(2 * threads, round(_QUEUE_SECONDS / self.hash_seconds * threads))
        self._queues: dict[HashingKind, deque[_Job[Any]]] = {kind: deque() for kind in _KINDS}
        self._turns = deque(_KINDS)
        self._changed = threading.Condition()
        self._closed = False
        # Hashes of several lanes are not computed beside these threads, at the low priority there.
        gives_way = PARAMETERS[settings.hashing].parallelism > 1
        self._threads = [
            threading.Thread(target=self._work, args=[gives_way], name="hashing", daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _timed(self) -> float:
        began = time.perf_counter()
        self.hasher.verify("", None)
        return time.perf_counter() - began

    def waiting(self, kind: HashingKind) -> int:
        """How many of a kind wait."""
        return len(self._queues[kind])

    def full(self, kind: HashingKind) -> bool:
        """Whether no other of a kind can wait."""
        return self.waiting(kind) >= self.capacity

    @property
    def hungry(self) -> bool:
        """Whether some thread has nothing to do, or will have nothing soon."""
        return sum(map(len, self._queues.values())) < len(self._threads)

    async def hash(self, password: str, deadline: float | None, kind: HashingKind = "new password") -> str:
        """A new hash. `deadline` is as time.time() has it.

        Raises Refusal: `overloaded` at once, or `deadline_exceeded`; and policy.Unusable.
        """
        return await self._done(_Job(lambda: self.hasher.hash(password), deadline, Future()), kind)

    async def verify(self, password: str, stored: str | None, deadline: float | None) -> Verified:
        """Hasher.verify. Raises Refusal: `overloaded` at once, or `deadline_exceeded`."""
        return await self._done(_Job(lambda: self.hasher.verify(password, stored), deadline, Future()), "sign-in")

    async def close(self) -> None:
        """Refuse the work that waits, and return when the running work is done."""
        with self._changed:
            self._closed = True
            waiting = [job for queue in self._queues.values() for job in queue]
            for queue in self._queues.values():
                queue.clear()
            self._changed.notify_all()
        for job in waiting:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(refusals.service_ends())
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def _done(self, job: _Job[T], kind: HashingKind) -> T:
        queue = self._queues[kind]
        with self._changed:
            if self._closed or self.full(kind):
                raise refusals.too_many_passwords()
            queue.append(job)
            self._changed.notify()
        try:
            return await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            with self._changed, suppress(ValueError):
                queue.remove(job)
            raise

    def _work(self, gives_way: bool) -> None:
        if gives_way:
            _give_way()
        with argon2id.beside():
            while (job := self._next()) is not None:
                job.run()
                del job  # It holds a password, and the next may be long in coming.

    def _next(self) -> _Job[Any] | None:
        with self._changed:
            self._changed.wait_for(lambda: any(self._queues.values()) or self._closed)
            for _ in _KINDS:
                queue = self._queues[self._turns[0]]
                self._turns.rotate()
                if queue:
                    return queue.popleft()
            return None


def _give_way() -> None:
    """Lower the priority of this thread, and so of what is started from it; only Linux has one for each.

    One that was lower already stays: raising it takes a privilege.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))
