"""The owner of a connection: the process and the event loop that used it first."""

from __future__ import annotations

import asyncio
import os

from denizen.errors import UsedAfterFork, WrongEventLoop

_FORKED = (
    "the client was used before this process was forked from process {parent}, and its connection is the parent's: "
    "make a client in the child (gunicorn: post_fork, Celery: worker_process_init)"
)


class OwnerProcess:
    """The process that used something first."""

    def __init__(self) -> None:
        self._pid = 0

    def enter(self) -> None:
        """Raises UsedAfterFork where another process used it first: its threads and sockets are not ours."""
        pid = os.getpid()
        if self._pid != pid:
            if self._pid:
                raise UsedAfterFork(_FORKED.format(parent=self._pid))
            self._pid = pid

    def is_here(self) -> bool:
        """Whether it is this process, or none yet."""
        return self._pid in (0, os.getpid())


class Owner:
    """The process and the event loop that used a connection first."""

    def __init__(self) -> None:
        self._process = OwnerProcess()
        self._loop: asyncio.AbstractEventLoop | None = None

    def is_new(self) -> bool:
        """Whether the loop that runs is another one than before; the one before has ended.

        Raises UsedAfterFork, and WrongEventLoop where the one before still runs.
        """
        self._process.enter()
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return False
        if self._loop is not None and not self._loop.is_closed():
            raise WrongEventLoop("the client is in use on another event loop that has not ended: make one for each")
        before, self._loop = self._loop, loop
        return before is not None

    def is_here(self) -> bool:
        """Whether this process and this loop use it."""
        return self._process.is_here() and self._loop is asyncio.get_running_loop()
