"""The attempts of one request: how long they may go on, the pauses between them, and what to raise in the end."""

from __future__ import annotations

import asyncio
import random
import time

from denizen import errors

_LONGEST_PAUSE = 0.5


class Attempts:
    """The attempts of one request.

    Attributes:
        refusal: the error to raise when the time is over.
        sent: whether the request was sent at least once.
    """

    def __init__(self, until: float, gone: float | None) -> None:
        """`until`: a time of time.monotonic; `gone`: give up where no service listens for so many seconds."""
        self.refusal: errors.DenizenError = errors.NoAnswer("no answer")
        self.sent = False
        self._until = until
        self._gone_at = until if gone is None else time.monotonic() + gone
        self._pause = 0.02

    def left(self) -> float:
        """Seconds until the time is over."""
        return self._until - time.monotonic()

    def no_responders(self, reason: str) -> None:
        """Note that no service listens."""
        self.not_asked(errors.NoAnswer(reason))
        self._until = min(self._until, self._gone_at)

    def login_refused(self, refusal: errors.NoAnswer) -> errors.NoAnswer:
        """The error to raise where no server accepts the login again: its types say that nothing was done."""
        if not self.sent:
            return refusal
        return errors.NoAnswer(f"the request was sent, and may have been done; since then {refusal.message}")

    def not_asked(self, reason: errors.NoAnswer) -> None:
        """Note that this attempt reached no service. A refusal by a service says more, and is kept."""
        if isinstance(self.refusal, errors.NoAnswer):
            self.refusal = reason

    async def pause(self) -> None:
        """Wait before the next attempt. Raises TimeoutError where no time is left."""
        # Random, so that the clients do not all come back at the same moment after an outage.
        pause = min(self._pause * random.uniform(0.5, 1.5), self.left())  # noqa: S311
        if pause <= 0:
            raise TimeoutError
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        await asyncio.sleep(pause)
        if self.left() <= 0:
            raise TimeoutError
