"""What a client demands of its next query, after replies with numbers and with opaque positions."""

from denizen import headers as h
from denizen.seen import Seen

A, B = (f"-{number:0116d}" for number in (7, 8))


def demanded(seen: Seen) -> str | None:
    return seen.demand().get(h.MIN_POSITION)


def test_seen_numbers_demand_the_largest() -> None:
    seen = Seen()
    assert demanded(seen) is None
    for position in ("7", "9", "8", None):
        seen.note(position, seen.mark(), covers=False)
    assert demanded(seen) == "9"
    seen.number(12)
    assert demanded(seen) == "12"


def test_seen_opaque_positions_in_turn_demand_the_last() -> None:
    seen = Seen()
    for position in (A, B):
        seen.note(position, seen.mark(), covers=True)
    assert demanded(seen) == B


def test_seen_opaque_positions_that_crossed_demand_latest() -> None:
    seen = Seen()
    first, second = seen.mark(), seen.mark()
    seen.note(B, second, covers=True)
    seen.note(A, first, covers=True)
    assert demanded(seen) == h.LATEST
    seen.note(A, seen.mark(), covers=True)
    assert demanded(seen) == A, "a later reply shows both"


def test_seen_number_beside_an_opaque_position_demands_latest() -> None:
    seen = Seen()
    seen.note(A, seen.mark(), covers=True)
    seen.note("3", seen.mark(), covers=False)
    assert demanded(seen) == h.LATEST
    seen.note("9", seen.mark(), covers=True)
    assert demanded(seen) == "9", "a query that demanded all has shown all"
    seen.number(11)
    seen.note(B, seen.mark(), covers=True)
    assert demanded(seen) == B


def test_seen_query_that_crossed_a_write_covers_nothing() -> None:
    seen = Seen()
    before = seen.mark()
    seen.note(A, seen.mark(), covers=True)
    seen.note("9", before, covers=True)
    assert demanded(seen) == h.LATEST


def test_seen_latest_is_demanded_until_a_query_has_shown_it() -> None:
    seen = Seen()
    seen.latest()
    seen.note("7", seen.mark(), covers=False)
    assert demanded(seen) == h.LATEST, "a command shows nothing of what others wrote"
    before = seen.mark()
    seen.latest()
    seen.note("8", before, covers=True)
    assert demanded(seen) == h.LATEST, "this query was sent before"
    seen.note("9", seen.mark(), covers=True)
    assert demanded(seen) == "9"
