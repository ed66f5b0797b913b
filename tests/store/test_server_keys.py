"""The service's own keys: all processes agree on them, the table reveals none, and the old ones go."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import pytest_asyncio
from joserfc.jwk import OKPKey
from psycopg.conninfo import make_conninfo

from services.domain.refusals import Refusal
from services.eventstore.keys import data_keys as key_files
from services.eventstore.keys.data_keys import KeyRing, KeysMissing
from services.platform.database import Database, DatabaseUnavailable, Parameters, ResultRow
from services.platform.settings import Settings
from services.tokens import keys as server_keys
from services.tokens.keys import KeyKind, ServerKeys
from tests.support import forked
from tests.support.log import ring, settings, until
from tests.support.servers import REPOSITORY

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
SETTINGS = Settings(access_token_seconds=300)


class CountingDatabase(Database):
    """A real one that counts what it is asked."""

    asked = 0

    async def fetch(self, query: LiteralString, parameters: Parameters, *, binary: bool = False) -> list[ResultRow]:
        self.asked += 1
        return await super().fetch(query, parameters, binary=binary)


OpenDatabase = Callable[[str], CountingDatabase]
OpenKeys = Callable[..., ServerKeys]


@pytest_asyncio.fixture
async def open_database(database_url: str) -> AsyncGenerator[OpenDatabase]:
    """`open_database("a")`: the connection of a service."""
    opened: list[CountingDatabase] = []

    def open_one(name: str) -> CountingDatabase:
        opened.append(CountingDatabase(settings(database_url), f"{name} keys"))
        return opened[-1]

    yield open_one
    for each in opened:
        await each.close()


@pytest.fixture
def open_keys(open_database: OpenDatabase) -> OpenKeys:
    """`open_keys("a", ring)`: the keys as a service sees them."""

    def open_one(name: str = "a", keys: KeyRing | None = None) -> ServerKeys:
        return ServerKeys(open_database(name), SETTINGS, keys)

    return open_one


class Clock:
    """The clock by which the services know how old what they know of the keys is."""

    ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(server_keys, "time", clock)
    return clock


def secret_of(key: OKPKey) -> bytes:
    private: Any = key.private_key
    octets: bytes = private.private_bytes_raw()
    return octets


async def table(owner: Connection) -> list[dict[str, Any]]:
    rows = await (await owner.execute("select to_jsonb(k) from server_keys k order by created_at")).fetchall()
    return [row for (row,) in rows]


async def retired_since(owner: Connection, seconds: float) -> None:
    """Let every retired key have been retired so long ago."""
    await owner.execute(
        "update server_keys set retired_at = now() - make_interval(secs => %s) where retired_at is not null", [seconds]
    )


async def lead_over(owner: Connection) -> None:
    """Let the time be over in which the newest signing key is published and not used."""
    await owner.execute("update server_keys set retired_at = now() where retired_at > now()")


# --- the first keys ---------------------------------------------------------------------------------------------


async def test_first_keys_are_made_once(open_keys: OpenKeys, owner: Connection) -> None:
    a, b = open_keys("a", ring()), open_keys("b", ring())
    first = await a.signing()
    assert (await b.signing()).kid == first.kid
    assert secret_of(await b.signing()) == secret_of(first)
    assert [(row["kind"], row["retired_at"]) for row in await table(owner)] == [("signing", None), ("sealing", None)]
    (jwk,) = (await b.jwks()).keys
    assert (jwk.kid, jwk.x) == (first.kid, first.as_dict(private=False)["x"])
    assert (jwk.kty, jwk.crv, jwk.use, jwk.alg) == ("OKP", "Ed25519", "sig", "EdDSA")
    assert first.as_dict(private=False).items() <= jwk.model_dump().items()
    public = await a.sealing_public()
    opener = await b.sealing(public.key_id)
    assert opener is not None
    assert public == await b.sealing_public()


async def test_two_services_starting_at_once_agree_on_keys(
    open_keys: OpenKeys, owner: Connection, database_url: str
) -> None:
    """The second one waits for the first one's commit, and takes its key."""
    first, second = open_keys("first", ring()), open_keys("second", ring())
    made = await first.signing()
    await owner.execute("create temp table made as table server_keys")
    await owner.execute("delete from server_keys")
    await owner.execute("begin")
    await owner.execute("insert into server_keys table made")
    task = asyncio.create_task(second.signing())
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as onlooker:

        async def waiting() -> bool:
            cursor = await onlooker.execute(
                "select from pg_stat_activity"
                " where application_name = 'denizen second keys' and wait_event_type = 'Lock'"
            )
            return await cursor.fetchone() is not None

        await until(waiting, "the second service waits")
    assert not task.done()
    await owner.execute("commit")
    assert (await task).kid == made.kid


