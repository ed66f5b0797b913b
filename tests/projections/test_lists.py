"""ListUsers: searches beside a plain filter, and walks by cursor while users come and go."""

import asyncio
import base64
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.directory.search import pages as listing
from services.directory.search import planner as way
from services.directory.search import selectivity
from services.directory.search.cursor import ListCursor, decode
from services.domain.refusals import Refusal
from services.domain.streams import StoredEvent
from tests.support.accounts import Accounts, Json, ask
from tests.support.read_side import USER_ID, WORDS, ReadSide, commanded, task

_NAMES = [
    "Ada",
    "ada",
    "Äda",
    "Ádám",
    "Łada",
    "O'Neil",
    "a b",
    "50%",
    "100%_x",
    "ba_da",
    "\\d",
    "Ба",
    "ß",
    "王伟",
    "x-a",
    None,
]
_EMAILS = [
    f"{local}@{domain}" for local in ("ada", "a.da", "da_a", "b%a", "bad-a") for domain in ("b.example", "éa.example")
]
_SORTS: dict[str, Callable[[Json], Any]] = {
    "createdAt": lambda user: user["id"],
    "email": lambda user: (plain(user["email"]), user["id"]),
    "name": lambda user: (plain(name(user)) or "\U0010ffff", user["id"]),
}
_STATUSES = [None, "ACTIVE", "PENDING_VERIFICATION", "BLOCKED"]
_SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def plain(text: str) -> str:
    """Without case and accents; not how the service does it."""
    bare = "".join(each for each in unicodedata.normalize("NFD", text) if not unicodedata.combining(each))
    return bare.casefold().replace("ł", "l")


def name(user: Json) -> str:
    profile = user["profile"]
    return profile.get("displayName") or f"{profile.get('firstName') or ''} {profile.get('lastName') or ''}".strip()


def matches(user: Json, search: str) -> bool:
    profile = user["profile"]
    names = (profile.get(each) or "" for each in ("firstName", "lastName", "displayName"))
    fields = [plain(text) for text in (user["email"], *names)]
    terms = [term for term in plain(search).split() if any(letter.isalnum() for letter in term)]
    return all(any(_holds(field, term) for field in fields) for term in terms)


def _holds(field: str, term: str) -> bool:
    if len(term) > 2 or not term.isascii():
        return term in field
    begins_piece = any(piece.startswith(term) for piece in field.split())
    return begins_piece or any(word.startswith(term) for word in re.split(r"[\W_]+", field))


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@st.composite
def _created(draw: st.DrawFn) -> list[tuple[str, Json]]:
    emails = draw(st.lists(st.sampled_from(_EMAILS), unique=True, max_size=8))
    return [
        (
            "CreateUser",
            {
                "email": email,
                "emailVerified": draw(st.booleans()),
                "externalId": f"{number}{draw(st.sampled_from(['a', 'Ada', 'x y']))}",
                "profile": {
                    name: value
                    for name in ("firstName", "lastName", "displayName")
                    if (value := draw(st.sampled_from([None, *_NAMES]))) is not None
                },
            },
        )
        for number, email in enumerate(emails)
    ]


_SEARCHES = st.one_of(
    st.sampled_from(_EMAILS),
    st.sampled_from(
        [
            "0Ada",
            "1x y",
            "ADA",
            "da",
            "a",
            "B.Example",
            "100%",
            "a_a",
            "%a",
            "da_a@b",
            "DA@\u00c9a.ex",
            "b%a@b.exampl",
            "a@b",
            "o'n",
            "Ба",
            "伟",
            "王",
            "ss",
            "\\d",
        ]
    ),
    st.lists(st.text("aAbdä.%_\\- x5@", min_size=1, max_size=4), min_size=1, max_size=3)
    .map(" ".join)
    .filter(lambda search: any(letter.isalnum() for letter in search)),
)


