"""The interface of event stores: what is appended, and the results."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.domain.claim_kinds import Claim, ClaimKind
from services.domain.effects import Effects
from services.domain.snapshots import Snapshot
from services.domain.streams import FoldedEvent, NewEvent, StoredEvent, logins_of, user_of
from services.domain.values import Json
from services.eventstore.log.tails import Tail, Wanted


@dataclass(slots=True)
class Append:
    """The events of one command, and all that is stored with them or not at all.

    Attributes:
        stream: the stream that they belong to, or that the command was decided on; empty where there is none.
        expected: the version of the stream that the decision was based on; 0 for a new one.
        events: in order; none where the command changed nothing or was refused.
        metadata: kept with each event.
        at: when it was decided.
        take, release: claims that the user takes and frees.
        requires: the user's version that it was also based on, where `stream` is that of the user's logins.
        logins: the version of the stream of the user's logins that it was also based on, where `stream` is
            the user's own.
        effects: on passwords, codes, sessions and mails.
        operation: what the command with this id asks for; another one with the same id is no repeat.
        pending: it was decided on events of earlier appends of its batch: where those are not stored, it is not either.
        snapshot: what the stream has come to after the events (`Snapshot.state`), to be kept; None where none is due.
        command_id: where the caller named one, so that a repeat is recognised.
        refusal: the answer of a command that was refused, kept under its id.
        digest: of what the command with this id asks for (services/accounts/fingerprint.py).
        about: the user with whom the digest is erased, where `stream` is empty; or a claim, for the holder of that.
    """

    stream: str
    expected: int
    events: Sequence[NewEvent]
    metadata: Json
    at: datetime
    take: frozenset[Claim] = frozenset()
    release: frozenset[Claim] = frozenset()
    command_id: str | None = None
    refusal: Json | None = None
    requires: int | None = None
    logins: int | None = None
    effects: Effects | None = None
    operation: str | None = None
    digest: bytes | None = None
    snapshot: Json | None = None
    pending: bool = False
    about: str | Claim | None = None

    @property
    def user_id(self) -> str:
        return user_of(self.stream)

    @property
    def versions(self) -> dict[str, int]:
        """The streams that it was based on, and the version of each."""
        based = {self.stream: self.expected} if self.stream else {}
        if self.logins is not None:
            based[logins_of(self.stream)] = self.logins
        return based if self.requires is None else based | {self.user_id: self.requires}


@dataclass(slots=True)
class Appended:
    """Stored. `position` is that of its last event; 0 where it had none."""

    position: int


@dataclass(slots=True)
class StaleVersion:
    """Nothing stored: the stream has moved on since the decision; read it and decide again."""


@dataclass(slots=True)
class ClaimTaken:
    """Nothing stored: another user holds the claim."""

    kind: ClaimKind


@dataclass(slots=True)
class Repeated:
    """Nothing stored: a command with this id has run already."""


Result = Appended | StaleVersion | ClaimTaken | Repeated


@dataclass(slots=True)
class Outcome:
    """The outcome of a command: `refusal`, or the version of the user that its reply showed.

    `position` is that of what it added to the stream of the user's logins, if anything, and `logins` the version of
    that; `operation` and `digest` as of its append, but no `digest` once the user is erased.
    """

    user_id: str | None
    version: int | None
    refusal: Json | None
    position: int | None = None
    operation: str | None = None
    digest: bytes | None = None
    logins: int = 0


class OutcomeUnknown(Exception):
    """The log went out of reach in mid-commit: the appends are stored, or not; a repeat by command id tells."""


class EventStore(Protocol):
    """An append-only log with optimistic concurrency and claims. Methods raise DatabaseUnavailable, nothing done."""

    async def append(self, batch: Sequence[Append]) -> list[Result]:
        """Store each append of a batch or refuse it, alone; later ones of a batch may build on earlier ones.

        Raises OutcomeUnknown.
        """
        ...

    async def load(self, wanted: Sequence[Wanted]) -> list[Tail]:
        """Read the events of each of these parts of streams, in their order."""
        ...

    async def load_as_of(self, stream: str, at: datetime, after: int = 0) -> Tail:
        """Read the events of a stream up to a time, from version `after` on."""
        ...

    async def keep(self, stream: str, snapshots: Sequence[Snapshot]) -> None:
        """Keep snapshots of a user's stream; none where the user is erased."""
        ...

    async def tips(self, streams: Sequence[str]) -> dict[str, int]:
        """The version of each stream; one without events is absent."""
        ...

    async def read(self, after: int, limit: int) -> list[StoredEvent]:
        """At most `limit` events behind position `after`, in order, none missing in between."""
        ...

    async def head(self) -> int:
        """The position of the newest event; 0 in an empty log."""
        ...

    async def outcomes(self, command_ids: Sequence[str]) -> dict[str, Outcome]:
        """Read the outcomes of those of these commands that have run."""
        ...


END = "~"
"""Behind every user's id."""


class Log(EventStore, Protocol):
    """An EventStore that is also read user by user."""

    def users(self, until: int, first: str = "", end: str = END) -> AsyncGenerator[Sequence[FoldedEvent]]:
        """The events up to position `until` of users who are not erased, by user id; a thousand at a time at the most.

        Those of a user's own stream come first, then the logins. A user who is erased meanwhile may be there or
        not. Of the users from the id `first` on, before `end`.
        """
        ...

    async def middle(self, until: int) -> str:
        """The id of a user with about half of the events up to position `until` before theirs; the log is not empty."""
        ...
