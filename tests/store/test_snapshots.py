"""What is decided on a snapshot and the events behind it is what is decided on the whole stream."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from services.accounts.checking import check
from services.accounts.long_streams import fold_long
from services.accounts.pending import Answer, PendingCommand, with_user
from services.accounts.users import UserReader
from services.domain import snapshots
from services.domain.effects import Effects
from services.domain.snapshots import EVERY, Snapshot
from services.domain.state import UserState
from services.domain.streams import StoredEvent
from services.eventstore.log.memory import MemoryEventStore
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import Log
from services.eventstore.log.tails import PAGE, Tail, Wanted
from services.eventstore.log.verify import LogFault
from tests.store.conftest import OpenStore
from tests.support.accounts import Accounts, Json, ask, whole
from tests.support.log import AT, append, ring, streams, user_id, with_keys
from tests.support.log import settings as of
from tests.support.read_side import BATCHES, commanded

A, B = sorted((user_id(), user_id()))
Owner = psycopg.AsyncConnection[tuple[Any, ...]]


# --- the same snapshots -----------------------------------------------------------------------------------------------


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.mark.parametrize("kind", ["memory", "postgres"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES)
def test_state_from_a_snapshot_equals_the_fold(
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    kind: str,
    batches: list[list[tuple[str, Json]]],
) -> None:
    monkeypatch.setattr(snapshots, "EVERY", 2)
    runner.run(_check(batches, kind, database_url))


async def _check(batches: list[list[tuple[str, Json]]], kind: str, url: str) -> None:
    store = MemoryEventStore() if kind == "memory" else PostgresEventStore(of(url), ring(), "snapshots")
    before = await store.head()
    await commanded(batches, store)
    created = [event.user_id for event in await store.read(before, 10_000) if event.type == "UserCreated"]
    for user, events in (await streams(store, created)).items():
        await _check_user(store, user, events)
    if isinstance(store, PostgresEventStore):
        await store.close()


async def _check_user(store: Log, user: str, events: Sequence[StoredEvent]) -> None:
    users, erased = UserReader(store), events[-1].type == "UserDeleted"
    versions = range(1, len(events) + 1)
    for version, found in zip(versions, (await users.at([(user, each) for each in versions])).values(), strict=True):
        assert_same(found, whole(user, events[:version]), gone=erased and version < len(events), erased=erased)
    assert_same(await users.user(user), whole(user, events), gone=False, erased=erased)
    assert_same(await users.fold(user), whole(user, events), gone=False, erased=erased)


def assert_same(found: UserState, expected: UserState, *, gone: bool, erased: bool) -> None:
    assert (found.version, found.position, found.gone) == (expected.version, expected.position, gone)
    assert found.user == (None if erased else expected.user)
    if found.user is not None:
        assert with_user(found, 7) == with_user(expected, 7), "a repeat gets its reply to the octet"


def test_snapshot_form_matches_its_number() -> None:
    """A change of snapshots raises FORM, for a snapshot of before would be taken for one of today."""
    accounts = Accounts()
    assert orjson.dumps(asyncio.run(_full_state(accounts)), option=orjson.OPT_SORT_KEYS) == (
        b'{"deciding":{"codeVersion":5,"emailKey":"ada@example.com","holds":["DEACTIVATED","BLOCKED"],'
        b'"passwordVersion":1,"tokenVersion":1,"wantedEmail":["Ada@example.org","ada@example.org"]},"shown":{"appMetadata":{"b":[2]},'
        b'"blockedAt":"AT","blockedUntil":null,"createdAt":"AT","email":"Ada@example.com","emailVerified":true,"externalId":"7",'
        b'"id":"ID","identities":[{"linkedAt":"AT","provider":"google","providerId":"1"}],"lastLoginAt":null,'
        b'"lastLoginIp":null,"loginCount":0,"metadata":{"a":1},"passwordChangeRequired":false,'
        b'"profile":{"firstName":"Ada"},"status":"BLOCKED","updatedAt":"AT","version":5}}'
    )
    assert snapshots.FORM == 2


async def _full_state(accounts: Accounts) -> Json:
    body = {"email": "Ada@example.com", "emailVerified": True, "externalId": "7", "profile": {"firstName": "Ada"}}
    created = await accounts.one(ask("CreateUser", body | {"metadata": {"a": 1}, "appMetadata": {"b": [2]}}))
    user = created["user"]["id"]
    await accounts.one(ask("LinkIdentity", {"userId": user, "provider": "google", "providerId": "1"}))
    await accounts.one(ask("DeactivateUser", {"userId": user}))
    await accounts.one(ask("BlockUser", {"userId": user}))
    await accounts.one(ask("ChangeEmail", {"userId": user, "email": "Ada@example.org"}))
    found = (await UserReader(accounts.store).user(user)).user
    assert found is not None
    full = snapshots.state_of(found)
    shown = full["shown"]
    shown["identities"] = [each | {"linkedAt": "AT"} for each in shown["identities"]]
    return full | {"shown": shown | {"id": "ID"} | dict.fromkeys(("blockedAt", "createdAt", "updatedAt"), "AT")}


# --- long streams -------------------------------------------------------------------------------------------------


class Counting(MemoryEventStore):
    """Counts the events that are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded = 0

    async def load(self, wanted: Sequence[Wanted]) -> list[Tail]:
        tails = await super().load(wanted)
        self.loaded += sum(len(tail.events) for tail in tails)
        return tails