@_SETTINGS
@given(
    created=_created(),
    search=_SEARCHES,
    status=st.sampled_from(_STATUSES),
    order=st.tuples(st.sampled_from(sorted(_SORTS)), st.booleans()),
    few=st.sampled_from([0, 64]),
    most_words=st.sampled_from([1, 3_000]),
    count=st.integers(1, 3),
)
def test_search_finds_what_a_plain_filter_finds(
    runner: asyncio.Runner,
    database_url: str,
    *,
    created: list[tuple[str, Json]],
    search: str,
    status: str | None,
    order: tuple[str, bool],
    few: int,
    most_words: int,
    count: int,
) -> None:
    """Also in order, page by page, and with the right number; as where they are few, and as where they are many."""
    sort, descending = order

    async def check() -> None:
        read_side = ReadSide(database_url)
        await read_side.empty()
        stored = await commanded([created])
        if stored:
            await read_side.apply(stored)
        users = list((await read_side.tables())[0].values())
        asked = {"search": search, "status": status, "sort": f"-{sort}" if descending else sort, "count": count}
        pages = await read_side.walk(**asked)
        await read_side.close()
        users = [user for user in users if status in (None, user["status"])]
        exact = [user for user in users if plain(user["email"]) == plain(search.strip())]
        exact += [user for user in users if user["externalId"] == search.strip() and user not in exact]
        others = [user for user in users if user not in exact and matches(user, search)]
        others.sort(key=_SORTS[sort], reverse=descending)
        assert [user["id"] for page in pages for user in page["data"]] == [user["id"] for user in exact + others]
        assert {page["total"] for page in pages if not page["totalIsEstimate"]} <= {len(exact + others)}
        assert not ((few or len(pages) == 1) and any(page["totalIsEstimate"] for page in pages))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(way, "_FEW", few)
        patched.setattr(selectivity, "_MOST_WORDS", most_words)
        runner.run(check())


@_SETTINGS
@given(data=st.data(), sort=st.sampled_from(["createdAt", "-createdAt", "email", "-email", "name", "-name"]))
def test_paging_shows_each_remaining_user_once(
    runner: asyncio.Runner, database_url: str, data: st.DataObject, sort: str
) -> None:
    search = data.draw(st.sampled_from([None, "example"]))
    status = data.draw(st.sampled_from([None, "PENDING_VERIFICATION"]))
    dice = random.Random(data.draw(st.integers()))
    count = data.draw(st.integers(1, 5))

    async def check() -> None:
        read_side, history = ReadSide(database_url), History()
        await read_side.empty()
        await read_side.apply(await history.create(dice, 12))
        staying, seen = set(history.ids), Counter[str]()
        asked = {"sort": sort, "search": search, "status": status, "count": count}
        page = await read_side.page(**asked)
        seen.update(user["id"] for user in page["data"])
        while page["nextCursor"] is not None:
            await read_side.apply(await history.create(dice, dice.randint(1, 4)))
            gone = dice.sample(history.ids, dice.randint(0, 3))
            await read_side.apply([event for user_id in gone for event in await history.delete(user_id)])
            staying -= set(gone)
            page = await read_side.page(**asked, cursor=page["nextCursor"])
            seen.update(user["id"] for user in page["data"])
            if len(history.ids) > 40:
                asked["count"] = 500  # New ones come as fast as they are shown.
        await read_side.close()
        assert {user_id: seen[user_id] for user_id in staying} == dict.fromkeys(staying, 1)
        assert set(seen.values()) == {1}

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(way, "_FEW", data.draw(st.sampled_from([0, 64])))
        runner.run(check())


class History:
    """A log that grows by random users."""

    def __init__(self) -> None:
        self._accounts = Accounts()
        self._read = 0
        self.ids: list[str] = []

    async def create(self, dice: random.Random, count: int) -> Sequence[StoredEvent]:
        for _ in range(count):
            first = dice.choice(["Ada", "Bob", "Zo\u00eb", "\u00c1d"])
            body = {
                "email": f"{dice.choice('abcE')}{dice.randbytes(3).hex()}@example.com",
                "profile": {"firstName": first},
            }
            self.ids.append((await self._accounts.one(ask("CreateUser", body)))["user"]["id"])
        return await self._grown()

    async def delete(self, user_id: str) -> Sequence[StoredEvent]:
        self.ids.remove(user_id)
        await self._accounts.one(task("DeleteUser", {"userId": user_id}))
        return await self._grown()

    async def _grown(self) -> Sequence[StoredEvent]:
        grown = await self._accounts.store.read(self._read, 10_000)
        self._read += len(grown)
        return grown


async def test_wildcards_in_a_search_are_text(database_url: str) -> None:
    names = ["abc_def", "abcxdef", "50%off", "50 off", "a\\bc", "a/bc"]
    async with ReadSide(database_url) as read_side:
        created = [
            ("CreateUser", {"email": f"{n}@x.example", "profile": {"displayName": name}})
            for n, name in enumerate(names)
        ]
        await read_side.apply(await commanded([created]))
        for search, found in (
            ("c_d", [0]),
            ("cxd", [1]),
            ("0%o", [2]),
            ("%off", [2]),
            ("a\\b", [4]),
            ("a\\", [4]),
            ("0%", []),
        ):
            page = await read_side.page(search=search)
            assert [user["profile"]["displayName"] for user in page["data"]] == [names[n] for n in found], search


