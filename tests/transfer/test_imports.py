"""ImportUsers over NATS: results of rows, and the users that they become."""

import base64
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from denizen.sealing import seal
from typeid import TypeID

from tests.support.people import Talk, talking
from tests.support.servers import Denizen
from tests.transfer.support import HASHES, PASSWORD, Json, name, shapes

TOO_DEAR = "$argon2id$v=19$m=4194304,t=64,p=64$c29tZXNhbHRzb21lc2FsdA$Pr65ir4OH2pYe2BlpqbUz7SjMTtAOu3+Ha3a7SCwSK0"


@pytest_asyncio.fixture
async def backend(denizen: Denizen) -> AsyncGenerator[Talk]:
    async with talking(denizen) as talk:
        yield talk


def row(**more: Any) -> Json:
    return {"email": f"{name()}@example.com", **more}


async def imported(backend: Talk, *users: Json, **options: Any) -> Json:
    """The reply to one message."""
    return await backend.done("ImportUsers", {"users": list(users), **options})


async def shown(backend: Talk, **named: str) -> Json:
    """A user as queries show them, with all that was done before."""
    query = {"userId": "GetUser", "email": "GetUserByEmail", "externalId": "GetUserByExternalId"}[next(iter(named))]
    position = (await backend.done("CreateUser", row()))["position"]
    reply = await backend.query(query, named, Denizen_Min_Position=str(position))
    assert not reply.code, reply.data
    return reply.body


async def test_call_of_the_product_page_works(backend: Talk) -> None:
    first = row(password=f"hashed:{HASHES[0]}", emailVerified=True, externalId=name(), profile={"firstName": "Ada"})
    second = row(password=PASSWORD, emailVerified=True)
    weak = row(password="password")
    reply = await imported(backend, first, second, {"email": "no address"}, weak)
    assert (reply["success"], reply["failed"]) == (2, 2)
    assert [each["index"] for each in reply["results"]] == [0, 1, 2, 3]
    assert shapes(reply) == [
        ("created", None, None),
        ("created", None, None),
        ("failed", "validation_failed", "email"),
        ("failed", "weak_password", "password"),
    ]
    user = await shown(backend, externalId=first["externalId"])
    assert user["id"] == reply["results"][0]["userId"]
    assert (user["email"], user["profile"], user["status"]) == (first["email"], {"firstName": "Ada"}, "ACTIVE")
    for each in (first, second):
        assert (await backend.sign_in(each))["user"]["email"] == each["email"]
    assert await backend.refused(first, "another password") == "invalid_credentials"


async def test_imported_user_keeps_status_and_fields(backend: Talk) -> None:
    other = str(TypeID("user"))
    made = row(
        id=other,
        passwordHash=HASHES[1],
        emailVerified=True,
        externalId=name(),
        profile={
            "firstName": "Zoë",
            "lastName": "\U0001f469\u200d\U0001f4bb",
            "locale": "pt-BR",
            "timezone": "Asia/Tokyo",
        },
        metadata={"plan": "pro", "nested": {"list": [1, 2.5, None, True, "=1+1"]}},
        appMetadata={"roles": ["admin"]},
        createdAt="2019-03-04T05:06:07.123456+02:00",
        identities=[{"provider": "google", "providerId": name()}, {"provider": "github", "providerId": name()}],
    )
    reply = await imported(backend, made)
    (result,) = reply["results"]
    assert result.pop("changed") == [
        {"field": "passwordHash", "message": "a weak hash (argon2), which the user's next login replaces"}
    ]
    assert result == {"index": 0, "status": "created", "userId": other}
    user = await shown(backend, userId=other)
    for field in ("id", "email", "emailVerified", "externalId", "profile", "metadata", "appMetadata"):
        assert user[field] == made[field], field
    assert user["createdAt"] == "2019-03-04T03:06:07.123456Z"
    assert datetime.fromisoformat(user["updatedAt"]) > datetime.now(UTC) - timedelta(minutes=1)
    linked = [{name: each[name] for name in ("provider", "providerId")} for each in user["identities"]]
    assert linked == made["identities"]
    await backend.sign_in(made)


