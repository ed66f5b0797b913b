"""The main job, from a plain NATS client that knows only the contract."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime

import psycopg
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event
from denizen.operations import OPERATIONS
from nats.js.errors import NotFoundError

from tests.support.backend import Backend, Json, connected, email
from tests.support.log import until
from tests.support.servers import Denizen

UNKNOWN = "user_01h455vb4pex5vsknk084sn02q"
USER_FIELDS = {
    *("id", "externalId", "email", "emailVerified", "status", "profile", "metadata", "appMetadata", "identities"),
    *(
        "passwordChangeRequired",
        "loginCount",
        "lastLoginAt",
        "lastLoginIp",
        "createdAt",
        "updatedAt",
        "blockedAt",
        "blockedUntil",
    ),
    "version",
}


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Backend]:
    async with connected(denizen.nats_url) as made:
        yield made


async def test_create_query_block_and_event_follow_each_other(backend: Backend) -> None:
    address, external_id = email(), email()
    events = await backend.client.subscribe("users.v1.event.>")
    created = await backend.command(
        "CreateUser",
        {"email": address, "externalId": external_id, "profile": {"firstName": "Ada"}, "metadata": {"plan": "pro"}},
    )
    assert set(created.body) == {"user", "version", "position"}
    user = created.body["user"]
    assert set(user) == USER_FIELDS
    assert re.fullmatch(r"user_[0-7][0-9a-z]{25}", user["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", user["createdAt"])
    assert (user["status"], user["version"], user["profile"]) == ("PENDING_VERIFICATION", 1, {"firstName": "Ada"})

    at = str(created.body["position"])
    for query, body in (
        ("GetUser", {"userId": user["id"]}),
        ("GetUserByEmail", {"email": address.upper()}),
        ("GetUserByExternalId", {"externalId": external_id}),
    ):
        found = await backend.query(query, body, Denizen_Min_Position=at)
        assert found.body == user | {"loginCount": 0}
        assert int(found.headers["Denizen-Position"]) >= int(at)

    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    blocked = await backend.command("BlockUser", {"userId": user["id"], "reason": "chargeback"}, traceparent=trace)
    assert (blocked.body["user"]["status"], blocked.body["version"]) == ("BLOCKED", 2)
    assert blocked.body["user"]["blockedAt"] is not None
    assert blocked.body["position"] > created.body["position"]
    subject = f"users.v1.event.UserBlocked.{user['id']}"
    while (event := await events.next_msg(timeout=10)).subject != subject:
        pass
    assert json.loads(event.data) == {
        "userId": user["id"],
        "version": 2,
        "status": "BLOCKED",
        "changed": ["status"],
    }
    headers = dict(event.headers or {})
    assert headers.keys() == {
        *(f"ce-{name}" for name in ("specversion", "id", "type", "source", "subject", "time", "sequence")),
        "ce-datacontenttype",
        "content-type",
        "Nats-Msg-Id",
        "Nats-Expected-Last-Sequence",
        "traceparent",
        "ce-traceparent",
    }
    assert headers["traceparent"] == trace
    assert headers["content-type"] == headers["ce-datacontenttype"] == "application/json"
    assert headers["ce-source"].startswith("/denizen/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", headers["ce-time"])
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-type"] == "users.v1.UserBlocked"
    assert headers["ce-subject"] == user["id"]
    assert headers["ce-sequence"] == str(blocked.body["position"])
    assert headers["ce-id"] == headers["Nats-Msg-Id"]

    async def stored() -> bytes | None:
        """A subscriber without JetStream may hear of an event before the stream has stored it."""
        try:
            return (await backend.client.jetstream().get_last_msg("USERS_EVENTS", subject)).data
        except NotFoundError:
            return None

    assert await until(stored, "the event is on the stream") == event.data

    unblocked = await backend.command("UnblockUser", {"userId": user["id"]})
    assert (unblocked.body["user"]["status"], unblocked.body["version"]) == ("PENDING_VERIFICATION", 3)
    assert unblocked.body["user"]["blockedAt"] is None


async def test_official_sdk_reads_an_event_as_a_cloudevent(backend: Backend) -> None:
    """By the headers `ce-…` alone, as CloudEvents' NATS binding demands; HTTP's would take `content-type` too."""
    events = await backend.client.subscribe("users.v1.event.UserCreated.>")
    created = await backend.command("CreateUser", {"email": email()})
    user_id = created.body["user"]["id"]
    while not (heard := await events.next_msg(timeout=10)).subject.endswith(user_id):
        pass
    attributes = {name: value for name, value in (heard.headers or {}).items() if name.startswith("ce-")}
    event = from_binary_event(HTTPMessage(headers=attributes, body=heard.data))
    assert (event.get_specversion(), event.get_datacontenttype()) == ("1.0", "application/json")
    assert (event.get_type(), event.get_subject()) == ("users.v1.UserCreated", user_id)
    assert event.get_time() == datetime.fromisoformat(created.body["user"]["createdAt"])
    assert event.get_extension("sequence") == str(created.body["position"])
    assert event.get_data() == json.loads(heard.data)


async def test_update_merges_at_the_top_level(backend: Backend) -> None:
    user = await backend.create(
        profile={"firstName": "Ada", "lastName": "L."}, metadata={"a": 1, "b": {"c": 1, "d": 2}}, appMetadata={"x": 1}
    )
    changes = {"profile": {"lastName": None, "locale": "en-GB"}, "metadata": {"a": None, "b": {"e": 3}}}
    updated = (await backend.command("UpdateUser", {"userId": user["id"], **changes})).body["user"]
    assert updated["profile"] == {"firstName": "Ada", "locale": "en-GB"}
    assert (updated["metadata"], updated["appMetadata"]) == ({"b": {"e": 3}}, {"x": 1})
    again = await backend.command("UpdateUser", {"userId": user["id"], **changes})
    assert again.body["version"] == updated["version"], "what changes nothing is no event"


async def test_list_users_pages_and_filters(backend: Backend) -> None:
    users = [await backend.create(emailVerified=True) for _ in range(5)]
    position = (await backend.command("BlockUser", {"userId": users[0]["id"]})).body["position"]
    at = str(position)
    page = (await backend.query("ListUsers", {"count": 5}, Denizen_Min_Position=at)).body
    assert [user["id"] for user in page["data"]] == [user["id"] for user in reversed(users)]
    assert set(page) == {"data", "total", "totalIsEstimate", "nextCursor"}
    second = (await backend.query("ListUsers", {"count": 2, "offset": 1}, Denizen_Min_Position=at)).body
    assert [user["id"] for user in second["data"]] == [users[3]["id"], users[2]["id"]]
    blocked = (await backend.query("ListUsers", {"status": "BLOCKED", "count": 500}, Denizen_Min_Position=at)).body
    assert users[0]["id"] in [user["id"] for user in blocked["data"]]
    assert {user["status"] for user in blocked["data"]} == {"BLOCKED"}
    assert blocked["total"] == len(blocked["data"])


async def test_refusals_have_their_code_and_number(backend: Backend) -> None:
    user = await backend.create(externalId=email())
    other = await backend.create()
    expected: list[tuple[str, Json, dict[str, str], str, int, str | None]] = [
        ("command.CreateUser", {"email": user["email"].upper()}, {}, "email_taken", 409, "email"),
        (
            *("command.CreateUser", {"email": email(), "externalId": user["externalId"]}, {}),
            *("external_id_taken", 409, "externalId"),
        ),
        (
            *("command.UpdateUser", {"userId": other["id"], "externalId": user["externalId"]}, {}),
            *("external_id_taken", 409, "externalId"),
        ),
        ("command.BlockUser", {"userId": UNKNOWN}, {}, "user_not_found", 404, "userId"),
        ("command.UnblockUser", {"userId": user["id"]}, {}, "invalid_transition", 409, None),
        ("command.ReactivateUser", {"userId": user["id"]}, {}, "invalid_transition", 409, None),
        (
            *("command.BlockUser", {"userId": user["id"]}, {"Denizen_Expected_Version": "9"}),
            *("version_conflict", 409, None),
        ),
        (
            *("command.BlockUser", {"userId": user["id"]}, {"Denizen_Deadline": "2020-01-01T00:00:00Z"}),
            *("deadline_exceeded", 504, None),
        ),
        ("command.BlockUser", {}, {}, "validation_failed", 422, "userId"),
        ("query.GetUser", {"userId": UNKNOWN}, {}, "user_not_found", 404, "userId"),
        ("query.GetUserByEmail", {"email": email()}, {}, "user_not_found", 404, "email"),
        ("query.GetUserByExternalId", {"externalId": "?"}, {}, "user_not_found", 404, "externalId"),
    ]
    for subject, body, headers, code, number, field in expected:
        refusal = await backend.ask(f"users.v1.{subject}", body, **headers)
        error = refusal.body["error"]
        assert (error["code"], error.get("field")) == (code, field), refusal.data
        assert refusal.headers["Nats-Service-Error-Code"] == str(number)
        assert refusal.headers["Nats-Service-Error"] == error["message"]
    malformed = await backend.client.request("users.v1.command.CreateUser", b"{", timeout=5)
    assert json.loads(malformed.data)["error"]["code"] == "malformed_message"


async def test_query_past_its_wait_names_the_lag(backend: Backend) -> None:
    created = await backend.command("CreateUser", {"email": email()})
    user, position = created.body["user"], created.body["position"]
    behind = await backend.query("GetUser", {"userId": user["id"]}, Denizen_Min_Position=str(position + 1_000_000))
    assert behind.code == "stale_read"
    assert behind.headers["Nats-Service-Error-Code"] == "503"
    (detail,) = behind.body["error"]["details"]
    assert detail["lag"] == position + 1_000_000 - detail["position"]

    # Asked before the event is there, answered after it is applied.
    next_position = str(detail["position"] + 1)
    waiting = asyncio.create_task(backend.query("GetUser", {"userId": user["id"]}, Denizen_Min_Position=next_position))
    await backend.command("BlockUser", {"userId": user["id"]})
    assert (await waiting).body["status"] == "BLOCKED"


async def test_query_of_latest_shows_all_committed_before(backend: Backend) -> None:
    """A client that knows no position reads what others have just written."""

    async def round_trip() -> None:
        address = email()
        user = (await backend.command("CreateUser", {"email": address})).body["user"]
        for name, body in (
            ("GetUserByEmail", {"email": address}),
            ("GetUser", {"userId": user["id"]}),
            ("ListIdentities", {"userId": user["id"]}),
            ("GetLoginHistory", {"userId": user["id"]}),
            ("GetUserHistory", {"userId": user["id"]}),
        ):
            assert not (await backend.query(name, body, Denizen_Min_Position="latest")).code, name
        assert (await backend.query("GetUser", {"userId": user["id"]})).body["id"] == user["id"], "as any other"

    for _ in range(5):
        await asyncio.gather(*(round_trip() for _ in range(20)))


async def test_query_of_latest_is_stale_while_projections_stand_still(backend: Backend, denizen: Denizen) -> None:
    user = await backend.create()
    assert not (await backend.query("GetUser", {"userId": user["id"]}, Denizen_Min_Position="latest")).code
    with psycopg.connect(denizen.database_url) as owner:
        owner.execute("select from denizen.projections for update")  # The projector waits for this.
        await backend.command("BlockUser", {"userId": user["id"]})
        behind = await backend.query("GetUser", {"userId": user["id"]}, Denizen_Min_Position="latest")
        assert behind.code == "stale_read"
        assert (await backend.query("GetUser", {"userId": user["id"]})).body["status"] != "BLOCKED", "others go on"
    shown = await backend.insist("users.v1.query.GetUser", {"userId": user["id"]}, 10, Denizen_Min_Position="latest")
    assert shown.body["status"] == "BLOCKED"


async def test_service_is_discovered_as_users(backend: Backend) -> None:
    for verb in ("PING", "INFO", "STATS"):
        inbox = backend.client.new_inbox()
        answers = await backend.client.subscribe(inbox)
        await backend.client.publish(f"$SRV.{verb}.users", b"", reply=inbox)
        programs = {operation.service for operation in OPERATIONS.values()}
        found = [json.loads((await answers.next_msg(timeout=5)).data) for _ in programs]
        assert {each["name"] for each in found} == {"users"}
        assert len({each["id"] for each in found}) == len(programs)
        if verb != "PING":
            served = {endpoint["subject"] for each in found for endpoint in each["endpoints"]}
            assert served == {operation.subject for operation in OPERATIONS.values()}
        await answers.unsubscribe()
