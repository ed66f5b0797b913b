"""What the search for an erased user finds: nothing where nothing is left, and whatever was put there."""

import subprocess
import sys
import tracemalloc
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, LiteralString

import nats
import orjson
import psycopg
import pytest
import pytest_asyncio
from nats.aio.client import Client
from typeid import TypeID

from services.accounts.pending import PendingCommand, deleted
from services.domain.values import Json
from services.embedded.program import free_port
from services.erasure import files, log, streams, tables, thin
from services.erasure.forms import Forms
from services.erasure.receipt import Place, Tombstone
from services.eventstore.log.postgres import PostgresEventStore
from tests.support.accounts import Accounts, ask
from tests.support.log import append, ring, settings, until, user_id

Owner = psycopg.Connection[Any]
WORD = "canary"


@pytest.fixture
def owner(database_url: str) -> Iterator[Owner]:
    with psycopg.connect(database_url, options="-c search_path=denizen -c timezone=UTC", autocommit=True) as opened:
        yield opened


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncGenerator[PostgresEventStore]:
    opened = PostgresEventStore(settings(database_url), ring(), "accounts")
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def user(store: PostgresEventStore) -> str:
    """A user who was created, changed, blocked and deleted."""
    accounts = Accounts(store)
    created = await accounts.one(
        ask("CreateUser", {"email": f"{WORD}@example.com", "externalId": WORD, "metadata": {WORD: 1}}, id="c1")
    )
    user_id: str = created["user"]["id"]
    await accounts.one(ask("UpdateUser", {"userId": user_id, "profile": {"firstName": WORD}}, id="c2"))
    await accounts.one(ask("BlockUser", {"userId": user_id, "reason": WORD}))
    assert (await accounts.one(ask("UnblockUser", {"userId": user_id}, version=9, id="c3")))["error"]
    call = ask("DeleteUser", {"userId": user_id}, id="c4")
    assert "error" not in await accounts.one(PendingCommand(call, call.request, reply=deleted))
    return user_id


def look(owner: Owner, user: str) -> dict[str, Place]:
    """Through the tables, and at the user's own events; by place."""
    stone = log.tombstone(log.newest(owner, user))
    assert stone is not None
    with owner.transaction():
        places = [*tables.search(owner, "denizen", Forms.of(user)), log.examine(owner, user, stone, ring())]
    return {place.place: place for place in places}


def faults(owner: Owner, user: str) -> list[str]:
    return [f"{place.place}: {fault}" for place in look(owner, user).values() for fault in place.faults]


def change(owner: Owner, statement: LiteralString, *parameters: object) -> None:
    """What only the owner can do, and only by force."""
    owner.execute("alter table events disable trigger append_only")
    owner.execute(statement, parameters)
    owner.execute("alter table events enable trigger append_only")


# --- tables -----------------------------------------------------------------------------------------------------


async def test_tables_hold_nothing_of_an_erased_user(owner: Owner, user: str) -> None:
    found = look(owner, user)
    assert faults(owner, user) == []
    names = owner.execute("select tablename from pg_tables where schemaname = 'denizen'").fetchall()
    assert found.keys() == {f"table {name}" for (name,) in names} | {"the user's events"}
    assert len(names) > 12
    assert found["the user's events"].kept == 4
    assert found["table commands"].kept == 4
    assert found["table events"].searched == 0, "there are no others"


@pytest.mark.parametrize(
    "column",
    [
        "text default %s",
        "jsonb default jsonb_build_object('a', jsonb_build_array(%s::text))",
        "text[] default array[%s]",
        "bytea default convert_to(%s, 'UTF8')",
        "uuid default %s",
        "text default 'user/' || %s || '/more'",
    ],
)
async def test_leftover_in_an_unknown_table_is_found(owner: Owner, user: str, column: str) -> None:
    value = str(TypeID.from_string(user).uuid) if column.startswith("uuid") else user
    statement = f"create table forgotten (n integer, thing {column.replace('%s', repr(value))})"
    owner.execute(statement.encode())
    owner.execute("insert into forgotten (n) values (1), (2)")
    assert faults(owner, user) == ["table forgotten: 2 rows name the user"]
    assert look(owner, user)["table forgotten"].searched == 2


@pytest.mark.parametrize(
    "statement",
    [
        "insert into data_keys values (%s, 1, '')",
        "insert into passwords values (%s, 'x')",
        "insert into claims values ('x', %s)",
        "insert into codes values (%s, 'reset', 'x', 0, now())",
        "insert into mails values (gen_random_uuid(), %s, 'x', now(), now())",
    ],
)
async def test_leftover_secret_is_found(owner: Owner, user: str, statement: LiteralString) -> None:
    owner.execute(statement, [user])
    assert [fault.partition(": ")[2] for fault in faults(owner, user)] == ["1 rows name the user"]


