"""The pace of an import: full speed while no other process appends, otherwise with rests."""

import asyncio
import time

_ALONE, _BESIDE_OTHERS = 500, 64
"""Rows of one append: other processes wait for the head of the log as long as the append takes."""
_OTHERS_SECONDS = 2.0
"""Another process is taken to be appending for so long after it did: batches are small, and a rest follows each."""
_REST = 1.0
"""The length of such a rest, in relation to the time that the batch took."""
_LONGEST_REST = 0.25  # seconds


class Pace:
    """Notices other processes by the positions of the log: they go up by more than was appended here."""

    def __init__(self) -> None:
        self._position = 0
        self._counted = self._met = float("-inf")
        self._resumed = time.monotonic()

    @property
    def rows(self) -> int:
        """How many to append at once."""
        return _BESIDE_OTHERS if self._others_append() else _ALONE

    def _others_append(self) -> bool:
        """Whether another process appended lately."""
        return time.monotonic() - self._met < _OTHERS_SECONDS

    def appended(self, count: int, position: int) -> None:
        """Note that `count` events were appended here, the last at this position."""
        now = time.monotonic()
        if now - self._counted < _OTHERS_SECONDS and position - count != self._position:
            self._met = now
        self._position, self._counted = position, now

    def lose_count(self) -> None:
        """Note that events were appended here which were not counted."""
        self._counted = float("-inf")

    async def rest(self) -> None:
        """Leave the machine to the others, where there are others."""
        worked = time.monotonic() - self._resumed
        if self._others_append():
            await asyncio.sleep(min(_REST * worked, _LONGEST_REST))
        self._resumed = time.monotonic()
