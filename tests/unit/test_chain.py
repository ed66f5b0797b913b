"""The hash of a row: the same for the same row in another order of keys, another for any change."""

from datetime import timedelta, timezone
from typing import Any
from uuid import UUID

import orjson
import pytest

from services.eventstore.log.chain import START, link
from tests.support.log import AT

ROW: dict[str, Any] = {
    "position": 7,
    "event_id": UUID("01934a5e-0000-7000-8000-000000000000"),
    "stream": "user_1",
    "version": 2,
    "type": "UserBlocked",
    "schema_version": 1,
    "public": {"a": [1, 1.5, None, True, "ü"], "b": {"c": 1, "d": 2}},
    "private": "00ff",
    "metadata": {"commandId": "1"},
    "recorded_at": AT,
}
CHANGES: dict[str, Any] = {
    "position": 8,
    "event_id": UUID("01934a5e-0000-7000-8000-000000000001"),
    "stream": "user_2",
    "version": 3,
    "type": "UserUnblocked",
    "schema_version": 2,
    "public": {"a": [1, 1.5, None, True, "u"], "b": {"c": 1, "d": 2}},
    "private": None,
    "metadata": {"commandId": "2"},
    "recorded_at": AT + timedelta(microseconds=1),
}


def test_hash_of_a_known_row_never_changes() -> None:
    """Logs that exist are verified with it: a change needs a new version of it beside the old."""
    assert link(START, ROW).hex() == "92650e33ccdb8f7f2e08f2ec009766c07aae888bfd855c03e3804552d1ac7198"


@pytest.mark.parametrize("column", ROW)
def test_hash_covers_each_column(column: str) -> None:
    assert link(START, {**ROW, column: CHANGES[column]}) != link(START, ROW)


def test_hash_covers_the_row_before() -> None:
    assert link(link(START, ROW), ROW) != link(START, ROW)


def test_hash_survives_jsonb() -> None:
    """Which sorts keys by length and forgets their order."""
    public = orjson.loads(orjson.dumps({key: ROW["public"][key] for key in ("b", "a")}))
    again = {**dict(reversed(ROW.items())), "public": public}
    again["recorded_at"] = AT.astimezone(timezone(timedelta(hours=5)))
    assert link(START, again) == link(START, ROW)