async def test_leftover_of_a_rebuild_is_found_in_this_cell_only(owner: Owner, user: str) -> None:
    for schema in ("denizen_beside", "denizen_other", "elsewhere"):
        owner.execute(f"create schema {schema}".encode())
        owner.execute(f"create table {schema}.users as select %s::text as user_id".encode(), [user])
    owner.execute("create table denizen_other.log_head ()")
    assert faults(owner, user) == ["table denizen_beside.users: 1 rows name the user"]


async def test_rows_of_another_user_are_not_found(owner: Owner, user: str, store: PostgresEventStore) -> None:
    await Accounts(store).one(ask("CreateUser", {"email": f"{WORD}@example.com"}, id="d1"))
    owner.execute("insert into passwords values (%s, 'x')", [user_id()])
    assert faults(owner, user) == []
    assert look(owner, user)["table events"].searched == 1


async def test_erased_actor_of_another_users_event_is_allowed(
    owner: Owner, user: str, store: PostgresEventStore
) -> None:
    other = user_id()
    await store.append([append(other), append(other, 1)])
    change(owner, "update events set metadata = jsonb_build_object('actor', %s::text) where version = 2", user)
    place = look(owner, other and user)["table events"]
    assert (place.kept, place.faults) == (1, [])
    change(owner, "update events set public = jsonb_build_object('by', %s::text) where stream = %s", user, other)
    assert len(look(owner, user)["table events"].faults) == 1


async def test_unlisted_column_is_found(owner: Owner, user: str) -> None:
    owner.execute("alter table commands add column reply bytea")
    assert faults(owner, user) == ["table commands: has columns that are not on the list: reply"]


async def test_digests_of_an_erased_user_are_gone(owner: Owner, user: str, store: PostgresEventStore) -> None:
    """Also of one that was refused before, or afterwards; those of others stay."""
    accounts = Accounts(store)
    assert "error" in await accounts.one(ask("UpdateUser", {"userId": user, "externalId": WORD}, id="c5"))
    await accounts.one(ask("CreateUser", {"email": f"{WORD}@example.com"}, id="d1"))
    kept = owner.execute("select command_id, user_id = %s, digest is null from commands order by 1", [user]).fetchall()
    assert kept == [*((f"c{number}", True, True) for number in range(1, 6)), ("d1", False, False)]
    owner.execute("update commands set digest = 'x' where command_id = 'c3'")
    assert faults(owner, user) == ["table commands: a digest of what the user's command asked for is left"]


async def test_digest_of_a_lost_claim_is_erased_with_its_user(owner: Owner, store: PostgresEventStore) -> None:
    """With the user whom the command named, else with the one who has what it asked for."""
    accounts = Accounts(store)
    holder, loser = [
        (await accounts.one(ask("CreateUser", {"email": f"{name}@example.com"})))["user"]["id"] for name in "ab"
    ]
    lost = [
        ask("CreateUser", {"email": "A@example.com"}, id="new"),
        ask("CreateUser", {"email": "b@example.com"}, id="x"),
    ]
    for call in lost:
        assert (await accounts.one(call))["error"]["code"] == "email_taken"
    await accounts.one(ask("UpdateUser", {"userId": holder, "externalId": WORD}))
    taken = await accounts.one(ask("UpdateUser", {"userId": loser, "externalId": WORD}, id="old"))
    assert taken["error"]["code"] == "external_id_taken"

    async def erased(user: str) -> set[str]:
        call = ask("DeleteUser", {"userId": user})
        assert "error" not in await accounts.one(PendingCommand(call, call.request, reply=deleted))
        rows = owner.execute("select command_id from commands where digest is null").fetchall()
        return {command_id for (command_id,) in rows}

    assert await erased(holder) == {"new"}
    assert await erased(loser) == {"new", "old", "x"}


async def test_refusal_with_personal_data_is_found(owner: Owner, user: str) -> None:
    refusal = {"error": {"code": "email_taken", "message": "…", "details": [{"email": "a@example.com"}]}}
    statement = "insert into commands values ('x', %s, null, %s, now())"
    owner.execute(statement, [user, orjson.dumps(refusal).decode()])
    assert faults(owner, user) == ["table commands: a refusal holds more than codes and ids"]


async def test_unreadable_table_is_a_fault(owner: Owner, user: str) -> None:
    owner.execute("create table secret (a text)")
    owner.execute("set role denizen_app")
    assert "table secret: may not be read: look as the owner" in faults(owner, user)


