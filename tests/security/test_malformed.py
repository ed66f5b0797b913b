"""Whatever is sent, it gets its error, and costs nothing else: the next good request is answered."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import nats
import psutil
import pytest
from denizen.operations import OPERATIONS
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from tests.support.servers import Denizen

SUBJECTS = [
    operation.subject.replace("*", "malformed")
    for operation in OPERATIONS.values()
    if operation.name not in ("ExportUsersWithHashes", "UndoImport")
]
"""Of a back end: hashes and the undo of an import are the operator's alone."""
LARGE = {operation.subject for operation in OPERATIONS.values() if operation.octets > 64 * 1024}
UNKNOWN = "user_01h455vb4pex5vsknk084sn02q"

MALFORMED = {
    "no JSON": b"{not json",
    "two values": b"{}{}",
    "an array": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "NaN": b'{"email":NaN}',
    "Infinity": b'{"count":-Infinity}',
    "a huge number": b'{"count":1e999}',
    "a huge integer": b'{"count":' + b"9" * 5000 + b"}",
    "a key twice": b'{"email":"a@example.com","email":"b@example.com"}',
    "a key twice, deep": b'{"metadata":{"a":[{"b":1,"b":2}]}}',
    "NUL": b'{"email":"a\\u0000@example.com"}',
    "NUL in a key": b'{"metadata":{"a\\u0000":1}}',
    "a raw NUL": b'{"email":"a\x00@example.com"}',
    "half a surrogate pair": b'{"email":"\\ud800@example.com"}',
    "not UTF-8": b'{"email":"\xff@example.com"}',
    "UTF-16": '{"email":"a@example.com"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"email":"a@example.com"}',
    "depth": b'{"metadata":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "depth, not closed": b'{"a":' * 10_000,
    "1 MiB": b'{"email":"' + b"a" * (1_000_000 - 20) + b'"}',
    "64 KiB and one": b'{"email":"' + b"a" * (64 * 1024 - 11) + b'"}',
    "a million spaces": b" " * 1_000_000,
}
INVALID: dict[str, list[dict[str, Any]]] = {
    "users.v1.command.CreateUser": [
        {},
        {"email": 1},
        {"email": None},
        {"email": ["a@example.com"]},
        {"email": "a@example.com", "unknown": 1},
        {"email": "a@example.com", "email_verified": True},
        {"email": "a@example.com", "emailVerified": "true"},
        {"email": "a@example.com", "emailVerified": 1},
        {"email": "a@example.com", "profile": []},
        {"email": "a@example.com", "profile": {"nickname": "x"}},
        {"email": "a@example.com", "profile": {"locale": "english please"}},
        {"email": "a@example.com", "profile": {"timezone": "../../etc/passwd"}},
        {"email": "a@example.com", "profile": {"picture": "javascript:alert(1)"}},
        {"email": "a@example.com", "profile": {"firstName": "x" * 257}},
        {"email": "a@example.com", "metadata": {"large": "x" * 17_000}},
        {"email": "a@example.com", "metadata": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}}},
        {"email": "a@example.com", "externalId": ""},
        {"email": "a@example.com", "externalId": "x" * 257},
        {"email": "a@b"},
        {"email": "a b@example.com"},
        {"email": "a@example.com\r\nBcc: b@example.com"},
        {"email": "a" * 65 + "@example.com"},
    ],
    "users.v1.command.BlockUser": [
        {"userId": "*"},
        {"userId": ">"},
        {"userId": "user_*"},
        {"userId": f"{UNKNOWN}\n"},
        {"userId": f"{UNKNOWN}.x"},
        {"userId": UNKNOWN.upper()},
        {"userId": 7},
        {"userId": UNKNOWN, "reason": "x" * 513},
        {"userId": UNKNOWN, "reason": "a\nb"},
    ],
    "users.v1.public.Authenticate": [
        {"email": "a@example.com"},
        {"email": "a@example.com", "password": ""},
        {"email": "a@example.com", "password": 12345678},
        {"email": "a@example.com", "password": ["drop table"]},
        {"email": "a@example.com", "password": {"$ne": "drop table"}},
        {"email": "a@example.com", "password": "drop table" * 410},
        {"email": "drop table", "password": "drop table"},
        {"email": "a@example.com", "password": "drop table", "ip": "drop table"},
        {"email": "a@example.com", "password": "drop table", "ip": "192.0.2.1/8"},
        {"email": "a@example.com", "password": "drop table", "ip": "192.0.2.01"},
        {"email": "a@example.com", "password": "drop table", "userAgent": 7},
        {"email": "a@example.com", "password": "drop table", "userAgent": ["drop table"]},
    ],
    "users.v1.command.RevokeSession": [
        {"userId": UNKNOWN},
        {"userId": UNKNOWN, "sessionId": UNKNOWN},
        {"userId": UNKNOWN, "sessionId": "sess_*"},
        {"userId": UNKNOWN, "sessionId": "sess_01h455vb4pex5vsknk084sn02q.x"},
    ],
    "users.v1.query.GetLoginHistory": [
        {"userId": UNKNOWN, "cursor": "-1"},
        {"userId": UNKNOWN, "cursor": "1; drop table events"},
        {"userId": UNKNOWN, "cursor": "9" * 20},
        {"userId": UNKNOWN, "cursor": 1},
        {"userId": UNKNOWN, "count": 501},
    ],
    "users.v1.subscriber.FollowEvents.malformed": [
        {"types": ["UserBlocked", ">"]},
        {"types": "UserBlocked"},
        {"types": ["*"]},
        {"start": "last"},
        {"start": "new", "startPosition": 1},
        {"startPosition": -1},
        {"startTime": "2026-13-01T00:00:00Z"},
        {"startTime": "yesterday"},
        {"startTime": "0001-01-01T00:00:00+10:00"},
        {"sequence": 0},
        {"deliverSubject": "users.v1.command.BlockUser"},
        {"config": {"deliver_subject": "users.v1.command.BlockUser"}},
        {"filterSubject": ">"},
    ],
    "users.v1.subscriber.FollowEvents.a%b": [{}],
    f"users.v1.subscriber.FollowEvents.{'x' * 65}": [{}],
    "users.v1.subscriber.SetParkedEvent.malformed": [
        {},
        {"state": "gone", "position": 1, "sequence": 1, "tries": 1, "at": "2026-11-30T12:00:00Z"},
        {"state": "parked", "position": 0, "sequence": 1, "tries": 1, "at": "2026-11-30T12:00:00Z"},
        {"state": "parked", "position": 1, "sequence": 1, "tries": 1, "at": "now"},
        {"state": "retry", "position": 1, "sequence": 1, "tries": 1, "at": "2026-11-30T12:00:00Z"},
        {
            "state": "parked",
            "position": 1,
            "sequence": 1,
            "tries": 1,
            "at": "2026-11-30T12:00:00Z",
            "error": "drop table",
        },
    ],
    "users.v1.query.GetUser": [{"userId": "user_'; drop table events; --"}, {"userId": "%"}, {"userId": {}}],
    "users.v1.query.GetUserByEmail": [{"email": "x"}, {"email": "%@example.com\\"}],
    "users.v1.query.ListUsers": [
        {"count": 0},
        {"count": 501},
        {"count": "5"},
        {"count": 1.5},
        {"offset": -1},
        {"offset": 2**62},
        {"status": "active"},
        {"search": ""},
        {"search": "\u0085"},
        {"search": "--"},
        {"search": "x" * 129},
        {"cursor": "AAAA"},
        {"sort": "age"},
    ],
}
HEADERS: list[dict[str, str]] = [
    {"Nats-Msg-Id": "x" * 129},
    {"Nats-Msg-Id": "with space"},
    {"Nats-Msg-Id": "\u00fcber"},
    {"Denizen-Expected-Version": "-1"},
    {"Denizen-Expected-Version": "1.0"},
    {"Denizen-Expected-Version": "9" * 40},
    {"Denizen-Deadline": "tomorrow"},
    {"Denizen-Deadline": "2026-13-01T00:00:00Z"},
    {"Denizen-Deadline": "2026-01-01 00:00:00"},
    {"Denizen-Actor": "x" * 257},
    {"Denizen-Min-Position": "first"},
]


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Client]:
    client = await nats.connect(denizen.nats_url, inbox_prefix=b"_INBOX.backend")
    yield client
    await client.close()


