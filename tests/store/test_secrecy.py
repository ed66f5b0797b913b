"""Nothing personal is in the log as plain text, and a log opens only with its own keys."""

import base64
import hashlib
import os
import subprocess
from pathlib import Path

import orjson
import psycopg
import pytest
from psycopg import sql

from services.eventstore.keys import data_keys as keys
from services.eventstore.keys.data_keys import KeysMissing
from tests.store.conftest import OpenStore
from tests.support import forked
from tests.support.accounts import Accounts, ask
from tests.support.log import append, ring, user_id
from tests.support.servers import REPOSITORY

LOG_TABLES = {"events", "claims", "commands", "data_keys", "log_head", "key_checks"}


def dump(url: str) -> dict[str, bytes]:
    """Every table of the cell as COPY writes it, as a dump has it."""
    result: dict[str, bytes] = {}
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select relname from pg_class where relnamespace = 'denizen'::regnamespace and relkind = 'r'"
        )
        for (table,) in tables.fetchall():
            query = sql.SQL("copy (select * from {}) to stdout").format(sql.Identifier("denizen", table))
            with connection.cursor().copy(query) as copy:
                result[table] = b"".join(bytes(block) for block in copy)
    return result


def traces(canary: str) -> list[bytes]:
    """How a value could show: as it is, in hexadecimal (COPY's form of bytea), in base64, as a bare hash."""
    text = canary.encode()
    return [
        text.lower(),
        text.hex().encode(),
        base64.b64encode(text)[:-4].lower(),
        hashlib.sha256(text).hexdigest().encode(),
        hashlib.sha1(text).hexdigest().encode(),
        hashlib.md5(text).hexdigest().encode(),
    ]


async def test_tables_of_the_log_hold_no_personal_plain_text(open_store: OpenStore, database_url: str) -> None:
    told = Accounts(open_store())

    async def answer(name: str, body: dict[str, object], command_id: str) -> bytes:
        (said,) = await told.raw(ask(name, body, id=command_id))
        return said

    personal: dict[str, object] = {
        "email": "Canary-Mail@example.com",
        "externalId": "canary-external",
        "profile": {"firstName": "Canary-First", "picture": "https://example.com/canary-picture"},
        "metadata": {"canary-key": "canary-value"},
        "appMetadata": {"canary-app": ["canary-role"]},
    }
    created = orjson.loads(await answer("CreateUser", personal, "c1"))
    user = created["user"]["id"]
    changes: dict[str, object] = {
        "userId": user,
        "externalId": "canary-changed",
        "profile": {"lastName": "Canary-Last"},
        "metadata": {"canary-new": 1},
    }
    assert b"canary-changed" in await answer("UpdateUser", changes, "c2")
    assert b"BLOCKED" in await answer("BlockUser", {"userId": user, "reason": "canary-reason"}, "c3")
    assert b"email_taken" in await answer("CreateUser", {"email": "canary-mail@example.com"}, "c4")
    taken: dict[str, object] = {"email": "canary-other@example.com", "externalId": "canary-changed"}
    assert b"external_id_taken" in await answer("CreateUser", taken, "c5")

    tables = dump(database_url)
    assert tables.keys() >= LOG_TABLES
    assert user.encode() in tables["events"]
    assert tables["commands"].count(b"\n") == 5
    for table, content in tables.items():
        for plain in (b"canary", b"canary".hex().encode(), b"example.com", b"example.com".hex().encode()):
            assert plain not in content.lower(), table
        for value in ("canary-mail@example.com", "canary-external", "canary-changed"):
            assert not [trace for trace in traces(value) if trace in content.lower()], table


async def test_dump_search_finds_plain_text(open_store: OpenStore, database_url: str) -> None:
    """Plain text where it may be is found, so that the test above can fail."""
    await open_store().append([append(user_id(), command_id="canary-id")])
    assert b"canary-id" in dump(database_url)["events"]
    assert b"canary-id" in dump(database_url)["commands"]


# --- keys -------------------------------------------------------------------------------------------------------


async def test_events_of_an_erased_user_have_no_private_part(open_store: OpenStore, database_url: str) -> None:
    gone, there = user_id(), user_id()
    await open_store("a").append([append(gone), append(there)])
    with psycopg.connect(database_url, options="-c search_path=denizen") as connection:
        connection.execute("delete from data_keys where user_id = %s", [gone])
    fresh = open_store("b")
    assert [event.private for event in await fresh.read(0, 10)] == [None, {"note": "private 1"}]


async def test_right_keys_are_accepted_again(open_store: OpenStore) -> None:
    await open_store("a").check_keys()
    await open_store("b").check_keys()


@pytest.mark.parametrize(("name", "wrong"), [("claims", ring(claims=9)), ("kek-1", ring(key=9))])
async def test_wrong_keys_are_refused_at_start(open_store: OpenStore, name: str, wrong: keys.KeyRing) -> None:
    await open_store("a").check_keys()
    with pytest.raises(KeysMissing, match=name):
        await open_store("b", keys=wrong).check_keys()


async def test_new_epoch_is_accepted(open_store: OpenStore) -> None:
    await open_store("a").check_keys()
    both = keys.KeyRing({1: bytes([7]) * 32, 2: bytes([6]) * 32}, bytes([8]) * 32)
    await open_store("b", keys=both).check_keys()


def start(home: Path, url: str) -> tuple[int, str]:
    """A service's exit code and what it logged; it needs no NATS to find its keys wrong."""
    environment = {**os.environ, "DENIZEN_HOME": str(home), "DENIZEN_DATABASE_URL": url}
    environment["DENIZEN_NATS_URL"] = "nats://127.0.0.1:1"
    command = forked.denizen("run", "accounts")
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    return done.returncode, done.stdout + done.stderr


async def test_service_without_keys_says_what_is_missing(tmp_path: Path, database_url: str) -> None:
    code, output = start(tmp_path, database_url)
    assert code == 1
    assert "KeysMissing" in output
    assert "put kek-1 and claims into" in output


async def test_service_with_keys_of_another_log_does_not_start(
    tmp_path: Path, open_store: OpenStore, database_url: str
) -> None:
    await open_store("a").check_keys()
    keys.create_missing(tmp_path)
    code, output = start(tmp_path, database_url)
    assert code == 1
    assert "the key claims is not the one that this log was written under" in output
