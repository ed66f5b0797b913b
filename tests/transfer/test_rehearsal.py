"""A dry run is decided over the log as it would become, and changes nothing of it."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest_asyncio

from services.domain.claim_kinds import Claim
from services.eventstore.credentials.store import SecretStore
from services.eventstore.log.memory import MemoryEventStore
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import Append, Appended, ClaimTaken, EventStore, Repeated, StaleVersion
from services.eventstore.log.tails import PAGE, Wanted
from services.transfer.rehearsal import Rehearsal
from tests.support.log import AT, append, ring, settings, user_id

X: Claim = ("email", "x@example.com")
Y: Claim = ("email", "y@example.com")
A, B, C = (user_id() for _ in range(3))
BELOW = [append(A, 0, 3, take=[X]), append(B, 0, 2, command_id="c1"), replace(append(A, 3), snapshot={"n": 4})]
"""What is stored before the dry run."""
ABOVE = [
    append(A, 4, 2, take=[Y], release=[X]),
    append(C, 0, 1, take=[X]),
    replace(append(B, 2, 3, command_id="c2"), snapshot={"n": 5}),
]
PARTS = [
    Wanted(A),
    Wanted(B),
    Wanted(C),
    Wanted(A, 1, 5),
    Wanted(A, until=4),
    Wanted(A, 5),
    Wanted(B, 3),
    Wanted(B, 0, 2),
]


@pytest_asyncio.fixture
async def below(database_url: str) -> AsyncGenerator[PostgresEventStore]:
    store = PostgresEventStore(settings(database_url), ring(), "below")
    await store.append(BELOW)
    yield store
    await store.close()


@pytest_asyncio.fixture
async def rehearsal(database_url: str, below: PostgresEventStore) -> AsyncGenerator[Rehearsal]:
    claims = SecretStore(settings(database_url), ring(), "below")
    yield Rehearsal(below, claims)
    await claims.close()


async def shown(store: EventStore) -> object:
    """All that an event store tells of the streams and commands of this test."""
    parts = [*await store.load(PARTS), *[await store.load_as_of(user, AT) for user in (A, B, C)]]
    outcomes = await store.outcomes(["c1", "c2", "c3"])
    return (
        parts,
        await store.tips([A, B, C]),
        outcomes,
        await store.head(),
        await store.read(0, 99),
        await store.read(7, 2),
    )


async def test_rehearsal_shows_the_log_as_it_would_become(rehearsal: Rehearsal, below: PostgresEventStore) -> None:
    before = await shown(below)
    assert await shown(rehearsal) == before
    expected = MemoryEventStore()
    await expected.append(BELOW)
    assert await rehearsal.append(ABOVE) == await expected.append(ABOVE)
    assert await shown(rehearsal) == await shown(expected)
    assert await shown(below) == before, "nothing is stored"
    assert await rehearsal.holders([X, Y]) == {X: C, Y: A}


async def test_rehearsal_refuses_what_the_log_would_refuse(rehearsal: Rehearsal) -> None:
    batch = [append(A, 3), append(C, 0, take=[X]), append(C, 0, command_id="c1"), append(B, 2)]
    assert await rehearsal.append(batch) == [StaleVersion(), ClaimTaken("email"), Repeated(), Appended(7)]


async def test_rehearsal_reads_a_long_stream_a_page_at_a_time(rehearsal: Rehearsal, below: PostgresEventStore) -> None:
    await below.append([append(B, 2, PAGE - 3)])
    await rehearsal.append([append(B, PAGE - 1, 3)])
    (first,) = await rehearsal.load([Wanted(B)])
    (rest,) = await rehearsal.load([Wanted(B, PAGE)])
    assert ([event.version for event in first.events], first.whole) == ([*range(1, PAGE + 1)], False)
    assert ([event.version for event in rest.events], rest.whole) == ([PAGE + 1, PAGE + 2], True)


async def test_appends_of_others_do_not_disturb_a_rehearsal(rehearsal: Rehearsal, below: PostgresEventStore) -> None:
    """Its positions have no gaps, so that a dry run goes on at full speed (pace.py)."""
    assert await rehearsal.append([append(A, 4)]) == [Appended(7)]
    other: Append = append(A, 4, 2)
    assert await below.append([other]) == [Appended(8)]
    assert await rehearsal.append([append(A, 5), append(C)]) == [Appended(8), Appended(9)]
    (tail,) = await rehearsal.load([Wanted(A)])
    assert [event.version for event in tail.events] == [5, 6]