def refusal(reply: Msg) -> str:
    """The code of a refusal, whose form is checked."""
    error = json.loads(reply.data)["error"]
    assert reply.headers is not None
    assert reply.headers["Nats-Service-Error-Code"].isdigit()
    assert reply.headers["Nats-Service-Error"] == error["message"]
    return str(error["code"])


async def assert_well(client: Client) -> None:
    """A good request is answered."""
    body = json.dumps({"email": f"{secrets.token_hex(8)}@example.com"}).encode()
    reply = await client.request("users.v1.command.CreateUser", body, timeout=5)
    assert json.loads(reply.data)["version"] == 1


@pytest.mark.parametrize("subject", SUBJECTS)
async def test_malformed_body_is_refused(backend: Client, subject: str) -> None:
    for what, body in MALFORMED.items():
        taken = subject in LARGE and what in ("1 MiB", "64 KiB and one")  # These have room for them.
        wanted = "validation_failed" if taken else "malformed_message"
        assert refusal(await backend.request(subject, body, timeout=5)) == wanted, what
    await assert_well(backend)


@pytest.mark.parametrize("subject", INVALID)
async def test_invalid_body_is_refused(backend: Client, subject: str) -> None:
    for body in INVALID[subject]:
        reply = await backend.request(subject, json.dumps(body).encode(), timeout=5)
        assert refusal(reply) == "validation_failed", body
        assert b"drop table" not in reply.data, "a refusal never repeats what was sent"
    await assert_well(backend)