async def test_imported_user_keeps_times(backend: Talk) -> None:
    created, linked, blocked, updated = (f"20{year}-03-04T05:06:07.000001Z" for year in (19, 20, 21, 22))
    at_google = {"provider": "google", "providerId": name(), "linkedAt": linked}
    github = {"provider": "github", "providerId": name()}
    times = {"createdAt": created, "updatedAt": "2022-03-04T07:06:07.000001+02:00", "identities": [at_google, github]}
    out = row(status="BLOCKED", blockedAt=blocked, **times)
    off = row(status="DEACTIVATED", blockedAt=blocked, createdAt=created, updatedAt=updated)
    reply = await imported(backend, out, off)
    assert reply["success"] == 2
    user = await shown(backend, email=out["email"])
    assert (user["createdAt"], user["blockedAt"], user["updatedAt"]) == (created, blocked, updated)
    # Of what has no time it is known only that it was there at the last change.
    assert user["identities"] == [at_google, github | {"linkedAt": updated}]
    other = await shown(backend, email=off["email"])
    assert (other["status"], other["blockedAt"], other["updatedAt"]) == ("DEACTIVATED", blocked, updated)
    assert (await backend.done("ReactivateUser", {"userId": other["id"]}))["user"]["status"] == "BLOCKED"

    # The history tells of this Denizen: the user was not here before, and what is done from now on is done now.
    history = (await backend.query("GetUserHistory", {"userId": user["id"]})).body["data"]
    came = history[-1]["time"]
    assert min(each["time"] for each in history) == came > updated
    assert (await backend.query("GetUser", {"userId": user["id"], "asOf": updated})).code == "user_not_found"
    assert (await backend.query("GetUser", {"userId": user["id"], "asOf": history[0]["time"]})).body == user
    changed = await backend.done("UnblockUser", {"userId": user["id"]})
    assert (changed["user"]["updatedAt"] > came, changed["user"]["createdAt"]) == (True, created)
    assert await shown(backend, email=out["email"]) == changed["user"] | {"loginCount": 0}


async def test_imported_users_are_listed_by_creation_time(backend: Talk) -> None:
    """Whatever the order of the file; Go's RFC3339Nano has nine digits of a second's fraction."""
    tag = name()
    times = [
        "2021-05-05T05:05:05.000999999Z",
        "1970-01-01T00:00:00Z",
        "2021-05-05T07:05:05.002+02:00",
        "2020-02-29t00:00:00z",
    ]
    rows = [row(externalId=f"{tag}{number}", createdAt=at) for number, at in enumerate(times)]
    for each in rows:
        each["profile"] = {"lastName": tag}
    reply = await imported(backend, *rows, row(profile={"lastName": tag}))
    assert reply["success"] == 5
    now = await shown(backend, userId=reply["results"][4]["userId"])
    listed = (await backend.query("ListUsers", {"search": tag, "sort": "createdAt"})).body["data"]
    assert [each["createdAt"] for each in listed] == [
        "1970-01-01T00:00:00.000000Z",
        "2020-02-29T00:00:00.000000Z",
        "2021-05-05T05:05:05.000999Z",
        "2021-05-05T05:05:05.002000Z",
        now["createdAt"],
    ]
    newest = (await backend.query("ListUsers", {"search": tag})).body["data"]
    assert newest == listed[::-1]


async def test_imported_status_governs_sign_in(backend: Talk) -> None:
    common = {"passwordHash": HASHES[0], "emailVerified": True}
    blocked, off = row(status="BLOCKED", **common), row(status="DEACTIVATED", **common)
    must, pending = row(passwordChangeRequired=True, **common), row(passwordHash=HASHES[0], status="ACTIVE")
    reply = await imported(backend, blocked, off, must, pending)
    assert reply["success"] == 4
    assert [await backend.refused(each) for each in (blocked, off, must, pending)] == [
        "user_blocked",
        "user_deactivated",
        "password_change_required",
        "email_not_verified",
    ]
    found = [await shown(backend, email=each["email"]) for each in (blocked, off, must, pending)]
    assert [each["status"] for each in found] == ["BLOCKED", "DEACTIVATED", "ACTIVE", "PENDING_VERIFICATION"]
    assert found[0]["blockedAt"] is not None
    back = await backend.done("UnblockUser", {"userId": found[0]["id"]})
    assert back["user"]["status"] == "ACTIVE"
    await backend.sign_in(blocked)


