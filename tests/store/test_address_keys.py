"""Claims of addresses whose key was coarser in earlier versions are made again before a service serves."""

import asyncio
from typing import Any

import psycopg
import pytest

from services.domain import events
from services.domain.email_address import canonical, coarse
from services.domain.events import EmailChanged, UserCreated
from services.eventstore.log import address_keys
from services.eventstore.log.store import Append, Appended
from services.eventstore.migrations.migrate import migrate
from services.platform.ids import new_event_id
from tests.store.conftest import OpenStore
from tests.support.log import AT, ring, settings, user_id

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
NEW, OLD = "info@stra\u00dfe.example", "info@strasse.example"


def earlier(user: str, version: int, address: str) -> Append:
    """What an earlier version stored for an address that a user got."""
    key = coarse(address)
    if version == 1:
        created = UserCreated(address, key, True, None, {}, {}, {})
        stored = events.encode(created, user, 1, "ACTIVE", new_event_id())
    else:
        stored = events.encode(EmailChanged(address, key), user, version, "ACTIVE", new_event_id())
    return Append(user, version - 1, [stored], {"commandId": "none"}, AT, take=frozenset({("email", key)}))


async def unmigrated(owner: Connection) -> None:
    """The database is as the version before had it."""
    await owner.execute("drop table address_keys")
    await owner.execute("delete from _yoyo_migration where migration_id = '0014.address_keys'")


async def holders(owner: Connection, *addresses: str) -> list[str | None]:
    found: list[str | None] = []
    for address in addresses:
        cursor = await owner.execute(
            "select user_id from claims where key = %s", [ring().claim("email", canonical(address))]
        )
        row = await cursor.fetchone()
        found.append(row[0] if row else None)
    return found


async def renew(url: str, service: str = "accounts") -> int:
    return await address_keys.renew(settings(url), ring(), service)


async def test_coarser_claims_are_renewed(open_store: OpenStore, owner: Connection, database_url: str) -> None:
    await unmigrated(owner)
    store = open_store()
    sharp, plain, moved, final, gone = (user_id() for _ in range(5))
    batch = [
        earlier(sharp, 1, "Info@Stra\u00dfe.example"),
        earlier(plain, 1, "a@example.com"),
        earlier(moved, 1, "b@stra\u00dfe.example"),
        earlier(final, 1, "a@xn--nxasmm1c.example"),
        earlier(gone, 1, "c@stra\u00dfe.example"),
    ]
    assert [type(result) for result in await store.append(batch)] == [Appended] * 5
    # The same key then: the user kept the claim.
    change = earlier(moved, 2, "b@strasse.example")
    change.take = frozenset()
    assert [type(result) for result in await store.append([change])] == [Appended]
    await owner.execute("delete from data_keys where user_id = %s", [gone])

    await asyncio.to_thread(migrate, database_url, "denizen")
    assert await holders(owner, NEW, OLD) == [None, sharp]
    assert await renew(database_url) == 2
    assert await holders(owner, NEW, OLD) == [sharp, None]
    assert await holders(owner, "a@example.com", "b@strasse.example", "b@stra\u00dfe.example") == [plain, moved, None]
    assert await holders(owner, "a@\u03b2\u03cc\u03bb\u03bf\u03c2.example") == [final]
    assert await (await owner.execute("select position from address_keys")).fetchall() == []
    assert await renew(database_url) == 0

    (first, *_) = await store.read(0, 1)
    assert first.private is not None
    assert first.private["emailKey"] == canonical(NEW), "who reads the log reads the key of today"


async def test_interrupted_renewal_continues(
    open_store: OpenStore, owner: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_keys, "_BATCH", 2)
    await unmigrated(owner)
    store, users = open_store(), [user_id() for _ in range(7)]
    addresses = [f"user{number}@stra\u00dfe.example" for number in range(7)]
    await store.append([earlier(user, 1, address) for user, address in zip(users, addresses, strict=True)])
    await asyncio.to_thread(migrate, database_url, "denizen")
    # One cannot be made again: the process ends there.
    fail = "create function fail() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$"
    await owner.execute(fail)
    when = f"create trigger fail before insert on claims for each row when (new.user_id = '{users[4]}')"
    await owner.execute(f"{when} execute function fail()".encode())
    with pytest.raises(psycopg.Error):
        await renew(database_url)
    assert (await holders(owner, *addresses)) == [*users[:4], None, None, None]
    assert await (await owner.execute("select position from address_keys")).fetchall() == [(4,)]
    await owner.execute("drop trigger fail on claims")
    assert await renew(database_url, "transfer") == 3
    assert (await holders(owner, *addresses)) == users


async def test_new_cell_has_nothing_to_renew(owner: Connection, database_url: str) -> None:
    assert await (await owner.execute("select position from address_keys")).fetchall() == []
    assert await renew(database_url) == 0
