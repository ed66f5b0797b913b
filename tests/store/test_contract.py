"""What an event store does, whichever keeps the log."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.domain.claim_kinds import Claim
from services.domain.effects import Effects
from services.domain.snapshots import Snapshot
from services.domain.streams import StoredEvent, logins_of
from services.eventstore.log.store import (
    Append,
    Appended,
    ClaimTaken,
    EventStore,
    Log,
    Outcome,
    Repeated,
    Result,
    StaleVersion,
)
from services.eventstore.log.tails import PAGE, Tail, Wanted
from tests.support.log import AT, append, event, user_id

X: Claim = ("email", "x@example.com")
Y: Claim = ("email", "y@example.com")
NAME: Claim = ("externalId", "name")
NOTHING = {"error": {"code": "invalid_transition", "message": "no", "details": [1]}}
A, B, C = sorted((user_id(), user_id(), user_id()))


async def do(store: EventStore, *batch: Append) -> list[Result]:
    return await store.append(batch)


async def one(store: EventStore, append: Append) -> Result:
    (result,) = await store.append([append])
    return result


def places(events: list[StoredEvent]) -> list[tuple[int, str, int]]:
    return [(each.position, each.stream, each.version) for each in events]


async def users(store: Log, until: int, *between: str) -> list[tuple[int, str, int]]:
    told = [each async for some in store.users(until, *between) for each in some]
    return [(each.position, each.stream, each.version) for each in told]


# --- append and read --------------------------------------------------------------------------------------------


async def test_empty_log_has_no_events(store: EventStore) -> None:
    assert await store.head() == 0
    assert await store.read(0, 10) == []
    assert await store.load([Wanted(A)]) == [Tail(A)]
    assert await store.load([]) == []
    assert await store.load_as_of(A, AT) == Tail(A)
    assert await store.outcomes(["c1"]) == {}
    assert await store.append([]) == []


async def test_event_survives_a_round_trip(store: EventStore) -> None:
    private = {"email": "Zoë@example.com", "nested": {"list": [1, 1.5, True, None, "\u2028'\"\\"]}, "big": 2**53 + 1}
    new = event(1, private)
    new.public = {"userId": A, "changed": ["é"], "n": 1}
    metadata = {"commandId": "c1", "actor": "admin"}
    assert await one(store, Append(A, 0, [new], metadata, AT)) == Appended(1)
    (stored,) = await store.read(0, 10)
    assert stored == StoredEvent(1, new.event_id, A, 1, "UserUpdated", 1, new.public, private, metadata, AT)
    assert isinstance(stored.event_id, UUID)
    assert repr(stored.private) == repr(private)
    assert stored.recorded_at.utcoffset() == AT.utcoffset()
    assert await store.load([Wanted(A)]) == [Tail(A, None, [stored])]


async def test_absent_private_data_differs_from_empty(store: EventStore) -> None:
    without, empty = event(1), event(2, {})
    without.private = None
    await one(store, Append(A, 0, [without, empty], {}, AT))
    assert [each.private for each in await store.read(0, 10)] == [None, {}]


async def test_read_by_user_returns_users_in_order(log: Log) -> None:
    """Each stream of theirs in order, the user's before that of their logins; up to a position, and some of them."""
    await do(log, append(B), append(A, 0, 2), append(C), append(logins_of(A)), append(A, 2))
    await do(log, append(logins_of(A), 1))
    whole = [(2, A, 1), (3, A, 2), (6, A, 3), (5, logins_of(A), 1), (7, logins_of(A), 2), (1, B, 1), (4, C, 1)]
    assert await users(log, 99) == whole
    assert await users(log, 5) == [place for place in whole if place[0] <= 5]
    assert await users(log, 99, B) == [(1, B, 1), (4, C, 1)]
    assert await users(log, 99, A, B) == whole[:5]
    assert await users(log, 0) == []
    assert await log.middle(7) == A
    (told,) = [each async for some in log.users(1) for each in some]
    assert (told.user_id, told.type, told.public, told.private) == (
        B,
        "UserUpdated",
        {"number": 1},
        {"note": "private 1"},
    )
    assert told.recorded_at == AT