async def test_memory_of_a_search_does_not_grow_with_the_stream(owner: Owner, user: str) -> None:
    """The events of a user are read a page at a time."""
    owner.execute(_LENGTHEN, {"user": user, "count": 20_000})
    stone = log.tombstone(log.newest(owner, user))
    assert stone is not None
    tracemalloc.start()
    try:
        with owner.transaction():
            place = log.examine(owner, user, stone, ring())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert place.searched is not None
    assert place.searched > 20_000
    assert peak < 10_000_000


_LENGTHEN: LiteralString = """
insert into events (position, event_id, stream, version, type, schema_version, public, metadata, recorded_at, hash)
select (select position from log_head) + n, gen_random_uuid(), %(user)s || '/logins', n, 'LoginFailed', 1,
       jsonb_build_object('userId', %(user)s::text, 'version', n), jsonb_build_object('commandId', repeat('x', 500)),
       now(), '\\x00'
from generate_series(1, %(count)s) n
"""


# --- the log ----------------------------------------------------------------------------------------------------


async def test_event_after_the_tombstone_is_found(owner: Owner, user: str, store: PostgresEventStore) -> None:
    late = append(f"{user}/logins")
    late.events[0].private = None
    await store.append([late])
    assert any("comes after the tombstone" in fault for fault in faults(owner, user))


async def test_living_user_has_no_tombstone(owner: Owner, store: PostgresEventStore) -> None:
    created = await Accounts(store).one(ask("CreateUser", {"email": "a@example.com"}))
    there = created["user"]["id"]
    assert log.tombstone(log.newest(owner, there)) is None
    assert log.tombstone(log.newest(owner, user_id())) is None


async def test_readable_private_part_is_found(owner: Owner, user: str) -> None:
    change(owner, "update events set private = convert_to('{\"a\": 1}', 'UTF8') where version = 1")
    said = faults(owner, user)
    assert any("is not as it was written" in fault for fault in said)
    assert any("the private part is no ciphertext" in fault for fault in said)


async def test_private_part_that_a_ring_key_opens_is_found(owner: Owner, user: str) -> None:
    sealed = ring().wrap(f"{user}\0001\0UserCreated", b"personal")
    change(owner, "update events set private = %s where version = 1", sealed)
    assert any("the key-encryption key of epoch 1 opens" in fault for fault in faults(owner, user))


async def test_body_that_is_not_thin_is_found(owner: Owner, user: str) -> None:
    change(owner, 'update events set public = public || \'{"email": "a@example.com"}\' where version = 2')
    assert any("a field that the contract does not name" in fault for fault in faults(owner, user))


async def test_receipt_has_the_hash_of_the_tombstone(owner: Owner, user: str) -> None:
    stone = log.tombstone(log.newest(owner, user))
    query = "select position, encode(hash, 'hex'), recorded_at from events where type = 'UserDeleted'"
    assert stone
    assert owner.execute(query).fetchone() == (stone.position, stone.hash, stone.deleted_at)


@pytest.mark.parametrize(
    "body",
    [
        {"email": "a@example.com"},
        {"userId": "user_x"},
        {"version": "1"},
        {"version": True},
        {"status": "Canary"},
        {"changed": ["metadata.canary"]},
        {"changed": "email"},
        {"sessionId": "canary"},
        {"reason": "canary"},
        {"reason": ["changed"]},
    ],
)
def test_thin_body_is_recognised(body: Json) -> None:
    good: Json = {"userId": "user_a", "version": 1, "status": "ACTIVE", "changed": ["profile.firstName", "metadata"]}
    assert list(thin.faults({**good, "reason": "reset", "sessionId": str(TypeID("sess"))}, "user_a")) == []
    assert len(list(thin.faults(good | body, "user_a"))) == 1
    assert list(thin.faults(None, "user_a"))


