"""Arrays made by hand are what PostgreSQL takes them for."""

from datetime import UTC, datetime
from typing import Any

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from services.eventstore.log import arrays

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_MADE: list[tuple[str, Any, SearchStrategy[Any]]] = [
    ("bigint", arrays.bigints, st.integers(-(2**63), 2**63 - 1)),
    ("smallint", arrays.smallints, st.integers(-(2**15), 2**15 - 1)),
    ("integer", arrays.integers, st.integers(-(2**31), 2**31 - 1)),
    ("text", arrays.texts, _TEXT),
    ("bytea", arrays.octets, st.none() | st.binary()),
    ("uuid", arrays.uuids, st.uuids()),
    ("jsonb", arrays.jsons, st.dictionaries(_TEXT, _JSON, max_size=4)),
    ("timestamptz", arrays.times, _TIMES),
]


def test_array_survives_a_round_trip(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:

        @settings(max_examples=100, deadline=None)
        @given(st.sampled_from(_MADE).flatmap(lambda made: st.tuples(st.just(made), st.lists(made[2], max_size=20))))
        def check(drawn: tuple[tuple[str, Any, Any], list[Any]]) -> None:
            (kind, make, _), items = drawn
            rows = connection.execute(
                f"select item from unnest(%s::{kind}[]) with ordinality as a (item, number) order by number",  # pyright: ignore[reportArgumentType]
                [make(items)],
                binary=True,
            ).fetchall()
            assert [item for (item,) in rows] == items

        check()