async def test_read_of_a_long_stream_comes_in_pieces(log: Log) -> None:
    """A user's own too, which may be longer than memory."""
    await do(log, append(A, 0, 990), append(logins_of(A), 0, 2400), append(B, 0, 1200), append(C, 0, 3))
    pieces = [[(each.stream, each.version) for each in some] async for some in log.users(99_999)]
    assert max(map(len, pieces)) <= 1000
    counts = ((A, 990), (logins_of(A), 2400), (B, 1200), (C, 3))
    expected = [(stream, version) for stream, count in counts for version in range(1, count + 1)]
    assert [place for some in pieces for place in some] == expected


async def test_erased_user_is_not_read(log: Log) -> None:
    await do(log, append(A, 0, 2), append(B), append(logins_of(B)))
    erasing = append(B, 1)
    erasing.events[0].private, erasing.effects = None, Effects(erase=True)
    await one(log, erasing)
    assert await users(log, 99) == [(1, A, 1), (2, A, 2)]


async def test_erased_user_keeps_no_digest(store: EventStore) -> None:
    refusal = {"error": {"code": "version_conflict"}}
    asked = append(A, command_id="c1"), append(B, command_id="c2"), append(B, 1, 0, command_id="c3", refusal=refusal)
    await do(store, *(replace(each, digest=b"x" * 32) for each in asked))
    erasing = append(B, 1)
    erasing.events[0].private, erasing.effects = None, Effects(erase=True)
    await one(store, erasing)
    found = await store.outcomes(["c1", "c2", "c3"])
    assert [found[key].digest for key in ("c1", "c2", "c3")] == [b"x" * 32, None, None]
    assert [found[key].user_id for key in ("c1", "c2", "c3")] == [A, B, None]


async def test_positions_are_contiguous_over_batches_and_streams(store: EventStore) -> None:
    assert await do(store, append(A, 0, 2), append(B), append(A, 2, 3)) == [Appended(2), Appended(3), Appended(6)]
    assert await one(store, append(B, 1)) == Appended(7)
    assert places(await store.read(0, 100)) == [
        (1, A, 1),
        (2, A, 2),
        (3, B, 1),
        (4, A, 3),
        (5, A, 4),
        (6, A, 5),
        (7, B, 2),
    ]
    assert await store.head() == 7


async def test_read_is_bounded_and_resumable(store: EventStore) -> None:
    await do(store, append(A, 0, 5))
    assert [each.position for each in await store.read(0, 2)] == [1, 2]
    assert [each.position for each in await store.read(2, 2)] == [3, 4]
    assert [each.position for each in await store.read(4, 2)] == [5]
    assert await store.read(5, 2) == []
    assert await store.read(99, 2) == []


async def test_streams_are_loaded_separately(store: EventStore) -> None:
    logins = f"{A}/logins"
    await do(store, append(A, 0, 2), append(B), append(logins, 0, 0))
    await one(store, append(logins))
    of_a, of_logins, of_c = await store.load([Wanted(A), Wanted(logins), Wanted(C)])
    assert places(of_a.events) == [(1, A, 1), (2, A, 2)]
    assert places(of_logins.events) == [(4, logins, 1)]
    assert {each.user_id for each in of_logins.events} == {A}
    assert of_c == Tail(C)


async def test_stream_is_loaded_from_its_newest_snapshot(store: EventStore) -> None:
    """The newest up to the version or the time that is wanted; an older one where that is wanted."""
    later = AT + timedelta(seconds=1)
    await one(store, replace(append(A, 0, 3), snapshot={"n": 3}))
    await one(store, replace(append(A, 3, 2), snapshot={"n": 5}, at=later))
    await do(store, append(B, 0, 2), replace(append(A, 5), at=later))
    three, five = Snapshot(3, 3, AT, {"n": 3}), Snapshot(5, 5, later, {"n": 5})
    asked = [Wanted(A), Wanted(B), Wanted(A, until=4), Wanted(A, until=2), Wanted(A, 5), Wanted(A, 3), Wanted(A, 6)]
    found = await store.load([*asked, Wanted(A, 1, 4, events_alone=True)])
    assert [(tail.stream, tail.snapshot, [each.version for each in tail.events]) for tail in found] == [
        (A, five, [6]),
        (B, None, [1, 2]),
        (A, three, [4]),
        (A, None, [1, 2]),
        (A, None, [6]),
        (A, five, [6]),
        (A, None, []),
        (A, None, [2, 3, 4]),
    ]
    assert all(tail.whole and not tail.erased for tail in found)
    then, now = await store.load_as_of(A, AT), await store.load_as_of(A, later)
    assert (then.snapshot, then.events) == (three, [])
    assert (now.snapshot, [each.version for each in now.events]) == (five, [6])
    assert await store.load_as_of(A, AT - timedelta(seconds=1)) == Tail(A)


