"""Signals that wake other services, over core NATS: they may get lost, so a service that waits for one also polls."""

import asyncio
import contextlib
import time
from typing import Literal

from denizen.connection import taken
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from services.platform.settings import Settings

Topic = Literal["log", "applied", "mail"]
"""`log`: events were appended. `applied`: the projections moved on. `mail`: mails wait to be sent."""
POLL_SECONDS = 0.1
_REST_SECONDS = 0.01
_LONG_REST_SECONDS = 0.1
_MANY = 256
"""Events that no live traffic brings within a short rest: those of an import share what a batch costs by longer."""


class Signal:
    """Sends and awaits the signals of one topic in one cell."""

    def __init__(self, client: Client, settings: Settings, topic: Topic) -> None:
        self._client = client
        self._subject = f"denizen.signal.{settings.cell}.{topic}"
        self._signalled = asyncio.Event()

    async def send(self) -> None:
        """Never fails: a lost signal costs a poll's wait."""
        with contextlib.suppress(Error):
            await self._client.publish(self._subject)

    async def listen(self) -> None:
        """Raises nats.errors.Error."""
        await self._client.subscribe(self._subject, cb=self._on_signal)
        await taken(self._client)

    async def _on_signal(self, _: Msg) -> None:
        self._signalled.set()

    async def wait(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Wait until a signal has come since the last wait, or the poll's interval is over."""
        try:
            async with asyncio.timeout(poll_seconds):
                await self._signalled.wait()
        except TimeoutError:
            pass
        self._signalled.clear()


class Rest:
    """The pause after a batch: commits gather, and share what a batch costs whatever its size.

    As long as the batch took, 10 ms at most; where many came twice as long, 100 ms at most. Measured at 2,000 commands
    a second: half the delay of 20 ms for all, and at full load as many commands a second.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()

    async def take(self, events: int) -> None:
        """`events`: how many there were in the batch."""
        took = time.monotonic() - self._began
        await asyncio.sleep(min(2 * took, _LONG_REST_SECONDS) if events >= _MANY else min(took, _REST_SECONDS))
