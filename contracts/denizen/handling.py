"""Calls the handlers of subscriptions, async ones and plain ones."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

Called = Callable[[Any], Awaitable[None] | None]


class Calling:
    """A handler, called with one event at a time.

    An async function, or an object whose `__call__` is one, is called on the event loop. Any other callable may block,
    and is called in a thread; where it returns an awaitable, that is awaited on the event loop.

    Attributes:
        in_thread: it is in its thread at the moment, where nothing can stop it.
    """

    def __init__(self, handler: Called) -> None:
        """Raises TypeError where a call could never run the handler."""
        if not callable(handler):
            raise TypeError("handler: a function or another callable, which takes an event")
        call = getattr(handler, "__call__", handler)  # noqa: B004 - of an object, the method that a call runs
        if any(inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each) for each in (handler, call)):
            raise TypeError("handler: a generator would never run; leave out its yield")
        try:
            inspect.signature(handler).bind(None)
        except TypeError:
            raise TypeError("handler: must take one argument, which is the event") from None
        except ValueError:
            pass  # Some callables of C do not tell their arguments.
        self._handler = handler
        self._on_loop = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)
        self._turn = asyncio.Lock()
        self.in_thread = False

    async def __call__(self, event: Any) -> None:
        """Raises what the handler raises."""
        async with self._turn:
            result: Any = self._handler(event) if self._on_loop else await self._threaded(event)
            # What came back decides, not how the callable looks: decorators and lambdas hide what they call.
            if inspect.isawaitable(result):
                await result
            elif inspect.isgenerator(result) or inspect.isasyncgen(result):
                raise TypeError("the handler returned a generator, which has not run; leave out its yield")

    async def _threaded(self, event: Any) -> Any:
        self.in_thread = True
        try:
            result = await asyncio.to_thread(self._handler, event)
        except Exception:
            self.in_thread = False
            raise
        self.in_thread = False  # Where the wait is cancelled it stays true: the thread goes on.
        return result