async def test_longest_words_are_found(database_url: str) -> None:
    """Of letters that take the most room in an index."""
    async with ReadSide(database_url) as read_side:
        for number, letter in enumerate(("\u9f8d", "\ufdfa", "\U0002a6d6", "\ud7a3")):
            name = letter * 256
            body = {"email": f"{number}@x.example", "profile": {"firstName": name, "displayName": name}}
            stored = await commanded([[("CreateUser", body)]])
            await read_side.apply([replace(stored[0], position=number + 1)])
            assert (await read_side.page(search=letter * 3))["total"] == 1


async def test_totals_of_many_are_estimates(database_url: str) -> None:
    read_side = ReadSide(database_url)
    await read_side.empty()
    with psycopg.connect(database_url, autocommit=True) as owner:
        fill(owner, 2_000)
        assert await _total(read_side, "common") == (2_000, False)
        fill(owner, 15_000)
        total, estimate = await _total(read_side, "common")
        assert estimate
        assert total == pytest.approx(15_000, rel=0.01)
        assert await _total(read_side, "17") == (111, False), "words that begin so"
        assert await _total(read_side, "nobody") == (0, False)
        assert await _total(read_side, "17 common") == (111, False)
        assert await _total(read_side, "1 ommon") == (pytest.approx(6_111, rel=0.1), True), (
            "words that begin so, and others"
        )
    assert (await read_side.page())["total"] == 15_000, "without a search it is counted always"
    await read_side.close()


@pytest.mark.parametrize("few", [0, 64])
async def test_users_far_behind_in_the_order_are_found(
    database_url: str, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """More than 5,000 stand before them in the asked order."""
    monkeypatch.setattr(way, "_FEW", few)
    read_side = ReadSide(database_url)
    await read_side.empty()
    with psycopg.connect(database_url, autocommit=True) as owner:
        fill(owner, 12_000)
    found = [_id(number) for number in range(1, 12_001) if "110" in str(number)]
    for sort in ("createdAt", "-createdAt", "email", "-name"):
        pages = await read_side.walk(search="110", sort=sort, count=20)
        ids = [user["id"] for page in pages for user in page["data"]]
        assert ids == (found[::-1] if sort.startswith("-") else found)
        assert all(page["total"] == len(found) for page in pages if not page["totalIsEstimate"])
    await read_side.close()


@pytest.mark.parametrize("sort", ["createdAt", "-createdAt"])
@pytest.mark.parametrize("patience", [0, 60])
async def test_frequent_words_are_searched_in_windows(
    database_url: str, monkeypatch: pytest.MonkeyPatch, sort: str, patience: int
) -> None:
    """A page ends before it is full, or empty after some time, and the next one goes on behind it."""
    monkeypatch.setattr(way, "_COMPARED", 640)
    monkeypatch.setattr(selectivity, "_MOST_WORDS", 500)
    monkeypatch.setattr(listing, "_PATIENCE_SECONDS", patience)
    read_side = ReadSide(database_url)
    await read_side.empty()
    with psycopg.connect(database_url, autocommit=True) as owner:
        fill(owner, 12_000)
        # Windows end at the first of each, in the one order and in the other.
        owner.execute(
            "update denizen.users set status = 'BLOCKED' where email in ('001344', '001345', '005312', '005313')"
        )
        owner.execute("insert into denizen.by_external_id values ('common', %s)", [_id(1_345)])
    blocked = [_id(number) for number in (1_344, 1_345, 5_312, 5_313)]
    all_ids = [_id(number) for number in range(1, 12_001)]
    ones = [_id(number) for number in range(1, 12_001) if str(number).startswith("1")]
    for asked, found, most in (
        ({"search": "1"}, ones, None),
        ({"status": "BLOCKED"}, blocked, 5),
        ({"status": "DEACTIVATED"}, [], 1),
        ({"status": "ACTIVE"}, [user_id for user_id in all_ids if user_id not in blocked], None),
        ({}, all_ids, None),
    ):
        pages = await read_side.walk(**{"search": "common", "sort": sort, "count": 200, **asked})
        ids = [user["id"] for page in pages for user in page["data"]]
        exactly = [_id(1_345)] if _id(1_345) in found and "search" not in asked else []
        rest = [user_id for user_id in found if user_id not in exactly]
        assert ids == exactly + (rest[::-1] if sort.startswith("-") else rest)
        if most:
            assert len(pages) <= most if patience else len(pages) == 18
    await read_side.close()


async def test_pages_by_offset_are_full(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "_COMPARED", 640)
    monkeypatch.setattr(listing, "_PATIENCE_SECONDS", 0)
    read_side = ReadSide(database_url)
    await read_side.empty()
    with psycopg.connect(database_url, autocommit=True) as owner:
        fill(owner, 12_000)
        owner.execute("update denizen.users set status = 'BLOCKED' where email in ('001344', '005312')")
    asked: Json = {"search": "common", "status": "BLOCKED", "sort": "createdAt"}
    assert len((await read_side.page(**asked))["data"]) < 2, "else this shows nothing"
    assert [user["id"] for user in (await read_side.page(**asked, offset=0))["data"]] == [_id(1_344), _id(5_312)]
    await read_side.close()


async def test_total_counts_all_pages(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "_COMPARED", 20_000)
    read_side = ReadSide(database_url)
    await read_side.empty()
    with psycopg.connect(database_url, autocommit=True) as owner:
        fill(owner, 12_000)
        owner.execute("update denizen.users set search = search || ' commons commonly'")
        owner.execute(WORDS)
        owner.execute("update denizen.users set status = 'BLOCKED' where email in ('001344', '005312')")
        owner.execute("insert into denizen.by_external_id values ('common', %s)", [_id(1_344)])
    total, _ = await _total(read_side, "common")
    assert total == pytest.approx(12_000, rel=0.01), "a user with three such words is counted once"
    asked: Json = {"search": "common", "status": "BLOCKED"}
    first = await read_side.page(**asked, count=1)
    assert [user["id"] for user in first["data"]] == [_id(1_344)]
    second = await read_side.page(**asked, count=200, cursor=first["nextCursor"])
    assert [user["id"] for user in second["data"]] == [_id(5_312)]
    assert second["total"] == 2 or second["totalIsEstimate"]
    await read_side.close()


async def _total(read_side: ReadSide, search: str) -> tuple[int, bool]:
    page = await read_side.page(search=search)
    return page["total"], page["totalIsEstimate"]


def _id(number: int) -> str:
    return f"user_{number // 32:025}{'0123456789abcdefghjkmnpqrstvwxyz'[number % 32]}"


def fill(owner: psycopg.Connection[Any], until: int) -> None:
    """Users with numbers, and one word in common."""
    owner.execute(
        f"""with added as (
               insert into denizen.users (user_id, status, doc, email, name, search)
               select id, 'ACTIVE', json_build_object('id', id, 'version', 1), lpad(n::text, 6, '0'),
                      lpad(n::text, 6, '0'), ' ' || n || ' common'
               from (select n, {USER_ID} as id from generate_series(1, %s) n) as numbered
               on conflict do nothing returning status)
           insert into denizen.user_counts select status, count(*) from added group by status
           on conflict (status) do update set count = user_counts.count + excluded.count""".encode(),
        [until],
    )
    owner.execute(WORDS)
    owner.execute("vacuum analyze denizen.users, denizen.user_words, denizen.words")


# --- cursors ----------------------------------------------------------------------------------------------------

_IDS = st.integers(0, 9).map(_id)


@settings(deadline=None)
@given(
    cursor=st.builds(
        ListCursor,
        st.sampled_from(["-createdAt", "createdAt", "email", "-email", "name", "-name"]),
        st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=128),
        st.one_of(st.just(""), _IDS),
        st.lists(_IDS, max_size=2).map(tuple),
    )
)
def test_cursor_survives_a_round_trip(cursor: ListCursor) -> None:
    text = cursor.encode()
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,2048}", text)
    assert decode(text, cursor.sort) == cursor


