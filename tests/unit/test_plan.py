"""Which appends of a batch share a transaction, and who waits for whom."""

from services.domain.claim_kinds import Claim
from services.eventstore.log.schedule import Schedule, schedule
from services.eventstore.log.store import Append
from tests.support.log import append

X: Claim = ("email", "x@example.com")
Y: Claim = ("email", "y@example.com")
SAME_VALUE: Claim = ("externalId", "x@example.com")


def planned(*batch: Append) -> Schedule:
    return schedule(batch, range(len(batch)))


def test_appends_of_different_users_share_a_transaction() -> None:
    batch = [append("a", take=[X]), append("b", take=[Y]), append("c", take=[SAME_VALUE], command_id="1"), append("d")]
    assert planned(*batch) == Schedule([0, 1, 2, 3], {})


def test_appends_of_one_stream_share_a_transaction() -> None:
    assert planned(append("a"), append("a", 1), append("a", 2)) == Schedule([0, 1, 2], {})


def test_copies_wait_for_the_first() -> None:
    assert planned(append("a", command_id="1"), append("b", command_id="1"), append("c", command_id="2")) == Schedule(
        [0, 2], {1: 0}
    )


def test_append_of_the_same_claim_waits() -> None:
    assert planned(append("a", take=[X]), append("b", take=[X]), append("c", take=[X])) == Schedule([0], {1: 0, 2: 1})


def test_append_of_a_claim_being_freed_waits() -> None:
    assert planned(append("a", 1, release=[X]), append("b", take=[X])) == Schedule([0], {1: 0})


def test_append_that_frees_a_wanted_claim_waits() -> None:
    """Else the one who came first would get what was not free yet."""
    assert planned(append("b", take=[X]), append("a", 1, release=[X])) == Schedule([0], {1: 0})


def test_take_and_free_in_one_batch_take_two_transactions() -> None:
    """All claims of a transaction are freed before any is taken."""
    assert planned(append("a", take=[X]), append("a", 1, take=[Y], release=[X])) == Schedule([0], {1: 0})


def test_append_after_a_waiting_one_of_its_stream_waits() -> None:
    batch = [append("a", take=[X]), append("b", take=[X]), append("b", 1), append("c")]
    assert planned(*batch) == Schedule([0, 3], {1: 0, 2: 1})


def test_refusals_without_a_stream_do_not_wait() -> None:
    batch = [append("", events=0, command_id="1"), append("", events=0, command_id="1"), append("", events=0)]
    assert planned(*batch) == Schedule([0, 2], {1: 0})


def test_only_given_appends_are_planned() -> None:
    batch = [append("a", take=[X]), append("b", take=[X]), append("c", take=[X])]
    assert schedule(batch, [1, 2]) == Schedule([1], {2: 1})
