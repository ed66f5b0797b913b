"""Linked accounts, the history of a user, and the user as of any time, from a plain NATS client."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from tests.support.backend import Backend, connected, email
from tests.support.servers import Denizen


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Backend]:
    async with connected(denizen.nats_url) as made:
        yield made


def identity(provider_id: str) -> dict[str, str]:
    return {"provider": "google", "providerId": provider_id}


async def test_concurrent_links_of_one_identity_one_wins(backend: Backend) -> None:
    users = [await backend.create() for _ in range(50)]
    mine = identity(email())
    replies = await asyncio.gather(
        *(backend.command("LinkIdentity", {"userId": user["id"], **mine, "accessToken": "ya29.a"}) for user in users)
    )
    assert sorted(reply.code for reply in replies) == ["", *["identity_taken"] * 49]
    (won,) = [reply.body["user"] for reply in replies if not reply.code]
    assert [{"provider": each["provider"], "providerId": each["providerId"]} for each in won["identities"]] == [mine]

    other = next(user for user in users if user["id"] != won["id"])
    missing = await backend.command("UnlinkIdentity", {"userId": other["id"], **mine})
    assert missing.code == "identity_not_found"
    unlinked = await backend.command("UnlinkIdentity", {"userId": won["id"], **mine})
    assert unlinked.body["user"]["identities"] == []
    linked = await backend.command("LinkIdentity", {"userId": other["id"], **mine})
    at = str(linked.body["position"])
    listed = await backend.query("ListIdentities", {"userId": other["id"]}, Denizen_Min_Position=at)
    assert listed.body == {"data": linked.body["user"]["identities"]}
    assert b"ya29" not in linked.data + listed.data


async def test_link_of_a_linked_identity_changes_nothing(backend: Backend) -> None:
    user, mine = await backend.create(), identity(email())
    first = await backend.command("LinkIdentity", {"userId": user["id"], **mine})
    again = await backend.command("LinkIdentity", {"userId": user["id"], **mine})
    assert (again.body["version"], again.body["user"]) == (first.body["version"], first.body["user"])


async def test_identity_of_a_deleted_user_is_free(backend: Backend) -> None:
    user, mine = await backend.create(), identity(email())
    await backend.command("LinkIdentity", {"userId": user["id"], **mine})
    await backend.command("DeleteUser", {"userId": user["id"]})
    other = await backend.create()
    assert (await backend.command("LinkIdentity", {"userId": other["id"], **mine})).code == ""


@pytest.mark.parametrize(
    "bad", [{"provider": "Google"}, {"provider": "a b"}, {"providerId": ""}, {"providerId": "a\n"}]
)
async def test_malformed_identity_is_refused(backend: Backend, bad: dict[str, str]) -> None:
    user = await backend.create()
    reply = await backend.command("LinkIdentity", {"userId": user["id"], **identity("1"), **bad})
    assert reply.code == "validation_failed"


async def test_history_names_actor_and_changes(backend: Backend) -> None:
    user = await backend.create(profile={"firstName": "Ada"}, metadata={"plan": "free"})
    headers = {"Denizen_Actor": "support_7", "Nats_Msg_Id": email()}
    changed = await backend.command(
        "UpdateUser",
        {"userId": user["id"], "profile": {"firstName": "Eda"}, "metadata": {"plan": None, "n": 1}},
        **headers,
    )
    blocked = await backend.command("BlockUser", {"userId": user["id"], "reason": "chargeback"})
    at = str(blocked.body["position"])
    history = (await backend.query("GetUserHistory", {"userId": user["id"]}, Denizen_Min_Position=at)).body
    assert [row["type"] for row in history["data"]] == ["UserBlocked", "UserUpdated", "UserCreated"]
    block, update, _ = history["data"]
    assert (block["reason"], block["position"]) == ("chargeback", blocked.body["position"])
    assert (update["actor"], update["commandId"]) == ("support_7", headers["Nats_Msg_Id"])
    assert update["changes"] == [
        {"field": "metadata.n", "old": None, "new": 1},
        {"field": "metadata.plan", "old": "free", "new": None},
        {"field": "profile.firstName", "old": "Ada", "new": "Eda"},
    ]
    assert update["time"] == changed.body["user"]["updatedAt"]

    first = (await backend.query("GetUserHistory", {"userId": user["id"], "count": 2})).body
    rest = (await backend.query("GetUserHistory", {"userId": user["id"], "cursor": first["nextCursor"]})).body
    assert first["data"] + rest["data"] == history["data"]
    assert rest["nextCursor"] is None


async def test_as_of_shows_the_user_at_that_time(backend: Backend) -> None:
    user = await backend.create(emailVerified=True)
    blocked = (await backend.command("BlockUser", {"userId": user["id"]})).body["user"]
    changed = await backend.command("UpdateUser", {"userId": user["id"], "metadata": {"a": 1}})
    at = str(changed.body["position"])

    async def as_of(time: str) -> tuple[str, dict[str, object]]:
        reply = await backend.query("GetUser", {"userId": user["id"], "asOf": time}, Denizen_Min_Position=at)
        return reply.code, reply.body

    code, then = await as_of(user["createdAt"])
    assert (code, then["status"], then["version"]) == ("", "ACTIVE", 1)
    code, then = await as_of(blocked["updatedAt"])
    assert (code, then["status"], then["metadata"]) == ("", "BLOCKED", {})
    code, now = await as_of("2999-01-01T00:00:00+02:00")
    assert (code, now["metadata"]) == ("", {"a": 1})
    before = datetime.fromisoformat(user["createdAt"]) - timedelta(microseconds=1)
    assert (await as_of(before.isoformat().replace("+00:00", "Z")))[0] == "user_not_found"
    assert (await as_of("2026-13-01T00:00:00Z"))[0] == "validation_failed"


async def test_history_of_an_unknown_user_is_refused(backend: Backend) -> None:
    user = await backend.create()
    deleted = await backend.command("DeleteUser", {"userId": user["id"]})
    at = str(deleted.body["position"])
    for query, more in (("GetUserHistory", {}), ("GetUser", {"asOf": user["createdAt"]}), ("ListIdentities", {})):
        reply = await backend.query(query, {"userId": user["id"], **more}, Denizen_Min_Position=at)
        assert reply.code == "user_not_found", query