async def test_snapshot_stored_later_is_used(store: EventStore) -> None:
    await do(store, append(A, 0, 4), append(B, 0, 2))
    kept = [Snapshot(2, 2, AT, {"n": 2}), Snapshot(3, 3, AT, {"n": 3})]
    await store.keep(A, kept)
    await store.keep(A, kept[:1])
    await store.keep(A, [])
    (tail,) = await store.load([Wanted(A)])
    assert (tail.snapshot, [each.version for each in tail.events]) == (kept[1], [4])


async def test_long_stream_is_loaded_page_by_page(store: EventStore) -> None:
    await one(store, append(A, 0, PAGE + 3))
    (first,) = await store.load([Wanted(A)])
    assert ([each.version for each in first.events], first.whole) == ([*range(1, PAGE + 1)], False)
    (rest,) = await store.load([Wanted(A, PAGE)])
    assert ([each.version for each in rest.events], rest.whole) == ([*range(PAGE + 1, PAGE + 4)], True)
    as_of = [await store.load_as_of(A, AT, after) for after in (0, PAGE)]
    assert [(len(tail.events), tail.whole) for tail in as_of] == [(PAGE, False), (3, True)]


async def test_snapshot_of_a_failed_append_is_not_kept(store: EventStore) -> None:
    await one(store, append(A, 0, 2))
    assert await one(store, replace(append(A, 1, 2), snapshot={"n": 3})) == StaleVersion()
    (tail,) = await store.load([Wanted(A)])
    assert (tail.snapshot, len(tail.events)) == (None, 2)


async def test_erased_user_loads_the_last_event_only(store: EventStore) -> None:
    await one(store, replace(append(A, 0, 3), snapshot={"n": 3}))
    erasing = append(A, 3)
    erasing.events[0].private, erasing.effects = None, Effects(erase=True)
    await one(store, erasing)
    await store.keep(A, [Snapshot(3, 3, AT, {"n": 3})])
    for tail in (*await store.load([Wanted(A), Wanted(A, until=9)]), await store.load_as_of(A, AT)):
        assert (tail.snapshot, places(tail.events), tail.erased) == (None, [(4, A, 4)], True)
    (earlier,) = await store.load([Wanted(A, until=2)])
    assert (earlier.snapshot, places(earlier.events), earlier.erased) == (None, [(2, A, 2)], True)


# --- versions ---------------------------------------------------------------------------------------------------


async def test_append_with_stale_version_conflicts(store: EventStore) -> None:
    await one(store, append(A, 0, 2))
    for expected in (0, 1, 3):
        assert await one(store, append(A, expected)) == StaleVersion()
        assert await one(store, append(A, expected, 0)) == StaleVersion()
    assert await one(store, append(B, 1)) == StaleVersion()
    assert await store.head() == 2
    assert await one(store, append(A, 2)) == Appended(3)


async def test_failed_start_of_a_stream_changes_nothing(store: EventStore) -> None:
    await one(store, append(A))
    assert await do(store, append(A, 0), append(B), append(B, 0)) == [StaleVersion(), Appended(2), StaleVersion()]
    await do(store, append(A, 1), append(B, 1))
    notes = [each.private and each.private["note"] for each in await store.read(0, 10)]
    assert notes == ["private 1", "private 1", "private 2", "private 2"]


async def test_conflict_fails_its_own_append_only(store: EventStore) -> None:
    await one(store, append(A))
    batch = [append(B), append(A, 0), append(C), append(A, 5), append(A, 1)]
    assert await do(store, *batch) == [Appended(2), StaleVersion(), Appended(3), StaleVersion(), Appended(4)]
    assert places(await store.read(1, 10)) == [(2, B, 1), (3, C, 1), (4, A, 2)]


async def test_append_after_a_failed_one_of_its_stream_fails(store: EventStore) -> None:
    await do(store, append(A), append(B, 0, 1, take=[X]))
    batch = [append(A, 4), append(A, 5), append(C, 0, take=[X]), append(C, 1), append(B, 1)]
    assert await do(store, *batch) == [
        StaleVersion(),
        StaleVersion(),
        ClaimTaken("email"),
        StaleVersion(),
        Appended(3),
    ]


