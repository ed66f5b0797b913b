"""Which appends of a batch share a transaction, and who waits for whom."""

from services.domain.claims import Claim
from services.eventstore.log.store import Append, Plan, plan
from tests.support.log import append

X: Claim = ("email", "x@example.com")
Y: Claim = ("email", "y@example.com")
SAME_VALUE: Claim = ("externalId", "x@example.com")


def planned(*batch: Append) -> Plan:
    return plan(batch, range(len(batch)))


def test_strangers_go_together() -> None:
    batch = [append("a", take=[X]), append("b", take=[Y]), append("c", take=[SAME_VALUE], command_id="1"), append("d")]
    assert planned(*batch) == Plan([0, 1, 2, 3], {})


def test_two_of_one_stream_go_together() -> None:
    assert planned(append("a"), append("a", 1), append("a", 2)) == Plan([0, 1, 2], {})


def test_copies_wait_for_the_first() -> None:
    assert planned(append("a", command_id="1"), append("b", command_id="1"), append("c", command_id="2")) == Plan(
        [0, 2], {1: 0}
    )


def test_who_wants_the_same_waits_for_the_one_before() -> None:
    assert planned(append("a", take=[X]), append("b", take=[X]), append("c", take=[X])) == Plan([0], {1: 0, 2: 1})


def test_who_wants_what_another_frees_waits() -> None:
    assert planned(append("a", 1, release=[X]), append("b", take=[X])) == Plan([0], {1: 0})


def test_who_frees_what_another_wants_waits() -> None:
    """Else the one who came first would get what was not free yet."""
    assert planned(append("b", take=[X]), append("a", 1, release=[X])) == Plan([0], {1: 0})


def test_to_take_and_free_in_one_batch_takes_two_transactions() -> None:
    """All claims of a transaction are freed before any is taken."""
    assert planned(append("a", take=[X]), append("a", 1, take=[Y], release=[X])) == Plan([0], {1: 0})


def test_who_builds_on_one_that_waits_waits_too() -> None:
    batch = [append("a", take=[X]), append("b", take=[X]), append("b", 1), append("c")]
    assert planned(*batch) == Plan([0, 3], {1: 0, 2: 1})


def test_refusals_without_a_stream_do_not_wait_for_each_other() -> None:
    batch = [append("", events=0, command_id="1"), append("", events=0, command_id="1"), append("", events=0)]
    assert planned(*batch) == Plan([0, 2], {1: 0})


def test_only_the_given_ones_are_planned() -> None:
    batch = [append("a", take=[X]), append("b", take=[X]), append("c", take=[X])]
    assert plan(batch, [1, 2]) == Plan([1], {2: 1})