class Noting(Accounts):
    """Notes which commands are answered when."""

    def __init__(self, store: Log) -> None:
        super().__init__(store)
        self.order: list[str] = []

    async def _send(self, task: PendingCommand, answer: Answer) -> None:
        self.order.append(task.call.operation.name)
        await super()._send(task, answer)


async def _lengthen(store: Counting, user: str, count: int) -> None:
    """Give a user so many events and no snapshot, as if they were all from before."""
    for version in range(1, count):
        block = append(user, version)
        block.events[0].type = "UserBlocked" if version % 2 else "UserUnblocked"
        await store.append([block])


async def test_commands_store_snapshots_and_load_only_later_events() -> None:
    store = Counting()
    accounts = Accounts(store)
    user = (await accounts.one(ask("CreateUser", {"email": "a@example.com"})))["user"]["id"]
    for number in range(3 * EVERY):
        store.loaded = 0
        reply = await accounts.one(ask("UpdateUser", {"userId": user, "metadata": {"n": number}}))
        assert (reply["version"], reply["user"]["metadata"]) == (number + 2, {"n": number})
        assert store.loaded < EVERY


async def test_old_long_stream_is_folded_once_beside_the_batch() -> None:
    store = Counting()
    accounts = Noting(store)
    user = str((await accounts.one(ask("CreateUser", {"email": "long@example.com"})))["user"]["id"])
    await _lengthen(store, user, 20 * PAGE + 5)
    updates = [ask("UpdateUser", {"userId": user, "metadata": {"n": number}}) for number in range(2)]
    replies = await accounts.run(*updates, ask("CreateUser", {"email": "other@example.com"}))
    assert accounts.order[1:] == ["CreateUser", "UpdateUser", "UpdateUser"], "others do not wait"
    assert [reply["version"] for reply in replies[:2]] == [20 * PAGE + 6, 20 * PAGE + 7]
    store.loaded = 0
    await accounts.one(ask("UpdateUser", {"userId": user, "metadata": {"n": 9}}))
    assert store.loaded < EVERY, "the second time it is not folded again"


async def test_repeat_on_an_old_long_stream_gets_the_first_reply() -> None:
    store = Counting()
    accounts = Accounts(store)
    create = {"email": "a@example.com"}
    (first,) = await accounts.raw(ask("CreateUser", create, id="c1"))
    user = orjson.loads(first)["user"]["id"]
    await _lengthen(store, user, 3 * PAGE)
    update = ask("UpdateUser", {"userId": user, "metadata": {"n": 1}}, id="c2")
    (updated,) = await accounts.raw(update)
    await accounts.one(ask("UpdateUser", {"userId": user, "metadata": {"n": 2}}))
    assert await accounts.raw(ask("CreateUser", create, id="c1"), update) == [first, updated]


# --- in PostgreSQL ------------------------------------------------------------------------------------------------


async def test_snapshot_of_another_form_is_ignored(open_store: OpenStore, owner: Owner) -> None:
    store = open_store()
    await store.append([replace(append(A, 0, 3), snapshot={"n": 3})])
    await owner.execute("update snapshots set form = form + 1")
    (tail,) = await store.load([Wanted(A)])
    assert (tail.snapshot, len(tail.events)) == (None, 3)
    await store.keep(A, [Snapshot(3, 3, AT, {"n": 4})])
    (tail,) = await store.load([Wanted(A)])
    assert (tail.snapshot, tail.events) == (Snapshot(3, 3, AT, {"n": 4}), [])


async def test_unreadable_snapshot_is_dropped(open_store: OpenStore, owner: Owner) -> None:
    """Changed, or another's: it is bound to its user and version."""
    store = open_store()
    await store.append([replace(append(user, 0, 3), snapshot={"n": user}) for user in (A, B)])
    await store.append([replace(append(A, 3), snapshot={"n": 4})])
    await owner.execute("update snapshots set version = 2 where version = 3 and user_id = %s", [A])
    await owner.execute("update snapshots set private = sha256(private) where user_id = %s", [B])
    for _ in range(2):
        of_a, of_b = await store.load([Wanted(A, until=3), Wanted(B)])
        assert (of_a.snapshot, len(of_a.events)) == (None, 3)
        assert (of_b.snapshot, len(of_b.events)) == (None, 3)
    left = await (await owner.execute("select user_id, version from snapshots")).fetchall()
    assert left == [(A, 4)]


