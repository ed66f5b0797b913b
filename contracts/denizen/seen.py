"""Remembers the newest log position that a client has seen, so that its queries show its own writes."""

from __future__ import annotations

from denizen import headers as h


class Seen:
    """The newest log position, as a number (for back ends) or opaque (for front ends and signed-in users).

    Numbers can be compared, and the largest counts. An opaque position can be compared with nothing: a reply's covers
    all that was noted before its request was sent, and where replies crossed, or there is a number too, queries demand
    what is committed when they arrive.
    """

    def __init__(self) -> None:
        self._number = 0
        self._opaque: str | None = None
        self._notes = 0

    def mark(self) -> int:
        """How much was noted so far: to be taken before a request is sent."""
        return self._notes

    def note(self, position: str | None, mark: int, *, covers: bool) -> None:
        """Note the header `Denizen-Position` of a reply, if it has one.

        `mark` is from before its request was sent. `covers`: the reply shows all that was noted by then. A back end's
        command that changed nothing may name an older position; every other reply with an opaque one, and every
        query's, does.
        """
        if position is None:
            return
        alone = covers and mark == self._notes
        if position.isdigit():
            self.number(int(position))
            if alone:
                self._opaque = None
            return
        self._notes += 1
        if alone:
            self._number, self._opaque = 0, position
        else:
            self._opaque = position if self._opaque is None else h.LATEST

    def number(self, position: int) -> None:
        """Note a position that is known as a number."""
        if position > self._number:
            self._number = position
            self._notes += 1

    def latest(self) -> None:
        """Demand, until a query has shown it, what is committed when a query arrives."""
        self._opaque = h.LATEST
        self._notes += 1

    def demand(self) -> dict[str, str]:
        """The header by which a query shows all of it."""
        if self._opaque is None:
            return {h.MIN_POSITION: str(self._number)} if self._number else {}
        return {h.MIN_POSITION: h.LATEST if self._number else self._opaque}