async def test_invalid_header_is_refused(backend: Client) -> None:
    for headers in HEADERS:
        subject = "users.v1.query.ListUsers" if "Denizen-Min-Position" in headers else "users.v1.command.CreateUser"
        body = b"{}" if subject.endswith("ListUsers") else b'{"email":"header@example.com"}'
        reply = await backend.request(subject, body, timeout=5, headers=headers)
        assert refusal(reply) == "validation_failed", headers
    many = {f"X-{number}": "x" * 50 for number in range(5_000)}
    body = json.dumps({"email": f"{secrets.token_hex(8)}@example.com"}).encode()
    assert (await backend.request("users.v1.command.CreateUser", body, timeout=5, headers=many)).data
    await assert_well(backend)


async def test_sql_in_a_value_is_text(backend: Client) -> None:
    text = "'); drop table events; -- \\ \" $$ %s {} \u202e \U0001f469\u200d\U0001f680"
    body = {"email": f"{secrets.token_hex(8)}@example.com", "externalId": text, "metadata": {text: [text]}}
    reply = json.loads(
        (await backend.request("users.v1.command.CreateUser", json.dumps(body).encode(), timeout=5)).data
    )
    found = await backend.request(
        "users.v1.query.GetUserByExternalId",
        json.dumps({"externalId": text}).encode(),
        timeout=5,
        headers={"Denizen-Min-Position": str(reply["position"])},
    )
    assert json.loads(found.data)["metadata"] == {text: [text]}


async def test_unknown_operation_has_no_responder(backend: Client) -> None:
    with pytest.raises(NoRespondersError):
        await backend.request("users.v1.command.DropUser", b"{}", timeout=5)


@pytest.mark.slow
async def test_flood_of_bad_and_good_requests_is_answered(backend: Client, denizen: Denizen) -> None:
    """Past the bounds of the queue `overloaded` is the answer, never silence; and memory does not keep the flood."""
    accounts = psutil.Process(denizen.pids()["accounts"])
    await flood(backend)
    before = accounts.memory_info().rss
    codes = [code for _ in range(2) for code in await flood(backend)]
    assert set(codes) <= {"", "malformed_message", "overloaded"}
    assert codes.count("malformed_message") == 2 * 10_000
    await assert_well(backend)
    assert accounts.memory_info().rss - before < 30_000_000


async def flood(client: Client) -> list[str]:
    """10,000 requests of a depth bomb and 8,000 good ones at once; the code of each answer, "" for success."""
    codes: list[str] = []
    done = asyncio.Event()
    inbox = client.new_inbox()

    async def note(message: Msg) -> None:
        codes.append(refusal(message) if "Nats-Service-Error" in (message.headers or {}) else "")
        if len(codes) == 18_000:
            done.set()

    subscription = await client.subscribe(f"{inbox}.*", cb=note)
    for number in range(18_000):
        body = b"[" * 2_000 if number % 9 < 5 else json.dumps({"email": f"{secrets.token_hex(8)}@example.com"}).encode()
        await client.publish("users.v1.command.CreateUser", body, reply=f"{inbox}.{number}")
    await asyncio.wait_for(done.wait(), 60)
    await subscription.unsubscribe()
    return codes
