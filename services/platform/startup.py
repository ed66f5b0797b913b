"""The start of a service: it reports what the service waits for, and gives up after a time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import NoReturn

from services.platform.settings import Settings

log = logging.getLogger(__name__)

SECONDS = 60
"""How long a service waits for one thing before it ends: containers start in any order."""
_CHECK_SECONDS = 0.5

Run = Callable[[Settings, asyncio.Event, Callable[[], None]], Awaitable[None]]
"""`run(settings, stop, ready)`: connects, calls `ready` once it answers, returns drained after `stop` is set."""


class CannotStart(Exception):
    """A program does not start; the text tells the operator why, and what to do."""


class ServiceStart:
    """How far the start of the service has come that runs here."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self.is_ready = asyncio.Event()
        self._notify = notify
        self._reason: str | None = None
        self._since: float | None = None
        self._failure: str | None = None

    def fail(self, reason: str) -> None:
        """End the service, where it is not ready yet."""
        if not self.is_ready.is_set():
            self._failure = reason

    def wait_for(self, reason: str | None, patient: bool) -> None:
        """Tell what is waited for, where that is news."""
        if self.is_ready.is_set() or reason == self._reason:
            return
        if reason is None or patient:
            self._since = None
        elif self._since is None:
            self._since = time.monotonic()
        self._reason = reason
        if reason is not None:
            log.warning("waiting", extra={"reason": reason})
            self._notify(f"STATUS={reason}")

    async def overdue(self) -> NoReturn:
        """Raises CannotStart where the service has failed or waited too long; else waits on, also when it is ready."""
        while self.is_ready.is_set() or self._since is None or time.monotonic() - self._since < SECONDS:
            await asyncio.sleep(_CHECK_SECONDS)
            if self._failure:
                raise CannotStart(self._failure)
        raise CannotStart(f"waited for {SECONDS} s: {self._reason}")


_start: ContextVar[ServiceStart | None] = ContextVar("start", default=None)


def begin(notify: Callable[[str], None]) -> ServiceStart:
    """The start of the service in this task and those that it begins; `notify` tells the supervisor (sd_notify)."""
    start = ServiceStart(notify)
    _start.set(start)
    return start


def waiting(reason: str | None, *, patient: bool = False) -> None:
    """Tell what the service that starts here waits for; None: it has come. Does nothing once the service is ready.

    The service ends after SECONDS of it, unless it is `patient`.
    """
    start = _start.get()
    if start is not None:
        start.wait_for(reason, patient)


def fail(reason: str) -> None:
    """End the service that starts here: waiting does not help. Does nothing once it is ready."""
    start = _start.get()
    if start is not None:
        start.fail(reason)