async def test_ten_services_starting_at_once_agree_on_keys(open_keys: OpenKeys, owner: Connection) -> None:
    services = [open_keys(str(number), ring()) for number in range(10)]
    signing = await asyncio.gather(*(each.signing() for each in services))
    sealing = await asyncio.gather(*(each.sealing_public() for each in services))
    assert len({key.kid for key in signing}) == len({secret_of(key) for key in signing}) == 1
    assert len({key.key_id for key in sealing}) == 1
    assert len(await table(owner)) == 2


async def test_keys_without_a_key_ring_are_neither_made_nor_opened(
    open_keys: OpenKeys, owner: Connection, clock: Clock
) -> None:
    directory = open_keys("directory")
    assert (await directory.jwks()).keys == ()
    assert await directory.verifying() == {}
    with pytest.raises(Refusal) as caught:
        await directory.sealing_public()
    assert caught.value.code == "overloaded"
    assert await table(owner) == []
    made = await open_keys("accounts", ring()).signing()
    clock.ahead += 2
    assert [jwk.kid for jwk in (await directory.jwks()).keys] == [made.kid]
    assert (await directory.verifying()).keys() == {made.kid}
    sealing = await directory.sealing_public()
    with pytest.raises(RuntimeError, match="key ring"):
        await directory.signing()
    with pytest.raises(RuntimeError, match="key ring"):
        await directory.sealing(sealing.key_id)


# --- private keys -----------------------------------------------------------------------------------------------


async def test_table_holds_no_readable_private_key(open_keys: OpenKeys, owner: Connection) -> None:
    keys = open_keys("a", ring())
    signing = secret_of(await keys.signing())
    sealing = await keys.sealing((await keys.sealing_public()).key_id)
    assert sealing is not None
    text = json.dumps(await table(owner))
    for secret in (signing, bytes(sealing)):
        assert secret.hex() not in text
    assert bytes(sealing.public_key).hex() in text, "this is how it would be seen"


@pytest.mark.parametrize("wrong", [ring(key=9), ring(epoch=2)])
async def test_key_of_another_ring_does_not_open(open_keys: OpenKeys, wrong: KeyRing) -> None:
    made = await open_keys("a", ring()).signing()
    other = open_keys("b", wrong)
    with pytest.raises(KeysMissing):
        await other.signing()
    with pytest.raises(KeysMissing):
        await other.sealing((await other.sealing_public()).key_id)
    assert (await other.verifying()).keys() == {made.kid}, "public keys need none"


async def test_private_key_opens_in_its_own_row_only(open_keys: OpenKeys, owner: Connection) -> None:
    """A login that can write the table cannot make the sealing key sign, or one key stand for another."""
    keys = open_keys("a", ring())
    await keys.signing()
    await owner.execute(
        "update server_keys k set wrapped = other.wrapped from server_keys other where other.kind <> k.kind"
    )
    reader = open_keys("b", ring())
    with pytest.raises(KeysMissing):
        await reader.signing()
    with pytest.raises(KeysMissing):
        await reader.sealing((await reader.sealing_public()).key_id)


# --- rotation ---------------------------------------------------------------------------------------------------


async def test_retired_signing_key_loses_its_private_half(open_keys: OpenKeys, owner: Connection, clock: Clock) -> None:
    keys, directory = open_keys("a", ring()), open_keys("directory")
    old = (await keys.signing()).kid
    new = (await keys.rotate("signing")).key_id
    await lead_over(owner)
    assert (await keys.signing()).kid == new
    assert [jwk.kid for jwk in (await keys.jwks()).keys] == [new, old]
    wrapped = {row["key_id"]: row["wrapped"] for row in await table(owner)}
    assert wrapped[old] == "\\x"
    assert len(wrapped[new]) > 64
    await retired_since(owner, 300 + 50)
    for each in (open_keys("b", ring()), directory):
        assert [jwk.kid for jwk in (await each.jwks()).keys] == [new, old]
        assert (await each.verifying()).keys() == {new, old}
    await retired_since(owner, 300 + 61)
    clock.ahead += 2
    assert [jwk.kid for jwk in (await directory.jwks()).keys] == [new]
    assert (await directory.verifying()).keys() == {new}
    assert len(await table(owner)) == 3, "who only reads deletes nothing"
    await open_keys("c", ring()).jwks()
    assert {row["key_id"] for row in await table(owner)} == wrapped.keys() - {old}


