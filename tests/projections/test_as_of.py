"""Hypothesis: GetUser `asOf` is the fold of the log to that moment, at every moment of a history."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import orjson
import pytest
from denizen import messages as m
from hypothesis import HealthCheck, given, settings

from services.directory.history import Histories
from services.domain.streams import StoredEvent
from services.domain.values import rfc3339
from services.eventstore.log.memory import MemoryEventStore
from tests.support.accounts import Json
from tests.support.read_side import BATCHES, ReadSide, commanded, folded, shown


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES)
def test_as_of_equals_the_fold_to_that_moment(
    runner: asyncio.Runner, database_url: str, batches: list[list[tuple[str, Json]]]
) -> None:
    runner.run(_check(database_url, batches))


async def _check(database_url: str, batches: list[list[tuple[str, Json]]]) -> None:
    store = MemoryEventStore()
    stored = await commanded(batches, store)
    read_side = ReadSide(database_url)
    await read_side.empty()
    if stored:
        await read_side.apply(stored)
    histories = Histories(store, read_side.database)
    deleted = {event.user_id for event in stored if event.type == "UserDeleted"}
    for moment in _moments(stored):
        then = [event for event in stored if event.recorded_at <= moment]
        there = {user.id: shown(then, user) for user in folded(then) if user.id not in deleted}
        for user_id in {event.user_id for event in stored}:
            _, body = await histories.as_of(m.GetUser(user_id=user_id, as_of=rfc3339(moment)))
            assert (body and orjson.loads(body)) == there.get(user_id)
    await read_side.close()


def _moments(stored: Sequence[StoredEvent]) -> list[datetime]:
    """At each event, and just before it."""
    times = {event.recorded_at for event in stored}
    return sorted(times | {at - timedelta(microseconds=1) for at in times})


def test_as_of_names_the_position_of_the_shown_logins(runner: asyncio.Runner, database_url: str) -> None:
    runner.run(_check_behind(database_url))


async def _check_behind(database_url: str) -> None:
    """The projector is behind the log by a login."""
    store = MemoryEventStore()
    created = ("CreateUser", {"email": "ada@example.com", "emailVerified": True})
    stored = await commanded([[created], [("LogIn", {"userId": 0, "ip": None})]], store)
    assert [event.type for event in stored] == ["UserCreated", "LoginSucceeded"]
    read_side = ReadSide(database_url)
    await read_side.empty()
    histories = Histories(store, read_side.database)
    asked = m.GetUser(user_id=stored[0].user_id, as_of=rfc3339(stored[-1].recorded_at))
    for applied, count in ((1, 0), (2, 1)):
        await read_side.apply(stored[applied - 1 : applied])
        position, body = await histories.as_of(asked)
        assert (position, orjson.loads(body or b"")["loginCount"]) == (applied, count)
    await read_side.close()
