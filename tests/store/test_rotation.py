"""Rotation of key-encryption keys: everything living is under the new epoch, whatever else happens meanwhile."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from services.domain.effects import Effects
from services.eventstore.keys import data_keys as keys
from services.eventstore.keys import encryption as key_encryption
from services.eventstore.keys import files as key_files
from services.eventstore.keys import rotation
from services.eventstore.keys.data_keys import KeyRing, KeysMissing
from services.eventstore.keys.encryption import LocalKeys
from services.eventstore.keys.rotation import Rotation, RotationRefused, rotate
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import Appended
from services.platform.database import Database
from services.platform.settings import Settings
from services.tokens.keys import ServerKeys
from tests.support.log import append, settings, streams, until, user_id

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
CLAIMS = base64.b64encode(bytes([8]) * 32).decode()


@pytest.fixture
def files(tmp_path: Path, database_url: str) -> Settings:
    """Settings with keys in files."""
    keys.create_missing(tmp_path)
    return settings(database_url, tmp_path)


def environment(url: str, **octets: int) -> Settings:
    """Settings with keys in the environment: `e1=7`, by epoch."""
    pairs = [f"{name[1:]}:{base64.b64encode(bytes([octet]) * 32).decode()}" for name, octet in octets.items()]
    return Settings(
        database_url=SecretStr(url), key_encryption_keys=SecretStr(",".join(pairs)), claim_key=SecretStr(CLAIMS)
    )


@pytest_asyncio.fixture
async def open_store() -> AsyncGenerator[Callable[[Settings], PostgresEventStore]]:
    """`open_store(settings)`: a service's store, which has just started."""
    opened: list[PostgresEventStore] = []

    def open_one(of: Settings) -> PostgresEventStore:
        opened.append(PostgresEventStore(of, keys.load(of), "service"))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


OpenStore = Callable[[Settings], PostgresEventStore]


async def run(of: Settings, *, keep_old: bool = False) -> Rotation:
    return await rotate(of, keep_old=keep_old, progress=lambda done, total: None)


async def epochs(owner: Connection) -> set[int]:
    cursor = await owner.execute("select epoch from data_keys union select epoch from server_keys")
    return {epoch for (epoch,) in await cursor.fetchall()}


def names(of: Settings) -> set[str]:
    return {path.name for path in (of.home / "keys").iterdir()}


async def notes(store: PostgresEventStore, *users: str) -> list[Any]:
    loaded = await streams(store, users)
    return [event.private for user in users for event in loaded[user]]


NOTE = {"note": "private 1"}


# --- the whole of it --------------------------------------------------------------------------------------------


async def test_rotation_rewraps_everything_and_drops_the_old_key(
    files: Settings, open_store: OpenStore, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 3)
    old_ring, users = keys.load(files), [user_id() for _ in range(10)]
    await open_store(files).append([append(user) for user in users])
    told: list[tuple[int, int]] = []
    rotated = await rotate(files, keep_old=False, progress=lambda done, total: told.append((done, total)))
    assert rotated == Rotation(epoch=2, rewrapped=10, removed=[1], left=[])
    assert await epochs(owner) == {2}
    assert names(files) == {"kek-2", "claims"}
    assert told[0] == (3, 10)
    assert told[-1] == (10, 10)
    assert await notes(open_store(files), *users) == [NOTE] * 10
    for row in await (await owner.execute("select user_id, epoch, wrapped from data_keys")).fetchall():
        with pytest.raises(KeysMissing):
            KeyRing({2: bytes(32)}, bytes(32)).unwrap(*row)
        with pytest.raises(KeysMissing):
            old_ring.unwrap(row[0], 1, row[2])


async def test_rows_copied_before_a_rotation_do_not_open(
    files: Settings, open_store: OpenStore, owner: Connection
) -> None:
    user = user_id()
    await open_store(files).append([append(user)])
    ((epoch, wrapped),) = await (await owner.execute("select epoch, wrapped from data_keys")).fetchall()
    keys.load(files).unwrap(user, epoch, wrapped)
    await run(files)
    with pytest.raises(KeysMissing, match="epoch 1"):
        keys.load(files).unwrap(user, epoch, wrapped)


async def test_repeated_rotations_work(files: Settings, open_store: OpenStore, owner: Connection) -> None:
    user = user_id()
    await open_store(files).append([append(user)])
    assert [(await run(files)).epoch for _ in range(3)] == [2, 3, 4]
    assert await epochs(owner) == {4}
    assert names(files) == {"kek-4", "claims"}
    assert await notes(open_store(files), user) == [NOTE]


