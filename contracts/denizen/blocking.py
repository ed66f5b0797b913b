"""Makes blocking methods of async ones, which then run on an event loop in a thread."""

from __future__ import annotations

import asyncio
import functools
import threading
import types
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from denizen.owner import OwnerProcess

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")


class LoopThread:
    """An event loop in a daemon thread, from the first `run` on. Any thread may call `run`, but none of the loop's own.

    The thread does not survive a fork: a child may use only what its parent had not used.
    """

    def __init__(self) -> None:
        self._process = OwnerProcess()
        self._turn = threading.Lock()
        self._closing = False
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and return or raise what it does. Raises UsedAfterFork."""
        try:
            self._process.enter()  # Before the lock, which another thread of the parent may have held.
            with self._turn:
                if self._closing:
                    raise RuntimeError("the client is closed")
                future = asyncio.run_coroutine_threadsafe(work, self._loop())
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C came while waiting: the result is not needed any more.
            raise

    def _loop(self) -> asyncio.AbstractEventLoop:
        if self._running is None:
            loop = asyncio.new_event_loop()
            self._running = loop, threading.Thread(target=loop.run_forever, name="denizen", daemon=True)
            self._running[1].start()
        return self._running[0]

    def is_alive(self) -> bool:
        """Has it not been closed, and does it run in this process?"""
        return not self._closing and self._process.is_here()

    def close(self) -> None:
        """End the thread; what still runs on it is cancelled. Twice is harmless."""
        with self._turn:
            if self._closing:
                return
            # What is asked for from now on is refused, not left on a loop that stops.
            self._closing = True
            if self._running is None:
                return
            loop, thread = self._running
            ending = asyncio.run_coroutine_threadsafe(_cancel_others(), loop)
        ending.result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Blocking(Generic[S]):
    """A resource whose methods block: the async resource, and where it runs."""

    def __init__(self, thread: LoopThread, resource: S) -> None:
        self._thread = thread
        self._resource = resource


class blocking(Generic[P, T]):  # noqa: N801 - it is used like a decorator
    """A method of a Blocking, made of the async one of its resource: the same signature, documentation and result."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        def call(self: Blocking[Any], *args: P.args, **kwargs: P.kwargs) -> T:
            return self._thread.run(method(self._resource, *args, **kwargs))  # pyright: ignore[reportPrivateUsage]

        # A function with the signature of the async method, so that `help` and editors show its arguments.
        self._call = functools.wraps(method)(call)
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], T]: ...
    @overload
    def __get__(self, instance: Blocking[Any], owner: type) -> Callable[P, T]: ...
    def __get__(self, instance: Blocking[Any] | None, owner: type) -> Callable[Concatenate[Any, P], T] | Callable[P, T]:
        return self._call if instance is None else types.MethodType(self._call, instance)