BAD: dict[str, tuple[Json, str, str | None]] = {
    "no address": ({}, "validation_failed", "email"),
    "an address that is none": ({"email": "ada@"}, "validation_failed", "email"),
    "two secrets": ({"password": PASSWORD, "passwordHash": HASHES[0]}, "validation_failed", "passwordHash"),
    "an unknown hash": ({"passwordHash": "canary"}, "validation_failed", "passwordHash"),
    "an unknown hash as a password": ({"password": "hashed:canary"}, "validation_failed", "passwordHash"),
    "hostile parameters": ({"passwordHash": TOO_DEAR}, "validation_failed", "passwordHash"),
    "a short password": ({"password": "canary"}, "weak_password", "password"),
    "a sealed password that is none": ({"password": "sealed:canary"}, "malformed_message", None),
    "a field that users have not": ({"canary": 1}, "validation_failed", "canary"),
    "snake_case": ({"email_verified": True}, "validation_failed", "email_verified"),
    "a number as text": ({"emailVerified": "true"}, "validation_failed", "emailVerified"),
    "control characters": ({"profile": {"firstName": "\x07"}}, "validation_failed", "profile.firstName"),
    "a deep field": ({"profile": {"picture": "javascript:x"}}, "validation_failed", "profile.picture"),
    "metadata too large": ({"metadata": {"a": "x" * 17_000}}, "validation_failed", "metadata"),
    "the future": ({"createdAt": "2999-01-01T00:00:00Z"}, "validation_failed", "createdAt"),
    "before time": ({"createdAt": "1969-12-31T23:59:59Z"}, "validation_failed", "createdAt"),
    "out of time": ({"createdAt": "9999-12-31T23:59:59-14:00"}, "validation_failed", "createdAt"),
    "no form of a time": ({"createdAt": "yesterday"}, "validation_failed", "createdAt"),
    "no time": ({"createdAt": "2019-13-01T00:00:00Z"}, "validation_failed", "createdAt"),
    "changed in the future": ({"updatedAt": "2999-01-01T00:00:00Z"}, "validation_failed", "updatedAt"),
    "changed before created": ({"createdAt": "2019-03-04T05:06:07+02:00", "updatedAt": "2019-03-04T03:06:06Z"},
                              "validation_failed", "updatedAt"),
    "changed, and made now": ({"updatedAt": "2019-03-04T05:06:07Z"}, "validation_failed", "updatedAt"),
    "blocked since then": ({"status": "BLOCKED", "createdAt": "2019-03-04T05:06:07Z",
                            "updatedAt": "2019-03-05T05:06:07Z", "blockedAt": "2020-01-01T00:00:00Z"},
                           "validation_failed", "blockedAt"),
    "blocked, and not": ({"blockedAt": "2020-01-01T00:00:00Z"}, "validation_failed", "blockedAt"),
    "the end of no block": ({"status": "DEACTIVATED", "blockedUntil": "2999-01-01T00:00:00Z"}, "validation_failed",
                            "blockedUntil"),
    "linked in the future": ({"identities": [{"provider": "x", "providerId": "1"},
                                             {"provider": "y", "providerId": "1", "linkedAt": "2999-01-01T00:00:00Z"}]},
                             "validation_failed", "identities.1.linkedAt"),
    "no status": ({"status": "canary"}, "validation_failed", "status"),
    "an id of another kind": ({"id": "canary"}, "validation_failed", "id"),
    "an identity without a name": ({"identities": [{"provider": "x", "providerId": ""}]}, "validation_failed",
                                   "identities.0.providerId"),
    "an identity twice": ({"identities": [{"provider": "x", "providerId": "1", "linkedAt": linked} for linked in
                                          ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z")]},
                          "validation_failed", "identities"),
    "an identity with a bell": ({"identities": [{"provider": "x", "providerId": "\x07"}]}, "validation_failed",
                                "providerId"),
}  # fmt: skip


async def test_bad_row_stops_no_other(backend: Talk) -> None:
    good = [row() for _ in range(len(BAD) + 1)]
    bad = [row(**more) if "address" not in kind else more for kind, (more, _, _) in BAD.items()]
    users = [each for pair in zip(good, bad, strict=False) for each in pair] + good[-1:]
    for dry in (True, False):
        reply = await imported(backend, *users, dryRun=dry)
        assert (reply["success"], reply["failed"]) == (len(good), len(bad))
        assert shapes(reply)[0::2] == [("created", None, None)] * len(good)
        assert shapes(reply)[1::2] == [("failed", code, field) for _, code, field in BAD.values()]
        messages = [each["error"]["message"] for each in reply["results"][1::2]]
        assert "pattern" not in "".join(message for message, kind in zip(messages, BAD, strict=True) if "time" in kind)
        assert "canary" not in json.dumps(messages)
        assert HASHES[0] not in json.dumps(reply)


@pytest.mark.parametrize(
    "body",
    [
        {"users": []},
        {"users": [{"email": "a@example.com"}] * 1001},
        {"users": ["canary"]},
        {"users": [{"email": "a@example.com"}], "importId": "a b"},
        {"users": [{"email": "a@example.com"}], "chunk": -1},
        {"users": [{"email": "a@example.com"}], "onConflict": "merge"},
        {"users": [{"email": "a@example.com"}], "dry_run": True},
    ],
    ids=["none", "too many", "no object", "a bad id", "a bad chunk", "a bad choice", "snake_case"],
)
async def test_malformed_import_message_is_refused(backend: Talk, body: Json) -> None:
    assert (await backend.command("ImportUsers", body)).code == "validation_failed"


async def test_thousand_bad_rows_are_answered(backend: Talk) -> None:
    """Each with as many faults as a row has room for: the answer passes NATS all the same."""
    faults = {f"{'x' * 100}{number}": 1 for number in range(8)}
    reply = await imported(backend, *[{"email": f"{number}", **faults} for number in range(1000)])
    assert reply["failed"] == 1000


async def test_imported_event_says_imported_and_nothing_personal(backend: Talk) -> None:
    made = row(externalId=name(), profile={"firstName": name()}, metadata={name(): name()}, passwordHash=HASHES[0])
    reply = await imported(backend, made)
    user_id = reply["results"][0]["userId"]
    jetstream = backend.client.jetstream()
    subscription = await jetstream.pull_subscribe(f"users.v1.event.*.{user_id}", stream="USERS_EVENTS")
    (message,) = await subscription.fetch(1, timeout=10)
    assert message.subject == f"users.v1.event.UserCreated.{user_id}"
    assert json.loads(message.data) == {
        "userId": user_id,
        "version": 1,
        "status": "PENDING_VERIFICATION",
        "changed": ["email", "status", "profile.firstName", "metadata", "externalId"],
        "reason": "imported",
    }
    spoken = message.data.decode() + json.dumps(message.headers)
    secrets = [made["email"], made["externalId"], made["profile"]["firstName"], *made["metadata"].items(), HASHES[0]]
    assert not [each for each in secrets if str(each) in spoken]
    await subscription.unsubscribe()


async def test_seal_of_another_message_is_refused(backend: Talk) -> None:
    """A password that the client sealed opens for the message that it was sealed for, and for no other."""
    key = (await backend.query("GetSealingKey", {})).body
    sealed = seal(PASSWORD, "of-this-one", key["keyId"], base64.urlsafe_b64decode(f"{key['publicKey']}="))
    made = row(password=sealed, emailVerified=True)
    reply = await backend.command("ImportUsers", {"users": [made]}, Nats_Msg_Id="of-another")
    assert shapes(reply.body) == [("failed", "malformed_message", None)]
    reply = await backend.command("ImportUsers", {"users": [made]}, Nats_Msg_Id="of-this-one")
    assert shapes(reply.body) == [("created", None, None)]
    await backend.sign_in(made)