async def test_rotation_can_keep_the_old_file(files: Settings, open_store: OpenStore) -> None:
    await open_store(files).append([append(user_id())])
    assert await run(files, keep_old=True) == Rotation(2, 1, [], [1])
    assert names(files) == {"kek-1", "kek-2", "claims"}
    assert await run(files) == Rotation(3, 1, [1, 2], [])
    assert names(files) == {"kek-3", "claims"}


async def test_rotation_rewraps_server_keys(files: Settings, owner: Connection) -> None:
    database = Database(files, "keys")
    before = ServerKeys(database, files, keys.load(files))
    await before.signing()
    retired = (await before.signing()).kid
    published = (await before.rotate("signing")).key_id
    signing, sealing = await before.signing(), (await before.sealing_public()).key_id
    private = await before.sealing(sealing)
    assert (await run(files)).rewrapped == 3
    assert await epochs(owner) == {2}
    after = ServerKeys(database, files, keys.load(files))
    assert (await after.signing()).as_dict(private=True) == signing.as_dict(private=True)
    assert await after.sealing(sealing) == private
    assert retired in {key.kid for key in (await after.jwks()).keys}
    newest = await after.rotate("signing")
    assert newest.old == [published]
    # What a running service has read of the table it can open, and what it reads from now on, too.
    assert (await before.signing()).kid == signing.kid
    assert newest.key_id in {key.kid for key in (await ServerKeys(database, files, keys.load(files)).jwks()).keys}
    await database.close()


# --- running services -------------------------------------------------------------------------------------------


async def test_running_service_loads_the_new_key(files: Settings, open_store: OpenStore, owner: Connection) -> None:
    writer, reader = open_store(files), open_store(files)
    before, after = user_id(), user_id()
    await writer.append([append(before)])
    await run(files)
    assert await notes(reader, before) == [NOTE]
    result = await writer.append([append(after), append(before, 1)])
    assert result == [Appended(2), Appended(3)]
    assert await epochs(owner) == {2}
    assert await notes(reader, after) == [NOTE]
    assert len(await reader.read(0, 10)) == 3


async def test_concurrent_appends_load_the_new_key(files: Settings, open_store: OpenStore, owner: Connection) -> None:
    """Those behind find that the key was taken already."""
    service, users = open_store(files), [user_id() for _ in range(8)]
    await run(files)
    results = await asyncio.gather(*(service.append([append(user)]) for user in users))
    assert [type(result) for (result,) in results] == [Appended] * 8
    assert await epochs(owner) == {2}


async def test_idle_service_loads_the_new_key_after_the_old_is_gone(files: Settings, owner: Connection) -> None:
    ring = keys.load(files)
    store = PostgresEventStore(files, ring, "service")
    await store.check_keys()
    await run(files)
    ring.reload()
    ring.reload()
    with pytest.raises(KeysMissing):
        ring.wrap("x", bytes(32))
    assert await store.append([append(user_id())]) == [Appended(1)]
    assert await epochs(owner) == {2}
    await store.close()


async def test_service_without_the_new_key_stores_nothing(
    database_url: str, open_store: OpenStore, owner: Connection
) -> None:
    stale = open_store(environment(database_url, e1=7))
    user = user_id()
    await stale.append([append(user)])
    assert await run(environment(database_url, e1=7, e2=6)) == Rotation(2, 1, [], [1])
    with pytest.raises(KeysMissing, match="epoch 1 is retired"):
        await stale.append([append(user_id())])
    assert await epochs(owner) == {2}
    assert await stale.head() == 1
    assert await stale.append([append(user, 1)]) == [Appended(2)], "who needs no new key goes on"
    assert await open_store(environment(database_url, e2=6)).append([append(user_id())]) == [Appended(3)]


async def test_other_key_of_the_same_epoch_is_refused(
    files: Settings, open_store: OpenStore, tmp_path: Path, owner: Connection
) -> None:
    other = settings(str(files.database_url.get_secret_value() if files.database_url else ""), tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "keys").mkdir()
    for path in (files.home / "keys").iterdir():
        (other.home / "keys" / path.name).write_bytes(path.read_bytes())
    store = open_store(other)
    await store.check_keys()
    key_files.create_next(other.home / "keys", 1)
    await run(files)
    with pytest.raises(KeysMissing, match="kek-2"):
        await store.append([append(user_id())])
    with pytest.raises(KeysMissing, match="kek-2"):
        await store.append([append(user_id())])
    assert await epochs(owner) == set()


@pytest.mark.parametrize("table", ["data_keys", "server_keys"])
async def test_database_refuses_a_retired_epoch(files: Settings, owner: Connection, table: str) -> None:
    await run(files)
    columns = "(user_id, epoch, wrapped)" if table == "data_keys" else "(key_id, epoch, wrapped, kind, public)"
    rest = "" if table == "data_keys" else ", 'signing', ''"
    statement = f"insert into {table} {columns} values ('a', %s, ''{rest})".encode()
    with pytest.raises(psycopg.errors.CheckViolation):
        await owner.execute(statement, [1])
    await owner.execute(statement, [2])
    with pytest.raises(psycopg.errors.CheckViolation):
        await owner.execute(f"update {table} set epoch = 1".encode())
    assert await epochs(owner) == {2}


