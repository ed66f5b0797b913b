"""Answers that would be larger than NATS takes: pages end before, and lead on; no caller waits in vain."""

import asyncio
import json
import secrets
from typing import Any

import psycopg
import pytest
from denizen import AsyncClient

from tests.support.backend import Json, email
from tests.support.people import Talk
from tests.support.servers import Denizen

MIB = 1024 * 1024
LARGE = {"metadata": {"x": "x" * 16_000}, "appMetadata": {"x": "\N{SNOWMAN}" * 5_000}}
"""31,800 octets of a user: 28 of them go into a page."""


async def walk(talk: Talk, query: str, at: int, **body: Any) -> list[list[Json]]:
    """The rows of every page, one after another."""
    pages: list[list[Json]] = []
    cursor: str | None = None
    while cursor is not None or not pages:
        reply = await talk.query(query, body, Denizen_Min_Position=str(at))
        assert reply.code == "", reply.data
        assert len(reply.data) < MIB
        pages.append(reply.body["data"])
        cursor = reply.body["nextCursor"]
        body = {name: value for name, value in body.items() if name != "offset"} | {"cursor": cursor}
    return pages


async def test_large_users_are_listed_in_smaller_pages(denizen: Denizen, talk: Talk) -> None:
    word = f"w{secrets.token_hex(6)}"
    names = [f"{word} {number:02}" for number in range(70)]
    made = await asyncio.gather(*(talk.create(profile={"displayName": name}, **LARGE) for name in names))
    ids = [user["id"] for user in made]
    at = (await talk.done("UpdateUser", {"userId": ids[0], "metadata": {"y": 1}}))["position"]
    asked: Json = {"search": word, "sort": "name", "count": 500}
    pages = await walk(talk, "ListUsers", at, **asked)
    assert [user["id"] for page in pages for user in page] == ids
    assert [len(page) for page in pages] == [28, 28, 14]
    assert [len(page) for page in await walk(talk, "ListUsers", at, **asked | {"offset": 25})] == [28, 17]
    assert [len(page) for page in await walk(talk, "ListUsers", at, **asked | {"count": 20})] == [20, 20, 20, 10]
    all_users = await talk.query("ListUsers", {"count": 500}, Denizen_Min_Position=str(at))
    assert all_users.body["nextCursor"], "the list without a search, too"
    async with AsyncClient(denizen.nats_url) as client:
        assert [user.id async for user in client.auth.users.iter_all(search=word, sort="name")] == ids


async def test_page_cut_short_by_size_says_so(denizen: Denizen, talk: Talk) -> None:
    word = f"w{secrets.token_hex(6)}"
    made = [await talk.create(profile={"displayName": f"{word} {number:02}"}, **LARGE) for number in range(40)]
    async with AsyncClient(denizen.nats_url) as client:
        await client.auth.users.update(made[0]["id"], metadata={"y": 1})
        by_offset: list[str] = []
        cut: list[bool] = []
        while page := await client.auth.users.list(search=word, sort="name", count=30, offset=len(by_offset)):
            by_offset += [user.id for user in page]
            cut.append(page.truncated)
        assert by_offset == [user["id"] for user in made]
        assert cut == [True, False]
        whole = await client.auth.users.list(search=word, sort="name", count=20)
        assert (len(whole), whole.truncated) == (20, False)


async def test_history_of_large_changes_is_paged(talk: Talk) -> None:
    user, at = await talk.create(**LARGE), 0
    for number in range(40):
        sections = {name: {"x": f"{number}" + each["x"][2:]} for name, each in LARGE.items()}
        at = (await talk.done("UpdateUser", {"userId": user["id"], **sections}))["position"]
    pages = await walk(talk, "GetUserHistory", at, userId=user["id"], count=500)
    rows = [row for page in pages for row in page]
    assert [row["type"] for row in rows] == ["UserUpdated"] * 40 + ["UserCreated"]
    assert rows == sorted(rows, key=lambda row: -row["position"])
    assert len(pages) == 3


async def test_largest_change_fits_one_history_page(talk: Talk) -> None:
    """Keys count more in a history than in a user: each is a field that changed."""
    sections = {f"{number:x}": 1 for number in range(1_400)}
    user = await talk.create(metadata=sections, appMetadata=sections)
    removed: Json = dict.fromkeys(sections)
    update = {"userId": user["id"], "metadata": removed, "appMetadata": removed}
    at = (await talk.done("UpdateUser", update))["position"]
    pages = await walk(talk, "GetUserHistory", at, userId=user["id"])
    assert len(pages) == 1
    assert all(len(row["changes"]) >= 2 * 1_400 for row in pages[0])


async def test_login_history_of_longest_user_agents_is_paged(denizen: Denizen, talk: Talk) -> None:
    made = await talk.done("CreateUser", {"email": email()})
    user = made["user"]
    with psycopg.connect(denizen.database_url) as owner:
        owner.execute(
            "insert into denizen.login_history select %s, n, now(), 'succeeded', '192.0.2.1', repeat(%s, 512), n"
            " from generate_series(1, 700) n",
            [user["id"], "\N{GRINNING FACE}"],
        )
    pages = await walk(talk, "GetLoginHistory", made["position"], userId=user["id"], count=500)
    assert [len(page) for page in pages] == [pytest.approx(415, abs=10), pytest.approx(285, abs=10)]
    assert sum(map(len, pages)) == 700


@pytest.mark.slow
async def test_newest_of_very_many_sessions_are_listed(talk: Talk) -> None:
    user = await talk.member()
    agent = "\N{GRINNING FACE}" * 512
    first = await talk.sign_in(user, userAgent=agent)
    for _ in range(110):
        await asyncio.gather(*(talk.sign_in(user, userAgent=agent) for _ in range(4)))
    last = await talk.sign_in(user, userAgent=agent)
    newest = await talk.sign_in(user, userAgent=agent)
    reply = await talk.query("ListSessions", {"userId": user["id"]})
    listed = [session["id"] for session in reply.body["data"]]
    assert 350 < len(listed) < 443
    assert len(reply.data) < MIB
    assert listed[:2] == [newest["sessionId"], last["sessionId"]]
    assert first["sessionId"] not in listed
    mine = await talk.self(newest["accessToken"], "ListSessions")
    assert mine.body["data"][0]["current"] is True


async def test_request_larger_than_a_message_is_refused(talk: Talk, denizen: Denizen) -> None:
    """A user cannot be so large; if one is, the caller is told, and does not wait in vain."""
    made = await talk.done("CreateUser", {"email": email()})
    asked = {"userId": made["user"]["id"]}
    shown = (await talk.query("GetUser", asked, Denizen_Min_Position=str(made["position"]))).body
    with psycopg.connect(denizen.database_url, autocommit=True) as owner:
        for octets, code in ((MIB - 2_000, ""), (MIB - 500, "validation_failed"), (2 * MIB, "validation_failed")):
            large = json.dumps(shown | {"metadata": {"x": ""}})
            large = json.dumps(shown | {"metadata": {"x": "x" * (octets - len(large))}})
            owner.execute("update denizen.users set doc = %s where user_id = %s", [large, asked["userId"]])
            assert (await talk.query("GetUser", asked)).code == code, octets
        owner.execute("update denizen.users set doc = %s where user_id = %s", [json.dumps(shown), asked["userId"]])