@pytest.mark.parametrize("why", ["version", "claim", "id"])
async def test_append_after_a_lost_race_in_its_stream_fails(store: EventStore, why: str) -> None:
    """Their versions fit, but they were decided on events that are not in the log."""
    await do(store, append(A, 0, 2, command_id="c1"), append(B, 0, 1, take=[X]))
    failed = {
        "version": append(A, 1),
        "claim": append(A, 1, take=[X]),
        "id": append(A, 1, command_id="c1"),
    }[why]
    reasons = {"version": StaleVersion(), "claim": ClaimTaken("email"), "id": Repeated()}
    change, login, refusal = append(A, 2), append(logins_of(A)), append(A, 2, 0, command_id="c2", refusal={"error": {}})
    login.requires = 2
    built = [replace(each, pending=True) for each in (refusal, login, change, append(A, 3))]
    assert await do(store, failed, *built, append(C)) == [reasons[why], *[StaleVersion()] * 4, Appended(4)]
    assert await store.outcomes(["c2"]) == {}
    assert await one(store, append(A, 2)) == Appended(5)


async def test_failed_append_leaves_nothing(store: EventStore) -> None:
    await do(store, append(A, 0, take=[X]))
    assert await one(store, append(B, 3, take=[Y], command_id="c1")) == StaleVersion()
    assert await one(store, append(B, 0, take=[NAME, X], command_id="c2")) == ClaimTaken("email")
    assert await one(store, append(A, 7, 0, release=[X])) == StaleVersion()
    assert await store.outcomes(["c1", "c2"]) == {}
    assert await do(store, append(C, 0, take=[Y, NAME])) == [Appended(2)]
    assert await do(store, append(B, 0, take=[X])) == [ClaimTaken("email")]
    assert await store.head() == 2


async def test_empty_append_succeeds_if_the_version_holds(store: EventStore) -> None:
    await one(store, append(A))
    assert await do(store, append(A, 1, 0), append("", 0, 0)) == [Appended(0), Appended(0)]
    assert await store.head() == 1


# --- claims -----------------------------------------------------------------------------------------------------


async def test_claim_belongs_to_one_user(store: EventStore) -> None:
    assert await one(store, append(A, 0, take=[X])) == Appended(1)
    assert await one(store, append(B, 0, take=[X])) == ClaimTaken("email")
    assert await one(store, append(B, 0, take=[("externalId", X[1])])) == Appended(2)
    assert await one(store, append(C, 0, take=[Y, NAME])) == Appended(3)
    assert await one(store, append(B, 1, take=[NAME])) == ClaimTaken("externalId")
    assert await one(store, append(B, 1, take=[NAME, X])) == ClaimTaken("email")


async def test_claim_twice_in_a_batch_goes_to_the_first(store: EventStore) -> None:
    batch = [append(A, 0, take=[X]), append(B, 0, take=[X]), append(C, 0, take=[Y])]
    assert await do(store, *batch) == [Appended(1), ClaimTaken("email"), Appended(2)]


async def test_several_taken_claims_name_the_first(store: EventStore) -> None:
    other: Claim = ("identity", "other")
    await one(store, append(A, 0, take=[X]))
    batch = [append(B, 0, take=[NAME]), append(C, 0, take=[X, NAME])]
    assert await do(store, *batch) == [Appended(2), ClaimTaken("email")]
    assert (
        await do(store, append(C, 0, take=[NAME, X]), append(user_id(), 0, take=[X, NAME])) == [ClaimTaken("email")] * 2
    )
    batch = [append(C, 0, take=[NAME, other]), append(user_id(), 0, take=[X, NAME])]
    assert await do(store, *batch) == [ClaimTaken("externalId"), ClaimTaken("email")]


async def test_claim_of_a_failed_append_goes_to_the_next(store: EventStore) -> None:
    batch = [append(A, 3, take=[X]), append(B, 0, take=[X]), append(C, 0, take=[X])]
    assert await do(store, *batch) == [StaleVersion(), Appended(1), ClaimTaken("email")]


