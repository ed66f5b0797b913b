"""Makes blocking methods of async ones, which then run on an event loop in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")


class LoopThread:
    """An event loop in a daemon thread. Any thread may call `run`, but none of the loop's own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._turn = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="denizen", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and return or raise what it does."""
        with self._turn:
            if self._closing:
                work.close()
                raise RuntimeError("the client is closed")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C came while waiting: nobody wants the result any more.
            raise

    def is_alive(self) -> bool:
        """Has it not been closed?"""
        return not self._closing

    def close(self) -> None:
        """End the thread; whatever still runs on it is cancelled. Twice is harmless."""
        with self._turn:
            if self._closing:
                return
            # What is asked for from now on is refused, not left on a loop that stops.
            self._closing = True
            ending = asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop)
        ending.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


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
    """A method of a Blocking, made of the async one of its resource: the same arguments, documentation and result."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> blocking[P, T]: ...
    @overload
    def __get__(self, instance: Blocking[Any], owner: type) -> Callable[P, T]: ...
    def __get__(self, instance: Blocking[Any] | None, owner: type) -> blocking[P, T] | Callable[P, T]:
        if instance is None:
            return self

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return instance._thread.run(self._method(instance._resource, *args, **kwargs))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

        call.__doc__ = self.__doc__
        return call
