"""Blocks that end by themselves, as a plain NATS client meets them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.backend import Backend, Json, connected, email
from tests.support.log import until
from tests.support.servers import Denizen


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Backend]:
    async with connected(denizen.nats_url) as opened:
        yield opened


def after(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def user_of(backend: Backend, user: Json) -> Json:
    return (await backend.query("GetUser", {"userId": user["id"]}, Denizen_Min_Position="latest")).body


async def ended(backend: Backend, user: Json) -> Json:
    """The user once the block is no more."""

    async def found() -> Json | None:
        shown = await user_of(backend, user)
        return None if shown["status"] == "BLOCKED" else shown

    shown = await until(found, "the end of the block")
    assert shown is not None
    return shown


async def test_block_ends_by_itself(backend: Backend) -> None:
    events = await backend.client.subscribe("users.v1.event.UserUnblocked.*")
    await backend.client.flush()
    user = await backend.create(emailVerified=True)
    end = after(0.5)
    body = {"userId": user["id"], "reason": "chargeback", "until": end}
    blocked = (await backend.command("BlockUser", body, Denizen_Actor="ada")).body["user"]
    assert (blocked["status"], datetime.fromisoformat(blocked["blockedUntil"])) == (
        "BLOCKED",
        datetime.fromisoformat(end),
    )
    while not (heard := await events.next_msg(timeout=20)).subject.endswith(user["id"]):
        pass
    late = datetime.fromisoformat((heard.headers or {})["ce-time"]) - datetime.fromisoformat(end)
    assert timedelta() <= late
    assert json.loads(heard.data) == {
        "userId": user["id"],
        "version": 3,
        "status": "ACTIVE",
        "changed": ["status"],
        "reason": "ended",
    }
    shown = await user_of(backend, user)
    assert (shown["status"], shown["blockedAt"], shown["blockedUntil"]) == ("ACTIVE", None, None)
    history = (await backend.query("GetUserHistory", {"userId": user["id"]}, Denizen_Min_Position="latest")).body[
        "data"
    ]
    told = {each["type"]: each for each in history}
    assert (told["UserBlocked"]["reason"], told["UserBlocked"]["actor"]) == ("chargeback", "ada")
    assert {"field": "blockedUntil", "old": None, "new": blocked["blockedUntil"]} in told["UserBlocked"]["changes"]
    assert (told["UserUnblocked"]["reason"], told["UserUnblocked"]["actor"]) == ("ended", "denizen")
    then = await backend.query("GetUser", {"userId": user["id"], "asOf": told["UserBlocked"]["time"]})
    assert (then.body["status"], then.body["blockedUntil"]) == ("BLOCKED", blocked["blockedUntil"])


async def test_latest_block_says_when_it_ends(backend: Backend) -> None:
    moved, endless, freed, gone = [await backend.create() for _ in range(4)]
    for user in (moved, endless, freed, gone):
        assert (await backend.command("BlockUser", {"userId": user["id"], "until": after(1)})).code == ""
    later = (await backend.command("BlockUser", {"userId": moved["id"], "until": after(3600)})).body["user"]
    assert (await backend.command("BlockUser", {"userId": endless["id"]})).body["user"]["blockedUntil"] is None
    assert (await backend.command("UnblockUser", {"userId": freed["id"]})).code == ""
    assert (await backend.command("DeleteUser", {"userId": gone["id"]})).code == ""
    # Its end comes behind those of the others, and ends are dealt with in their order.
    last = await backend.create()
    await backend.command("BlockUser", {"userId": last["id"], "until": after(1)})
    await ended(backend, last)
    assert (await user_of(backend, moved))["blockedUntil"] == later["blockedUntil"]
    assert (await user_of(backend, endless))["status"] == "BLOCKED"
    assert (await user_of(backend, freed))["version"] == 3


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("2020-01-01T00:00:00Z", "has passed already"),
        ("2026-02-30T00:00:00Z", "not a time"),
        ("9999-12-31T23:59:59-01:00", "not a time"),
        ("tomorrow", "not a time"),
        ("", "not a time"),
        (7, ""),
    ],
)
async def test_end_that_is_none_is_refused(backend: Backend, end: object, words: str) -> None:
    user = await backend.create()
    reply = await backend.command("BlockUser", {"userId": user["id"], "until": end})
    assert reply.code == "validation_failed"
    assert reply.body["error"]["field"] == "until"
    assert words in reply.body["error"]["message"]
    assert (await user_of(backend, user))["version"] == 1


async def test_repeat_that_comes_after_the_end_gets_the_first_reply(backend: Backend) -> None:
    user = await backend.create()
    body, headers = {"userId": user["id"], "until": after(0.5)}, {"Nats_Msg_Id": email()}
    first = await backend.command("BlockUser", body, **headers)
    await ended(backend, user)
    assert (await backend.command("BlockUser", body, **headers)).body == first.body
    assert (await user_of(backend, user))["version"] == 3


async def test_imported_block_keeps_its_end(backend: Backend) -> None:
    rows = [
        {"email": email(), "status": "BLOCKED", "blockedUntil": each} for each in (after(3600), "2020-01-01T00:00:00Z")
    ]
    taken = (await backend.command("ImportUsers", {"users": rows})).body["results"]
    held, over = [{"id": each["userId"]} for each in taken]
    assert (await user_of(backend, held))["blockedUntil"] is not None
    assert (await ended(backend, over))["status"] == "PENDING_VERIFICATION"


async def test_blocks_that_end_at_once_are_all_ended(backend: Backend) -> None:
    """More than are ended at a time."""
    users = await asyncio.gather(*(backend.create() for _ in range(300)))
    end = after(2)
    await asyncio.gather(*(backend.command("BlockUser", {"userId": user["id"], "until": end}) for user in users))
    for user in users:
        assert (await ended(backend, user))["version"] == 3