async def test_append_that_loses_one_claim_keeps_none(store: EventStore) -> None:
    await one(store, append(A, 0, take=[NAME]))
    batch = [append(B, 0, take=[X, NAME]), append(C, 0, take=[X])]
    assert await do(store, *batch) == [ClaimTaken("externalId"), Appended(2)]


async def test_freed_claim_can_be_taken(store: EventStore) -> None:
    await one(store, append(A, 0, take=[X]))
    assert await one(store, append(A, 1, take=[Y], release=[X])) == Appended(2)
    assert await do(store, append(B, 0, take=[X]), append(C, 0, take=[Y])) == [Appended(3), ClaimTaken("email")]


async def test_claim_of_another_user_cannot_be_freed(store: EventStore) -> None:
    await do(store, append(A, 0, take=[X]), append(B))
    assert await one(store, append(B, 1, release=[X])) == Appended(3)
    assert await one(store, append(C, 0, take=[X])) == ClaimTaken("email")


async def test_claim_freed_and_taken_in_one_batch_moves(store: EventStore) -> None:
    await do(store, append(A, 0, take=[X]), append(B))
    batch = [append(B, 1, take=[X]), append(A, 1, release=[X]), append(C, 0, take=[X])]
    assert await do(store, *batch) == [ClaimTaken("email"), Appended(3), Appended(4)]


async def test_claim_taken_and_freed_in_one_batch_is_free(store: EventStore) -> None:
    batch = [append(A, 0, take=[X]), append(A, 1, take=[Y], release=[X]), append(A, 2, take=[X], release=[Y])]
    assert await do(store, *batch) == [Appended(1), Appended(2), Appended(3)]
    assert await do(store, append(B, 0, take=[Y]), append(C, 0, take=[X])) == [Appended(4), ClaimTaken("email")]


# --- command ids ------------------------------------------------------------------------------------------------


async def test_command_id_runs_once(store: EventStore) -> None:
    assert await one(store, append(A, 0, 2, command_id="c1")) == Appended(2)
    assert await one(store, append(B, 0, command_id="c1")) == Repeated()
    assert await one(store, append(A, 9, take=[X], command_id="c1")) == Repeated()
    assert await store.outcomes(["c1", "c2"]) == {"c1": Outcome(A, 2, None)}
    assert await store.head() == 2


async def test_outcome_holds_operation_and_digest(store: EventStore) -> None:
    named = [replace(append(A, 0, command_id="c1"), operation="CreateUser"), append(B, 0, command_id="c2")]
    refused = replace(append("", 0, 0, command_id="c3", refusal=NOTHING), operation="BlockUser")
    await do(store, *named, refused)
    outcomes = await store.outcomes(["c1", "c2", "c3"])
    assert {id: outcome.operation for id, outcome in outcomes.items()} == {
        "c1": "CreateUser",
        "c2": None,
        "c3": "BlockUser",
    }


async def test_copies_in_one_batch_run_once(store: EventStore) -> None:
    batch = [append(user, 0, take=[X], command_id="c1") for user in (A, B, C)]
    assert await do(store, *batch, append(user_id(), command_id="c2")) == [
        Appended(1),
        Repeated(),
        Repeated(),
        Appended(2),
    ]


async def test_copy_runs_when_the_first_fails(store: EventStore) -> None:
    batch = [append(A, 3, command_id="c1"), append(B, 0, command_id="c1"), append(C, 0, command_id="c1")]
    assert await do(store, *batch) == [StaleVersion(), Appended(1), Repeated()]
    assert await store.outcomes(["c1"]) == {"c1": Outcome(B, 1, None)}


async def test_outcomes_without_events_are_kept(store: EventStore) -> None:
    await one(store, append(A, 0, 3))
    batch = [append(A, 3, 0, command_id="c1"), append("", 0, 0, command_id="c2", refusal=NOTHING)]
    assert await do(store, *batch) == [Appended(0), Appended(0)]
    assert await store.outcomes(["c1", "c2"]) == {"c1": Outcome(A, 3, None), "c2": Outcome(None, None, NOTHING)}
    assert await do(store, append(B, command_id="c1"), append(C, command_id="c2")) == [Repeated(), Repeated()]


async def test_refusal_is_kept_only_at_the_expected_version(store: EventStore) -> None:
    await one(store, append(A, 0, 2))
    assert await one(store, append(A, 1, 0, command_id="c1", refusal=NOTHING)) == StaleVersion()
    assert await store.outcomes(["c1"]) == {}
