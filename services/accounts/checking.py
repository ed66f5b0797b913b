"""Checks that each snapshot is the fold of the events up to it, for `denizen log verify`."""

import asyncio
from collections.abc import Callable

import orjson

from services.accounts.users import evolved
from services.domain import snapshots
from services.domain.state import UserState
from services.eventstore.keys import data_keys as keys
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.tails import Wanted
from services.eventstore.log.verify import MOST_FINDINGS, LogFault
from services.platform.settings import Settings


def check(settings: Settings, progress: Callable[[int], None]) -> list[LogFault]:
    """The faults of a log's snapshots; `progress` is called with the number of those compared.

    Raises KeysMissing and DatabaseUnavailable.
    """
    return asyncio.run(_check(settings, progress))


async def _check(settings: Settings, progress: Callable[[int], None]) -> list[LogFault]:
    store = PostgresEventStore(settings, keys.load(settings), "verify")
    findings: list[LogFault] = []
    stream, done = UserState(""), 0
    try:
        await store.check_keys()
        async for user_id, version, position in store.snapshots():
            stream = await _folded(store, stream if stream.user_id == user_id else UserState(user_id), version)
            if not await _is_right(store, stream, version) and len(findings) < MOST_FINDINGS:
                findings.append(LogFault("a snapshot is not what the events come to", position, user_id, version))
            done += 1
            progress(done)
    finally:
        await store.close()
    return findings


async def _folded(store: PostgresEventStore, stream: UserState, version: int) -> UserState:
    """A user at a version, from the events alone."""
    while stream.version < version:
        (tail,) = await store.load([Wanted(stream.user_id, stream.version, version, events_alone=True)])
        if not tail.events or tail.erased:
            break
        stream = evolved(stream, tail)
    return stream


async def _is_right(store: PostgresEventStore, stream: UserState, version: int) -> bool:
    """Also where the user was erased meanwhile."""
    (tail,) = await store.load([Wanted(stream.user_id, version - 1, version)])
    if tail.erased:
        return True
    if tail.snapshot is None or stream.user is None:
        return False
    snapshot = tail.snapshot
    return (snapshot.state, snapshot.position, snapshot.recorded_at) == (
        orjson.loads(orjson.dumps(snapshots.state_of(stream.user))),
        stream.position,
        stream.user.recorded_at,
    )
