"""Which appends of a batch can share a transaction, and what becomes of those that cannot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.domain.claim_kinds import Claim
from services.eventstore.log.store import Append, Appended, ClaimTaken, Repeated, Result, StaleVersion


def unfounded(batch: Mapping[int, Append], results: Mapping[int, Result]) -> dict[int, Result]:
    """The results of appends that have none yet and build on events of the batch that were not stored.

    Their versions do not tell it: another process may have stored as many events in the same place meanwhile.
    """
    found: dict[int, Result] = {}
    failed: set[str] = set()
    for index, append in sorted(batch.items()):
        result = results.get(index)
        if result is None and append.pending and not failed.isdisjoint(append.versions):
            result = found[index] = StaleVersion()
        if append.events and not isinstance(result, Appended | None):
            failed.add(append.stream)
    return found


@dataclass(slots=True)
class Schedule:
    """Which appends of a batch can share a transaction: of those that touch one claim or bear one id, the first.

    A transaction frees all claims and then takes all, so it cannot hold two appends that touch the same one: a user
    who takes a claim and frees it again in one batch would keep it for ever. Likewise it ends all sessions and then
    begins all.
    """

    now: list[int] = field(default_factory=list[int])
    later: dict[int, int] = field(default_factory=dict[int, int])
    """Index of a later append, and of the last one before it that it must wait for."""


def schedule(batch: Sequence[Append], indices: Sequence[int]) -> Schedule:
    """Sort out which of the appends at `indices` to try first."""
    touched: dict[Claim | str, int] = {}
    waiting: dict[str, int] = {}
    result = Schedule()
    for index in indices:
        append = batch[index]
        touches: list[Claim | str] = [*append.take, *append.release]
        if append.command_id:
            touches.append(append.command_id)
        if append.effects:
            touches.append(f"secrets of {append.user_id}")
        rivals = [touched[each] for each in touches if each in touched]
        if waiting:  # It builds on one that waits.
            rivals += [waiting[stream] for stream in append.versions if stream in waiting]
        touched.update(dict.fromkeys(touches, index))
        if rivals:
            result.later[index] = max(rivals)
            if append.stream:
                waiting[append.stream] = index
        else:
            result.now.append(index)
    return result


def lost_to(loser: Append, winner: Append, result: Result) -> Result | None:
    """The result of an append that waited for another one of its batch; None where it can be tried now."""
    if loser.command_id is not None and loser.command_id == winner.command_id:
        return Repeated() if isinstance(result, Appended | Repeated) else None
    shared = loser.take & winner.take
    if isinstance(result, Appended):
        lost = shared
    elif isinstance(result, ClaimTaken):
        # The winner lost one of its claims to another user; the same one is lost to all who want it.
        lost = {claim for claim in winner.take if claim[0] == result.kind}
        lost = lost if len(lost) == 1 and lost <= shared else set[Claim]()
    else:
        return None
    kind = min(lost)[0] if lost else None
    # Of a kind that comes before by name, as in every store, it may have lost a claim to another user still.
    return ClaimTaken(kind) if kind is not None and kind == min(loser.take)[0] else None