async def test_new_signing_key_is_published_before_it_signs(
    open_keys: OpenKeys, owner: Connection, clock: Clock
) -> None:
    keys, directory = open_keys("a", ring()), open_keys("directory")
    first = (await keys.signing()).kid
    second = (await keys.rotate("signing")).key_id
    third = (await keys.rotate("signing")).key_id
    for each in (keys, directory, open_keys("b", ring())):
        assert {jwk.kid for jwk in (await each.jwks()).keys} == {first, second, third}
        assert (await each.jwks()).keys[0].kid == first
    assert (await keys.signing()).kid == first
    assert [row["wrapped"] for row in await table(owner) if row["wrapped"] == "\\x"] == [], "it still signs"
    ahead = "select retired_at - now() from server_keys where retired_at is not null order by retired_at"
    ((until_second,), (until_third,)) = await (await owner.execute(ahead)).fetchall()
    assert 60 < until_second.total_seconds() <= until_third.total_seconds() <= server_keys.LEAD_SECONDS
    for retired, signs in ((first, second), (second, third)):
        await owner.execute("update server_keys set retired_at = now() where key_id = %s", [retired])
        clock.ahead += 2
        assert (await keys.signing()).kid == signs
        assert {jwk.kid for jwk in (await directory.jwks()).keys} == {first, second, third}


async def test_new_key_is_used_once_every_service_knows_it(open_keys: OpenKeys) -> None:
    """A service that has read the keys a tenth of a second ago does not read them again for an id that it lacks."""
    keys, other = open_keys("a", ring()), open_keys("b", ring())
    await asyncio.gather(keys.signing(), other.verifying())
    for _ in range(3):
        await keys.rotate("signing", at_once=True)
        await other.verifying(unknown=True)
        assert (await keys.signing()).kid in await other.verifying(unknown=True)
        await keys.rotate("sealing", at_once=True)
        await other.sealing("invented")
        assert await other.sealing((await keys.sealing_public()).key_id) is not None


async def test_retired_sealing_key_opens_for_ten_minutes(open_keys: OpenKeys, owner: Connection, clock: Clock) -> None:
    keys = open_keys("a", ring())
    old = (await keys.sealing_public()).key_id
    private = await keys.sealing(old)
    assert old in str(vars(keys))
    new = (await keys.rotate("sealing")).key_id
    assert (await keys.sealing_public()).key_id == new
    assert await keys.sealing(new) is not None
    await retired_since(owner, 590)
    clock.ahead += 2
    assert await keys.sealing(old) == private
    assert await open_keys("b", ring()).sealing(old) == private
    await retired_since(owner, 601)
    clock.ahead += 2
    assert await keys.sealing(old) is None
    assert old not in str(vars(keys)), "it is not kept in memory either"
    assert old not in [row["key_id"] for row in await table(owner)]


@pytest.mark.parametrize("kind", ["signing", "sealing"])
async def test_rotation_at_once_leaves_no_old_key(open_keys: OpenKeys, owner: Connection, kind: KeyKind) -> None:
    keys = open_keys("a", ring())
    await keys.signing()
    first = [row["key_id"] for row in await table(owner) if row["kind"] == kind]
    second = await keys.rotate(kind)
    assert second.old == first
    third = await keys.rotate(kind, at_once=True)
    assert sorted(third.old) == sorted([*first, second.key_id]), "an older one may have leaked with it"
    new = third.key_id
    rows = {row["key_id"]: row for row in await table(owner) if row["kind"] == kind}
    assert [key_id for key_id, row in rows.items() if row["wrapped"] != "\\x" or row["public"] != "\\x"] == [new]
    assert len([row for row in await table(owner) if row["kind"] != kind]) == 1
    for each in (keys, open_keys("b", ring()), open_keys("directory")):
        assert sorted(await each.dropped()) == (sorted(third.old) if kind == "signing" else [])
        for old in third.old:
            assert old not in await each.verifying()
        if kind == "signing":
            assert [jwk.kid for jwk in (await each.jwks()).keys] == [new]
    assert await keys.sealing(third.old[0]) is None