# --- interleavings ----------------------------------------------------------------------------------------------


async def waits(owner: Connection, name: str = "denizen rotation") -> None:
    async def waiting() -> bool:
        cursor = await owner.execute(
            "select from pg_stat_activity where application_name = %s and wait_event_type = 'Lock'", [name]
        )
        return await cursor.fetchone() is not None

    await until(waiting, f"{name} waits")


async def test_rotation_waits_for_a_running_append(
    files: Settings, open_store: OpenStore, owner: Connection, database_url: str
) -> None:
    """Its key was wrapped under the old epoch before that was retired, and commits afterwards."""
    late = user_id()
    _, wrapped = keys.load(files).new_data_key(late)
    async with await psycopg.AsyncConnection.connect(database_url, options="-c search_path=denizen") as writer:
        await writer.execute("insert into data_keys values (%s, 1, %s)", [late, wrapped])
        rotating = asyncio.create_task(run(files))
        await waits(owner)
        assert not rotating.done()
        await writer.commit()
    assert (await rotating).rewrapped == 1
    ((epoch, wrapped),) = await (await owner.execute("select epoch, wrapped from data_keys")).fetchall()
    assert epoch == 2
    keys.load(files).unwrap(late, epoch, wrapped)


async def test_rotation_skips_a_row_that_is_being_erased(
    files: Settings, open_store: OpenStore, owner: Connection, database_url: str
) -> None:
    """Else an erasure of several users and a batch could wait for each other."""
    gone, there = user_id(), user_id()
    await open_store(files).append([append(gone), append(there)])
    await run_until_retired(files)
    async with await psycopg.AsyncConnection.connect(database_url, options="-c search_path=denizen") as eraser:
        await eraser.execute("delete from data_keys where user_id = %s", [gone])
        rotating = asyncio.create_task(run(files))

        async def done() -> bool:
            query = "select from data_keys where user_id = %s and epoch = 2"
            return await (await owner.execute(query, [there])).fetchone() is not None

        await until(done, "the other row is rewrapped")
        assert not rotating.done(), "it is not finished before every row is"
        await eraser.commit()
    assert (await rotating).rewrapped == 1
    assert await (await owner.execute("select user_id from data_keys")).fetchall() == [(there,)]
    assert names(files) == {"kek-2", "claims"}


class Killed(BaseException):
    """As if the process had ended here."""