# --- streams ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def jetstream(directory: Path) -> AsyncGenerator[Client]:
    """A NATS of the test's own, in which every client may do everything."""
    port = free_port()
    binary = Path(sys.executable).with_name("nats-server")
    command = [binary, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:

        async def opened() -> Client | None:
            try:
                return await nats.connect(f"nats://127.0.0.1:{port}", allow_reconnect=False, error_cb=_ignore)
            except OSError:
                return None

        client = await until(opened, "NATS answers")
        assert client
        yield client
        await client.close()
    finally:
        process.terminate()
        process.wait()


async def _ignore(_: Exception) -> None:
    """Of a connection that is not there yet."""


def body(user: str, **more: object) -> bytes:
    return orjson.dumps({"userId": user, "version": 1, "status": "ACTIVE", "changed": [], **more})


async def test_every_stream_is_searched(tmp_path: Path) -> None:
    user = user_id()
    stone = Tombstone(None, 2, "")  # type: ignore[arg-type]

    async def found() -> dict[str, list[str]]:
        return {place.place: place.faults for place in await streams.search(client, Forms.of(user), stone)}

    async with jetstream(tmp_path) as client:
        js = client.jetstream()
        await js.add_stream(name="USERS_EVENTS", subjects=["users.v1.event.*.*"])
        await js.add_stream(name="KV_users_revocations", subjects=["$KV.users_revocations.>"])
        await js.add_stream(name="FORGOTTEN", subjects=["forgotten.>"])
        for _ in range(300):
            await js.publish("forgotten.a", body(user_id()))
            await js.publish(f"users.v1.event.UserUpdated.{user_id()}", b"whatever others have")
        thin_one = {"ce-subject": user, "ce-sequence": "1"}
        await js.publish(f"users.v1.event.UserCreated.{user}", body(user), headers=thin_one)
        await js.publish(f"users.v1.event.UserDeleted.{user}", body(user), headers={**thin_one, "ce-sequence": "2"})
        await js.publish(f"$KV.users_revocations.user.{user}", b'{"position":2}')
        places = await streams.search(client, Forms.of(user), stone)
        assert [(place.place, place.searched, place.kept, place.faults) for place in places] == [
            ("stream FORGOTTEN", 300, 0, []),
            ("stream KV_users_revocations", 1, 1, []),
            ("stream USERS_EVENTS", 2, 2, []),
        ]

        await js.publish("forgotten.b", b"about " + user.encode())
        await js.publish("forgotten.c", b"x", headers={"about": user})
        await js.publish(f"forgotten.{user}", b"x")
        await js.publish(f"$KV.users_revocations.user.{user}", b'{"position":2,"email":"a@example.com"}')
        await js.publish(f"users.v1.event.UserUpdated.{user}", body(user, email="a"), headers=thin_one)
        await js.publish(f"users.v1.event.UserUpdated.{user}", b"{", headers=thin_one)
        await js.publish(f"users.v1.event.UserUpdated.{user}", body(user), headers={**thin_one, "name": "canary"})
        await js.publish(f"users.v1.event.UserUpdated.{user}", body(user), headers={**thin_one, "ce-sequence": "3"})
        said = await found()
        assert said["stream FORGOTTEN"] == [f"message {number} names the user" for number in (301, 302, 303)]
        assert said["stream KV_users_revocations"] == ["message 2 holds more than a position"]
        assert said["stream USERS_EVENTS"] == [
            "message 303: the body has a field that the contract does not name",
            "message 304: the body is no object",
            "message 305: headers that the contract does not name",
            "message 306 comes after the tombstone",
        ]


async def test_nats_without_jetstream_is_a_fault(tmp_path: Path) -> None:
    async with jetstream(tmp_path) as client:
        await client.close()
        (place,) = await streams.search(client, Forms.of(user_id()), Tombstone(None, 2, ""))  # type: ignore[arg-type]
        assert "cannot be listed" in place.faults[0]


# --- files ------------------------------------------------------------------------------------------------------


def test_every_file_is_searched(tmp_path: Path) -> None:
    user, other = user_id(), user_id()
    for name in ("log/a.log", "mail/new/1", "nats/jetstream/S/streams/USERS_EVENTS/msgs/1.blk", "postgres/base/1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{other}\n")
    said = files.search(tmp_path, Forms.of(other))
    assert {place.place: (place.searched, place.kept, place.faults) for place in said} == {
        "files log/": (1, 0, ["log/a.log names the user"]),
        "files mail/": (1, 0, ["mail/new/1 names the user"]),
        "files nats/": (1, 1, []),
    }
    assert not any(place.faults or place.kept for place in files.search(tmp_path, Forms.of(user)))


@pytest.mark.parametrize("before", [0, (1 << 20) - 10, (1 << 20) - 1, 3 << 20])
def test_long_file_is_searched_to_its_end(tmp_path: Path, before: int) -> None:
    user = user_id()
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a").write_bytes(bytes(before) + user.encode("utf-16-le"))
    (place,) = files.search(tmp_path, Forms.of(user))
    assert place.faults == ["log/a names the user"]


def test_stream_that_may_not_name_a_user_is_a_fault(tmp_path: Path) -> None:
    user = user_id()
    path = tmp_path / "nats/jetstream/S/streams/OTHER/msgs/1.blk"
    path.parent.mkdir(parents=True)
    path.write_text(user)
    (place,) = files.search(tmp_path, Forms.of(user))
    assert (place.kept, len(place.faults)) == (0, 1)
