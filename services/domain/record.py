"""Recording: what is stored of a decision. Commands and imports are recorded alike.

The caller adds what the domain does not know: the id of the command, and who asked for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.domain import snapshots
from services.domain.claim_kinds import Claim
from services.domain.commands import Command
from services.domain.decision import Facts
from services.domain.effects import Effects, effects_of
from services.domain.events import AnyEvent, LoginFailed, LoginSucceeded, SessionsRevoked, encode
from services.domain.fold import evolve
from services.domain.state import UserState
from services.domain.streams import NewEvent
from services.domain.user import UserAggregate
from services.domain.values import Json

_OF_LOGINS = (LoginSucceeded, LoginFailed, SessionsRevoked)


@dataclass(slots=True)
class Record:
    """A decision in the form in which it is stored, as a whole or not at all.

    Attributes:
        after: the user's state after it.
        at: when it was decided.
        take, release: claims that the user takes and frees.
        snapshot: the user after it, where one is due.
    """

    after: UserState
    events: Sequence[NewEvent]
    at: datetime
    take: frozenset[Claim]
    release: frozenset[Claim]
    effects: Effects | None
    snapshot: Json | None


def record(
    before: UserState,
    command: Command,
    decided: Sequence[AnyEvent],
    facts: Facts,
    *,
    now: datetime,
    new_id: Callable[[], UUID],
) -> Record:
    """Make the record of the events that a command led to. `new_id`: draws the id of an event."""
    user = before.user
    # Clocks differ between machines; a user's history never runs backwards.
    at = now if user is None else max(now, user.recorded_at)
    after, events = _happened(before, decided, at, new_id)
    held, wanted = before.claims, after.claims
    return Record(
        after=after,
        events=events,
        at=at,
        take=wanted - held,
        release=held - wanted,
        effects=effects_of(command, decided, user, after.user, facts=facts, at=at),
        snapshot=snapshots.due(before.version, after.user),
    )


def _happened(
    before: UserState, decided: Sequence[AnyEvent], at: datetime, new_id: Callable[[], UUID]
) -> tuple[UserState, Sequence[NewEvent]]:
    """The state after the events, and the events as they are stored."""
    user, version, logins = before.user, before.version, before.logins
    last: UserAggregate | None = user
    events: list[NewEvent] = []
    for event in decided:
        if isinstance(event, _OF_LOGINS):
            logins += 1
        else:
            user = evolve(user, event, before.user_id, at)
            version += 1
        last = user or last  # A deleted user's last status.
        assert last
        events.append(encode(event, before.user_id, version, last.status, new_id()))
    pending = before.pending or bool(events)
    return UserState(before.user_id, user, version, before.position, logins, pending, before.gone), events
