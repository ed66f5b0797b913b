"""The ids of a message's users: they follow from the first, each a TypeID of a UUIDv7, in the order of the rows."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from typeid.base32 import decode

from services.transfer.ids import Ids

_MADE_AT = st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def number(user_id: str) -> UUID:
    prefix, suffix = user_id.split("_")
    assert prefix == "user"
    return UUID(bytes=bytes(decode(suffix)))


@given(st.sets(st.integers(0, 999), min_size=2), _MADE_AT)
def test_ids_of_a_chunk_follow_from_the_first(indices: set[int], created_at: datetime | None) -> None:
    ids = Ids.drawn()
    made = [ids.of(index, created_at) for index in sorted(indices)]
    assert made == [Ids(UUID(str(ids.first))).of(index, created_at) for index in sorted(indices)]
    assert made == sorted(set(made))
    assert {number(each).version for each in made} == {7}
    assert ids.first not in {number(each) for each in made}, "the first is not used"


def test_ids_of_two_chunks_do_not_overlap() -> None:
    firsts = {Ids.drawn().first for _ in range(1000)}
    assert len(firsts) == 1000
    assert all(first.int % (1 << 20) == 0 for first in firsts)