async def test_snapshot_holds_no_plain_text(open_store: OpenStore, owner: Owner) -> None:
    await open_store().append([replace(append(A, 0, 3), snapshot={"email": "canary@example.com"})])
    ((text,),) = await (await owner.execute("select encode(private, 'escape') from snapshots")).fetchall()
    assert "canary" not in text


async def test_erasure_drops_a_concurrently_stored_snapshot(
    open_store: OpenStore, owner: Owner, database_url: str
) -> None:
    """The one that another process is just writing: erasure waits for it, and drops it too."""
    store = open_store()
    await store.append([replace(append(A, 0, 3), snapshot={"n": 3})])
    async with await psycopg.AsyncConnection.connect(database_url, options="-c search_path=denizen") as other:
        await other.execute(
            "insert into snapshots (user_id, form, version, position, recorded_at, private)"
            " select user_id, form, 2, position, recorded_at, private from snapshots"
        )
        erasing = append(A, 3)
        erasing.events[0].private, erasing.effects = None, Effects(erase=True)
        appending = asyncio.create_task(store.append([erasing]))
        async with asyncio.timeout(10):
            while not await (await owner.execute("select 1 from pg_locks where not granted")).fetchone():
                await asyncio.sleep(0.01)
        await other.commit()
    await appending
    assert await (await owner.execute("select from snapshots")).fetchall() == []
    assert await (await owner.execute("select 1 from snapshots")).fetchall() == []


async def test_user_erased_by_another_process_gets_no_snapshot(open_store: OpenStore, owner: Owner) -> None:
    store = open_store()
    await store.append([append(A, 0, 3)])
    await store.load([Wanted(A)])  # Their data key is known here.
    erasing = append(A, 3)
    erasing.events[0].private, erasing.effects = None, Effects(erase=True)
    await open_store("b").append([erasing])
    await store.keep(A, [Snapshot(3, 3, AT, {"n": 3})])
    assert await (await owner.execute("select 1 from snapshots")).fetchall() == []


async def test_old_long_streams_are_folded_when_accounts_starts(open_store: OpenStore, owner: Owner) -> None:
    store = open_store()
    accounts = Accounts(store)
    ids = [(await accounts.one(ask("CreateUser", {"email": f"{n}@example.com"})))["user"]["id"] for n in range(3)]
    for user in ids[:2]:
        for version in range(1, PAGE + 20):
            block = append(user, version)
            block.events[0].type = "UserBlocked" if version % 2 else "UserUnblocked"
            await store.append([block])
    await fold_long(store, UserReader(store))
    found = await (await owner.execute("select user_id, count(*) from snapshots group by 1")).fetchall()
    assert sorted(found) == [(user, (PAGE + 20) // EVERY) for user in sorted(ids[:2])]
    assert await store.long_streams("") == (max(ids), [])


async def test_verify_compares_snapshots_with_the_events(
    open_store: OpenStore, owner: Owner, database_url: str
) -> None:
    accounts = Accounts(open_store())
    user = (await accounts.one(ask("CreateUser", {"email": "a@example.com"})))["user"]["id"]
    for number in range(2 * EVERY):
        await accounts.one(ask("UpdateUser", {"userId": user, "metadata": {"n": number}}))
    done: list[int] = []

    async def verified() -> list[LogFault]:
        return await asyncio.to_thread(check, with_keys(database_url), done.append)

    assert (await verified(), done) == ([], [1, 2])
    await owner.execute("update snapshots set position = 7 where version = %s", [EVERY])
    problem = "a snapshot is not what the events come to"
    assert await verified() == [LogFault(problem, 7, user, EVERY)]
    (tail,) = await open_store().load([Wanted(user, until=EVERY)])
    assert tail.snapshot is not None
    wrong = tail.snapshot.state | {"shown": tail.snapshot.state["shown"] | {"emailVerified": True}}
    await owner.execute("delete from snapshots where version = %s", [EVERY])
    await open_store().keep(user, [replace(tail.snapshot, position=EVERY, state=wrong)])
    assert await verified() == [LogFault(problem, EVERY, user, EVERY)]


async def test_key_rotation_leaves_snapshots_readable(open_store: OpenStore, owner: Owner) -> None:
    """Their key is the user's, which is rewrapped."""
    await open_store().append([replace(append(A, 0, 3), snapshot={"n": 3})])
    keys = ring()
    ((epoch, wrapped),) = await (await owner.execute("select epoch, wrapped from data_keys")).fetchall()
    newer = type(keys)({1: bytes([7]) * 32, 2: bytes([9]) * 32}, bytes([8]) * 32)
    again = newer.wrap(A, newer.unwrapped(A, epoch, bytes(wrapped)))
    await owner.execute("update data_keys set epoch = 2, wrapped = %s", [again])
    (tail,) = await open_store("b", keys=newer).load([Wanted(A)])
    assert tail.snapshot == Snapshot(3, 3, AT, {"n": 3})
