"""The receipt of an erasure: the result of a search for traces of a user."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

_MOST_FAULTS = 20


@dataclass(slots=True)
class Place:
    """A place that was looked through.

    Attributes:
        searched: rows, messages or files; None where they were not counted.
        kept: those that name the user and may: `reason` says why.
        faults: what is left there and must not be, or why it could not be looked through; at most 20.
    """

    place: str
    searched: int | None = None
    kept: int = 0
    reason: str = ""
    faults: list[str] = field(default_factory=list[str])

    def fault(self, says: str) -> None:
        if len(self.faults) < _MOST_FAULTS and says not in self.faults:
            self.faults.append(says)


@dataclass(slots=True)
class Tombstone:
    """The last event of an erased user, UserDeleted: when, where in the log, and its hash in the chain (64 digits)."""

    deleted_at: datetime
    position: int
    hash: str


@dataclass(slots=True)
class Receipt:
    """The result. `tombstone` is None where the user is not deleted.

    Attributes:
        not_searched: what this command cannot look through, and what becomes of it.
    """

    user_id: str
    tombstone: Tombstone | None = None
    places: list[Place] = field(default_factory=list[Place])
    not_searched: Sequence[str] = ()

    @property
    def erased(self) -> bool:
        """The user is deleted, every place was looked through, and nothing is left in any."""
        return self.tombstone is not None and not any(place.faults for place in self.places)

    def body(self) -> dict[str, Any]:
        """The receipt as JSON."""
        tombstone = self.tombstone
        return {
            "userId": self.user_id,
            "erased": self.erased,
            "deletedAt": tombstone and tombstone.deleted_at.isoformat().replace("+00:00", "Z"),
            "position": tombstone and tombstone.position,
            "tombstoneHash": tombstone and tombstone.hash,
            "places": [asdict(place) for place in self.places],
            "notSearched": list(self.not_searched),
        }