async def test_dropped_key_id_stays_while_verifiers_may_hold_it(open_keys: OpenKeys, owner: Connection) -> None:
    keys = open_keys("a", ring())
    first = (await keys.signing()).kid
    assert await keys.dropped() == []
    await keys.rotate("signing", at_once=True)
    second = (await keys.signing()).kid
    assert (await keys.rotate("signing", at_once=True)).old == [second], "those that were dropped before are not again"
    for minutes, ids in ((74, [first]), (76, [])):
        age = "update server_keys set dropped_at = now() - make_interval(mins => %s) where key_id = %s"
        await owner.execute(age, [minutes, first])
        assert [each for each in await open_keys("directory").dropped() if each == first] == ids
    assert first in [row["key_id"] for row in await table(owner)], "who only reads deletes nothing"
    assert await open_keys("c", ring()).dropped() == [second]
    assert first not in [row["key_id"] for row in await table(owner)]


async def test_concurrent_rotations_are_serialized(open_keys: OpenKeys, owner: Connection, clock: Clock) -> None:
    services = [open_keys(str(number), ring()) for number in range(5)]
    await services[0].signing()
    made = await asyncio.gather(*(each.rotate("signing") for each in services))
    assert len({each.key_id for each in made}) == 5
    assert len({each.old[0] for each in made}) == 5, "each found the key of the one before"
    rows = [row for row in await table(owner) if row["kind"] == "signing"]
    assert len(rows) == 6
    (in_use,) = [row["key_id"] for row in rows if row["retired_at"] is None]
    await lead_over(owner)
    clock.ahead += 2
    for each in services:
        assert (await each.signing()).kid == in_use


async def test_failed_rotation_changes_nothing(open_keys: OpenKeys, owner: Connection) -> None:
    keys = open_keys("a", ring())
    await keys.signing()
    before = await table(owner)
    await owner.execute("alter table server_keys add constraint no_more check (created_at < now()) not valid")
    for at_once in (False, True):
        with pytest.raises(psycopg.errors.CheckViolation):
            await keys.rotate("signing", at_once=at_once)
    assert await table(owner) == before


# --- what is kept in memory -------------------------------------------------------------------------------------


async def test_keys_are_read_again_after_two_seconds(
    open_keys: OpenKeys, open_database: OpenDatabase, clock: Clock
) -> None:
    database = open_database("b")
    a, b = open_keys("a", ring()), ServerKeys(database, SETTINGS, ring())
    old = (await b.signing()).kid
    before = database.asked
    for _ in range(50):
        await asyncio.gather(b.signing(), b.jwks(), b.sealing_public(), b.verifying())
    assert database.asked == before
    clock.ahead += 1
    new = (await a.rotate("signing", at_once=True)).key_id
    assert (await b.signing()).kid == old
    clock.ahead += 1
    assert (await b.signing()).kid == new
    assert database.asked == before + 1


async def test_concurrent_requests_share_one_read_of_keys(open_keys: OpenKeys, open_database: OpenDatabase) -> None:
    await open_keys("a", ring()).signing()
    database = open_database("b")
    keys = ServerKeys(database, SETTINGS, ring())
    found = await asyncio.gather(*(keys.signing() for _ in range(200)))
    assert len({key.kid for key in found}) == 1
    assert database.asked == 1


async def test_unknown_key_is_looked_up(open_keys: OpenKeys, clock: Clock) -> None:
    a, b = open_keys("a", ring()), open_keys("b", ring())
    await asyncio.gather(a.signing(), b.signing())
    sealing, signing = (await a.rotate("sealing")).key_id, (await a.rotate("signing")).key_id
    clock.ahead += 0.1
    assert await b.sealing(sealing) is not None
    assert signing in await b.verifying(unknown=True)


async def test_invented_key_ids_cost_at_most_ten_queries_a_second(open_database: OpenDatabase) -> None:
    database = open_database("a")
    keys = ServerKeys(database, SETTINGS, ring())
    await keys.signing()
    before, began = database.asked, time.monotonic()
    for number in range(500):
        assert await keys.sealing(f"invented{number}") is None
        await keys.verifying(unknown=True)
    await asyncio.gather(*(keys.sealing(f"again{number}") for number in range(500)))
    assert database.asked - before <= (time.monotonic() - began) / 0.1 + 1