_GOOD = ListCursor("email", "ada@example.com", _id(1), (_id(2),)).encode()


@pytest.mark.parametrize(
    "text",
    [
        "AAAA",
        "W10",
        "e30",
        "bnVsbA",
        _GOOD[:-1],
        _GOOD + "A",
        _GOOD[:-4],
        ListCursor("email", "x" * 129, _id(1)).encode(),
        ListCursor("email", "a\0b", _id(1)).encode(),
        ListCursor("email", "a", "user_'; drop table users").encode(),
        ListCursor("email", "a", _id(1), (_id(1),) * 9).encode(),
        ListCursor("email", "a", _id(1), ("",)).encode(),
        ListCursor("email", 1, _id(1)).encode(),  # type: ignore[arg-type]
        ListCursor("name", "a", _id(1)).encode(),
        "_" * 2048,
        base64.urlsafe_b64encode(f'["email", "a", "{_id(1)}"]'.encode()).decode().rstrip("="),  # with white space
    ],
)
def test_malformed_cursor_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        decode(text, "email")
    assert (refused.value.code, refused.value.field) == ("validation_failed", "cursor")
    assert decode(_GOOD, "email").key == "ada@example.com"


@pytest.mark.parametrize(
    "asked", [{"search": "a\nb"}, {"search": "--"}, {"search": "\u0085x"}, {"search": "a b c d e f g h i"}]
)
async def test_invalid_search_is_refused(database_url: str, asked: Json) -> None:
    read_side = ReadSide(database_url)
    with pytest.raises(Refusal) as refused:
        await read_side.page(**asked)
    assert (refused.value.code, refused.value.field) == ("validation_failed", "search")
    await read_side.close()