async def run_until_retired(of: Settings) -> None:
    """A rotation that ends before the first data key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rotation.Work, "rewrap", killed)
        with pytest.raises(Killed):
            await run(of)


async def killed(*_: object) -> Any:
    raise Killed


@pytest.mark.parametrize("step", ["lock", "retire", "rewrap", "finish"])
async def test_rotation_killed_before_a_step_is_finished_by_the_next(
    files: Settings, open_store: OpenStore, owner: Connection, step: str
) -> None:
    users = [user_id() for _ in range(5)]
    store = open_store(files)
    await store.append([append(user) for user in users])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rotation.Work, step, killed)
        with pytest.raises(Killed):
            await run(files)
    assert "kek-1" in names(files), "the old key is the last to go"
    assert await notes(open_store(files), *users) == [NOTE] * 5
    assert await store.append([append(user_id())]) == [Appended(6)]
    assert (await run(files)).epoch == 2
    assert await epochs(owner) == {2}
    assert names(files) == {"kek-2", "claims"}
    assert await notes(open_store(files), *users) == [NOTE] * 5
    assert (await run(files)).epoch == 3, "the next one is a new one"


async def test_rotation_killed_between_batches_is_finished_by_the_next(
    files: Settings, open_store: OpenStore, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    users = [user_id() for _ in range(7)]
    await open_store(files).append([append(user) for user in users])

    def interrupt(done: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        await rotate(files, keep_old=False, progress=interrupt)
    assert await epochs(owner) == {1, 2}
    assert await notes(open_store(files), *users) == [NOTE] * 7
    assert await run(files) == Rotation(2, 5, [1], [])
    assert await notes(open_store(files), *users) == [NOTE] * 7


async def test_rotation_killed_after_deleting_the_key_is_finished(
    files: Settings, open_store: OpenStore, owner: Connection
) -> None:
    await open_store(files).append([append(user_id())])
    await run(files)
    await owner.execute("update retired_epochs set emptied_at = null")
    assert await run(files) == Rotation(2, 0, [], [])


async def test_second_rotation_is_refused(files: Settings, owner: Connection, database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, options="-c search_path=denizen") as writer:
        await writer.execute("insert into data_keys values ('a', 1, '')")
        first = asyncio.create_task(run(files))
        await waits(owner)
        with pytest.raises(RotationRefused, match="another rotation"):
            await run(files)
        await writer.rollback()
    assert (await first).epoch == 2


# --- keys in the environment, and wrong ones ---------------------------------------------------------------------


async def test_rotation_needs_the_new_key_in_the_environment(database_url: str, owner: Connection) -> None:
    with pytest.raises(RotationRefused, match="Add a key of epoch 2"):
        await run(environment(database_url, e1=7))
    assert (await run(environment(database_url, e1=7, e2=6))).left == [1]
    with pytest.raises(RotationRefused, match="Add a key of epoch 3"):
        await run(environment(database_url, e1=7, e2=6))
    with pytest.raises(KeysMissing, match="beyond it"):
        await run(environment(database_url, e1=7))
    assert (await run(environment(database_url, e2=6, e3=5))).left == [2]


async def test_rotation_without_a_needed_key_destroys_nothing(
    files: Settings, open_store: OpenStore, owner: Connection
) -> None:
    await open_store(files).append([append(user_id())])
    await owner.execute("update data_keys set wrapped = wrapped || '\\x00'")
    with pytest.raises(KeysMissing, match="epoch 1 is not the one"):
        await run(files)
    assert names(files) == {"kek-1", "kek-2", "claims"}
    assert await epochs(owner) == {1}


async def test_key_ring_is_read_again(tmp_path: Path) -> None:
    """Keys that have come open at once and wrap when told; those that have gone stay for one reading more."""
    keys.create_missing(tmp_path)
    ring = keys.load(Settings(home=tmp_path))
    old = ring.wrap("a", bytes(32))
    key_files.create_next(tmp_path / "keys", 1)
    new = keys.load(Settings(home=tmp_path)).wrap("a", bytes(32))
    assert ring.unwrapped("a", 2, new) == bytes(32)
    assert (ring.epoch, ring.epochs) == (1, {1, 2})
    ring.advance()
    assert ring.epoch == 2
    assert key_files.remove(tmp_path / "keys", 1)
    assert not key_files.remove(tmp_path / "keys", 1)
    ring.reload()
    assert ring.epochs == {2}
    assert ring.unwrapped("a", 1, old) == bytes(32)
    ring.reload()
    with pytest.raises(KeysMissing):
        ring.unwrapped("a", 1, old)
    (tmp_path / "keys" / "kek-2").unlink()
    with pytest.raises(KeysMissing):
        ring.reload()
    assert ring.unwrapped("a", 2, new) == bytes(32), "a directory out of reach takes no key away"


def test_deleted_key_is_forgotten_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that goes on for months does not keep what would open an old backup."""
    keys.create_missing(tmp_path)
    key_files.create_next(tmp_path / "keys", 1)
    ring = keys.load(Settings(home=tmp_path))
    old = KeyRing({1: bytes(32)}, bytes(32)).wrap("a", bytes(32))
    new = ring.wrap("a", bytes(32))
    key_files.remove(tmp_path / "keys", 1)
    for _ in range(3):
        ring.unwrapped("a", 2, new)
    with pytest.raises(KeysMissing, match="is not the one"):
        ring.unwrapped("a", 1, old)
    monkeypatch.setattr(key_encryption, "_FRESH_SECONDS", -1.0)
    for _ in range(2):
        ring.unwrapped("a", 2, new)
    with pytest.raises(KeysMissing, match="no key-encryption key of epoch 1"):
        ring.unwrapped("a", 1, old)


def test_rotation_works_with_any_key_encryption() -> None:
    """The seam for a KMS: the ring holds what it is given."""
    ring = KeyRing(LocalKeys({3: bytes(32)}), bytes(32))
    assert ring.unwrapped("a", 3, ring.wrap("a", b"b" * 32)) == b"b" * 32
    assert ring.checks.keys() == {"claims", "kek-3"}


def cached(store: PostgresEventStore) -> str:
    """The users whose data keys a store has in memory."""
    known: object = vars(store)["_keys"]
    return str(vars(known))


async def test_key_of_an_erased_user_is_not_kept_in_memory(files: Settings, open_store: OpenStore) -> None:
    writer, reader = open_store(files), open_store(files)
    user = user_id()
    await writer.append([append(user)])
    await notes(reader, user)
    assert user in cached(writer)
    assert user in cached(reader)
    erasing = append(user, 1)
    erasing.events[0].private, erasing.effects = None, Effects(erase=True)
    await writer.append([erasing])
    assert user not in cached(writer)
    assert await notes(reader, user) == [None, None]
    assert user not in cached(reader)