async def test_unreachable_database_fails_every_waiting_request(database_url: str) -> None:
    """Together: one after the other they would wait for as many connection attempts."""
    nowhere = make_conninfo(database_url, host="127.0.0.1", port=1)
    database = CountingDatabase(settings(nowhere), "nowhere")
    keys = ServerKeys(database, SETTINGS, ring())
    results = await asyncio.gather(*(keys.jwks() for _ in range(100)), return_exceptions=True)
    assert {type(result) for result in results} == {DatabaseUnavailable}
    assert database.asked == 1


async def test_cancelled_request_does_not_stop_others(open_keys: OpenKeys, owner: Connection) -> None:
    await open_keys("a", ring()).signing()
    keys = open_keys("b", ring())
    await owner.execute("begin")
    await owner.execute("lock table server_keys in access exclusive mode")
    impatient, patient = asyncio.create_task(keys.jwks()), asyncio.create_task(keys.jwks())
    await asyncio.sleep(0)
    impatient.cancel()
    await owner.execute("commit")
    assert len((await patient).keys) == 1
    with pytest.raises(asyncio.CancelledError):
        await impatient


# --- the command line -------------------------------------------------------------------------------------------


def command(home: Path, url: str | None, *arguments: str) -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
    environment |= {"DENIZEN_HOME": str(home), "COLUMNS": "200"} | ({"DENIZEN_DATABASE_URL": url} if url else {})
    done = subprocess.run(
        forked.denizen("keys", *arguments),
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


async def test_keys_commands_rotate_server_keys(
    open_keys: OpenKeys, owner: Connection, database_url: str, tmp_path: Path, clock: Clock
) -> None:
    key_files.create_missing(tmp_path)
    keys = open_keys("a", key_files.load(Settings(home=tmp_path)))
    first = (await keys.signing()).kid

    def rotate(*arguments: str) -> dict[str, Any]:
        code, out, err = command(tmp_path, database_url, *arguments, "--json")
        assert (code, err) == (0, "")
        result: dict[str, Any] = json.loads(out)
        return result

    second = rotate("rotate-signing")
    assert second == {
        "kind": "signing",
        "keyId": second["keyId"],
        "oldKeyIds": [first],
        "atOnce": False,
        "usedInSeconds": 90,
    }
    await lead_over(owner)
    sealing = rotate("rotate-sealing")
    assert (sealing["kind"], len(sealing["oldKeyIds"]), sealing["usedInSeconds"]) == ("sealing", 1, 0)
    clock.ahead += 2
    assert [jwk.kid for jwk in (await keys.jwks()).keys] == [second["keyId"], first]
    assert (await keys.signing()).kid == second["keyId"]
    assert (await keys.sealing_public()).key_id == sealing["keyId"]
    third = rotate("rotate-signing", "--at-once")
    assert (sorted(third["oldKeyIds"]), third["atOnce"]) == (sorted([str(first), second["keyId"]]), True)
    assert third["usedInSeconds"] == 0
    clock.ahead += 2
    assert [jwk.kid for jwk in (await keys.jwks()).keys] == [third["keyId"]]
    code, out, _ = command(tmp_path, database_url, "rotate-signing")
    assert code == 0
    assert "in 90 seconds; those of older keys are good until they expire" in out


async def test_keys_commands_refuse_keys_of_another_log(
    open_keys: OpenKeys, owner: Connection, database_url: str, tmp_path: Path
) -> None:
    """Wrapped under them, the new key could be opened by no service: an outage made by an operator in a hurry."""
    for name in ("right", "wrong"):
        key_files.create_missing(tmp_path / name)
    assert command(tmp_path / "right", database_url, "rotate-signing")[0] == 0
    before = await table(owner)
    code, out, err = command(tmp_path / "wrong", database_url, "rotate-signing", "--at-once")
    assert (code, out) == (1, "")
    assert "not the one that this log was written under" in err
    assert command(tmp_path / "nothing", database_url, "rotate-signing")[0] == 1
    assert await table(owner) == before
    assert command(tmp_path / "right", None, "rotate-signing")[0] == 2
    assert command(tmp_path / "right", database_url, "rotate-nothing")[0] == 2
