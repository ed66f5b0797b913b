"""Lists, searches and rebuilds through the whole service, from a plain NATS client and the Python clients."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from denizen import AsyncClient, Client, ValidationFailed

import projections
from tests.support import log
from tests.support.backend import Backend, Json, connected, email
from tests.support.people import PASSWORD
from tests.support.servers import REPOSITORY, Denizen


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Backend]:
    async with connected(denizen.nats_url) as made:
        yield made


@pytest.fixture
def client(denizen: Denizen) -> Iterator[Client]:
    with Client(denizen.nats_url) as made:
        yield made


def ids(page: Json) -> list[str]:
    return [user["id"] for user in page["data"]]


def a_word() -> str:
    """One that no other test uses."""
    return f"w{secrets.token_hex(6)}"


async def test_search_is_paged(backend: Backend) -> None:
    word = a_word()
    address = f"{word}@example.com"
    names = [f"Émile {word}", f"{word.upper()}-Zoë", f"x{word}", f"{word} Ada"]
    users = [await backend.create(profile={"displayName": name}, emailVerified=True) for name in names]
    exact = await backend.create(email=address, profile={"displayName": "Zz"})
    other = await backend.create(externalId=address)
    at = str((await backend.command("BlockUser", {"userId": users[0]["id"]})).body["position"])

    async def page(**asked: object) -> Json:
        reply = await backend.query("ListUsers", {"search": word, **asked}, Denizen_Min_Position=at)
        assert reply.code == "", reply.data
        return reply.body

    all_users = await page(sort="name")
    assert (all_users["total"], all_users["totalIsEstimate"], all_users["nextCursor"]) == (5, False, None)
    assert ids(all_users) == [users[0]["id"], users[3]["id"], users[1]["id"], users[2]["id"], exact["id"]]
    assert ids(await page(search=address.upper())) == [exact["id"]]
    first = await page(search=address, count=1)
    assert (ids(first), first["total"]) == ([exact["id"]], 2)
    assert ids(await page(search=address, count=5)) == [exact["id"], other["id"]]
    assert ids(await page(search=address, count=5, cursor=first["nextCursor"])) == [other["id"]]
    assert ids(await page(status="BLOCKED")) == [users[0]["id"]]
    assert ids(await page(search=f"emil {word}")) == [users[0]["id"]]
    assert ids(await page(search=f"zo {word}")) == [users[1]["id"]], "begins a word"
    assert ids(await page(search=f"oe {word}")) == [], "two letters do not stand within one"
    assert ids(await page(search=f"{word[:-1]}_")) == [], "no wildcard"

    walked: list[str] = []
    cursor: str | None = None
    while True:
        some = await page(count=2, sort="-name", **({"cursor": cursor} if cursor else {}))
        walked += ids(some)
        if (cursor := some["nextCursor"]) is None:
            break
    assert walked == ids(all_users)[::-1]


async def test_domain_with_sharp_s_differs_from_ss(backend: Backend) -> None:
    """Two domains since IDNA 2008, which may have two owners: two accounts."""
    local = a_word()
    sharp = await backend.create(email=f"{local}@stra\u00dfe.example", emailVerified=True, password=PASSWORD)
    plain = await backend.create(email=f"{local}@strasse.example", emailVerified=True, password=f"another {PASSWORD}")
    at = str((await backend.command("BlockUser", {"userId": (await backend.create())["id"]})).body["position"])

    async def found(address: str) -> str:
        reply = await backend.query("GetUserByEmail", {"email": address}, Denizen_Min_Position=at)
        return str(reply.body["id"])

    spellings = {"stra\u00dfe": sharp, "xn--strae-oqa": sharp, "Stra\u00dfe": sharp, "strasse": plain, "STRASSE": plain}
    for domain, user in spellings.items():
        address = f"{local}@{domain}.example"
        assert await found(address) == user["id"], domain
        assert (await backend.command("CreateUser", {"email": address})).code == "email_taken", domain
        searched = await backend.query("ListUsers", {"search": address, "count": 1}, Denizen_Min_Position=at)
        assert ids(searched.body) == [user["id"]], domain
        login = {"email": address, "password": PASSWORD if user is sharp else f"another {PASSWORD}"}
        assert (await backend.command("Authenticate", login)).body["user"]["id"] == user["id"], domain
    assert (await backend.command("DeleteUser", {"userId": sharp["id"]})).code == ""
    assert (await backend.create(email=f"{local}@stra\u00dfe.example"))["id"] != sharp["id"], "it is free again"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("王小明", ["小明", "明", "王小", "王小明", "小 王"]),
        ("山田太郎", ["太郎", "田太", "郎"]),
        ("タナカ・ケンジ", ["ナカ", "ケンジ", "ジ"]),
        ("김철수", ["철수", "수", "김철"]),
        ("สมชายใจดี", ["ใจดี", "ชาย", "ดี"]),
        ("មករា", ["ករា", "រា"]),
        ("मिलिंद", ["लिंद", "मिलि"]),
        ("Иван", ["ван", "ва"]),
    ],
)
async def test_search_finds_any_part_of_a_name_of_any_script(backend: Backend, name: str, parts: list[str]) -> None:
    """Many are written without spaces; and what a name is made of may be fewer letters than characters."""
    word = a_word()
    user = await backend.create(profile={"displayName": name, "firstName": word})
    at = str((await backend.command("BlockUser", {"userId": user["id"]})).body["position"])
    for part in parts:
        asked = {"search": f"{part} {word}"}
        reply = await backend.query("ListUsers", asked, Denizen_Min_Position=at)
        assert ids(reply.body) == [user["id"]], part
        alone = await backend.query("ListUsers", {"search": part, "count": 100}, Denizen_Min_Position=at)
        assert user["id"] in ids(alone.body), part


@pytest.mark.parametrize(("first", "last"), [("小明", "王"), ("민준", "김"), ("太郎", "山田")])
async def test_full_name_in_two_fields_is_found_as_one_word(backend: Backend, first: str, last: str) -> None:
    profile = {"firstName": first, "lastName": last}
    made = await backend.command("CreateUser", {"email": email(), "profile": profile})
    at = str(made.body["position"])
    for search in (last + first, first + last, f"{last} {first}"):
        asked = {"search": search, "count": 100}
        reply = await backend.query("ListUsers", asked, Denizen_Min_Position=at)
        assert made.body["user"]["id"] in ids(reply.body), search


async def test_list_with_invalid_parameters_is_refused(backend: Backend) -> None:
    await backend.create()
    at = str((await backend.command("CreateUser", {"email": email()})).body["position"])
    cursor = (await backend.query("ListUsers", {"count": 1}, Denizen_Min_Position=at)).body["nextCursor"]
    for body, field in (
        ({"cursor": cursor, "offset": 1}, "offset"),
        ({"cursor": cursor, "sort": "email"}, "cursor"),
        ({"cursor": cursor[:-2]}, "cursor"),
        ({"cursor": "*"}, "cursor"),
        ({"search": "a\nb"}, "search"),
        ({"search": "%_%"}, "search"),
        ({"search": "x" * 129}, "search"),
        ({"search": "a b c d e f g h i"}, "search"),
        ({"sort": "status"}, "sort"),
    ):
        reply = await backend.query("ListUsers", body)
        assert (reply.code, reply.body["error"]["field"]) == ("validation_failed", field), body


async def test_both_clients_page_by_cursor(client: Client, denizen: Denizen) -> None:
    word = a_word()
    made = [client.auth.users.create(email=f"{word}.{n}@example.com") for n in range(3)]
    assert [user.id for user in client.auth.users.iter_all(search=word, sort="email")] == [user.id for user in made]
    page = client.auth.users.list(search=word, count=2)
    assert (page.total, page.total_is_estimate, len(page)) == (3, False, 2)
    assert [user.id for user in client.auth.users.list(search=word, cursor=page.next_cursor)] == [made[0].id]
    with pytest.raises(ValidationFailed):
        client.auth.users.list(search=word, cursor=page.next_cursor, sort="name")
    async with AsyncClient(denizen.nats_url) as other:
        at_least = client.auth.users.get(made[2].id).version
        assert at_least == 1
        found = [user.id async for user in other.auth.users.iter_all(search=word, status="PENDING_VERIFICATION")]
        assert found == [user.id for user in reversed(made)]


async def _denizen(denizen: Denizen, *arguments: str) -> tuple[int | None, str]:
    """Run the command line beside a running Denizen."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", *arguments),
        cwd=REPOSITORY,
        env={**os.environ, "DENIZEN_HOME": str(denizen.home)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_rebuild_interrupts_neither_reads_nor_writes(backend: Backend, denizen: Denizen) -> None:
    """Each write is there to be read when its position is demanded, and nothing that was there is missed."""
    known = await backend.create()
    done = asyncio.Event()

    async def use() -> int:
        rounds = 0
        while not done.is_set():
            created = await backend.command("CreateUser", {"email": email()})
            assert created.code == "", created.data
            at, user_id = str(created.body["position"]), created.body["user"]["id"]
            found = await backend.query("GetUser", {"userId": user_id}, Denizen_Min_Position=at)
            assert found.code == "", found.data
            page = await backend.query("ListUsers", {"count": 1, "search": created.body["user"]["email"]})
            assert page.code == "", page.data
            assert (await backend.query("GetUserByEmail", {"email": known["email"]})).body["id"] == known["id"]
            rounds += 1
        return rounds

    using = [asyncio.create_task(use()) for _ in range(4)]
    for _ in range(3):
        code, output = await _denizen(denizen, "projections", "rebuild")
        assert code == 0, output
    done.set()
    assert all(rounds > 10 for rounds in await asyncio.gather(*using))


async def test_upgrade_serves_old_tables_while_it_rebuilds(other_settings: Denizen) -> None:
    """Tables of an earlier version, as after an upgrade: the look-ups go on at once, the lists when they are built."""
    async with connected(other_settings.nats_url) as backend:
        word = a_word()
        users = [await backend.create(profile={"displayName": word}) for _ in range(3)]
        await backend.query("GetUser", {"userId": users[2]["id"]}, Denizen_Min_Position="latest")
        with psycopg.connect(other_settings.database_url) as owner:
            owner.execute("update denizen.projections set version = version - 1 where name = 'users'")
            owner.execute("alter table denizen.users drop column search")
            owner.execute("drop table denizen.user_counts, denizen.user_words")
        listed = await backend.query("ListUsers", {})
        assert listed.code == "overloaded"
        other_settings.kill("projector")
        assert (await backend.query("GetUser", {"userId": users[0]["id"]})).body["id"] == users[0]["id"]
        page = await backend.insist("users.v1.query.ListUsers", {"search": word})
        assert page.body["total"] == 3
        created = await backend.command("CreateUser", {"email": email(), "profile": {"displayName": word}})
        page = await backend.query("ListUsers", {"search": word}, Denizen_Min_Position=str(created.body["position"]))
        assert page.body["total"] == 4
    with psycopg.connect(other_settings.database_url) as owner:
        versions = owner.execute("select name, version from denizen.projections").fetchall()
    assert dict(versions) == {each.name: each.version for each in projections.ALL}


@pytest.mark.slow
async def test_tables_of_a_killed_rebuild_are_dropped(own_denizen: Denizen) -> None:
    """By the projector, at its start."""
    with psycopg.connect(own_denizen.database_url, autocommit=True) as owner:
        owner.execute("create table denizen_rebuild.users as select 'canary' as email")
        own_denizen.kill("projector")

        async def gone() -> bool:
            return owner.execute("select from pg_tables where schemaname = 'denizen_rebuild'").fetchone() is None

        await log.until(gone, "the table is dropped")
