"""What a request says is understood, or refused with the field that is to blame and without its input."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from denizen import headers as h
from denizen import messages as m
from denizen.operations import OPERATIONS

from services.domain.refusals import Refusal
from services.endpoint.call import Call, understand
from tests.support.log import user_id

INBOX = "_INBOX.a.b"


def ask(name: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Call:
    return understand(OPERATIONS[name], INBOX, headers, json.dumps(body).encode())


def refused(name: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        ask(name, body, headers)
    return caught.value


def test_plain_request_is_parsed() -> None:
    call = ask("CreateUser", {"email": "a@example.com"})
    assert call.request == m.CreateUser(email="a@example.com")
    assert (call.reply_to, call.repeatable, call.expected_version, call.deadline, call.actor) == (
        INBOX,
        False,
        None,
        None,
        None,
    )
    assert (call.traceparent, call.min_position) == (None, 0)
    assert UUID(call.command_id).version == 7
    assert call.metadata() == {"commandId": call.command_id}
    assert ask("CreateUser", {"email": "a@example.com"}).command_id != call.command_id


def test_every_header_is_parsed() -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    headers = {
        h.COMMAND_ID: "order:17/e",
        h.EXPECTED_VERSION: "3",
        h.DEADLINE: "2999-01-01T00:00:00Z",
        h.ACTOR: "admin_ü",
        h.TRACEPARENT: trace,
    }
    call = ask("BlockUser", {"userId": user_id()}, headers)
    assert (call.command_id, call.repeatable, call.expected_version) == ("order:17/e", True, 3)
    assert call.metadata() == {"commandId": "order:17/e", "actor": "admin_ü", "traceparent": trace}
    assert ask("GetUser", {"userId": user_id()}, {h.MIN_POSITION: "12"}).min_position == 12


@pytest.mark.parametrize(
    ("id", "key"),
    [
        ("BlockUser", "c1"),
        ("PublicVerifyEmail", "public/VerifyEmail/c1"),
        ("SelfUpdateUser", "self/user_7/UpdateUser/c1"),
    ],
)
def test_outcome_name_is_bound_to_caller_and_operation(id: str, key: str) -> None:
    body: dict[str, Any] = {"userId": user_id()} if id != "SelfUpdateUser" else {}
    call = ask(id, body | ({"code": "123456"} if id == "PublicVerifyEmail" else {}), {h.COMMAND_ID: "c1"})
    call.actor = "user_7"
    assert (call.key, call.metadata()["commandId"]) == (key, key)


def test_caller_without_a_token_has_no_outcome_name() -> None:
    """A front end could put any into the history."""
    call = ask("PublicSendVerificationEmail", {"userId": user_id()}, {h.ACTOR: "admin"})
    assert (call.actor, "actor" in call.metadata()) == (None, False)
    assert ask("SendVerificationEmail", {"userId": user_id()}, {h.ACTOR: "admin"}).actor == "admin"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (h.COMMAND_ID, ""),
        (h.COMMAND_ID, "a b"),
        (h.COMMAND_ID, "ä"),
        (h.COMMAND_ID, "x" * 129),
        (h.COMMAND_ID, "a\n"),
        (h.EXPECTED_VERSION, ""),
        (h.EXPECTED_VERSION, "-1"),
        (h.EXPECTED_VERSION, "1.0"),
        (h.EXPECTED_VERSION, "one"),
        (h.EXPECTED_VERSION, "1\n"),
        (h.EXPECTED_VERSION, "\u0661"),
        (h.EXPECTED_VERSION, "1" * 19),
        (h.ACTOR, ""),
        (h.ACTOR, "a\x00"),
        (h.ACTOR, "x" * 257),
        (h.MIN_POSITION, "1e3"),
        (h.MIN_POSITION, " 1"),
    ],
)
def test_malformed_header_is_refused(name: str, value: str) -> None:
    refusal = refused("UnblockUser", {"userId": user_id()}, {name: value})
    assert (refusal.code, refusal.field) == ("validation_failed", name)


def test_malformed_traceparent_is_ignored() -> None:
    assert ask("GetUser", {"userId": user_id()}, {h.TRACEPARENT: "00-zz"}).traceparent is None


FORMS = [
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y-%m-%dt%H:%M:%Sz",
    "%Y-%m-%dT%H:%M:%S.5Z",
    "%Y-%m-%dT%H:%M:%S.123456789Z",
    "%Y-%m-%dT%H:%M:%S+00:00",
]
NO_TIMES = [
    "",
    "tomorrow",
    "1764000000",
    "2999-01-01",
    "2999-01-01T00:00:00",
    "2999-01-01 00:00:00Z",
    "2999-01-01T00:00:00Zulu",
    "29990101T000000Z",
    "2999-01-01T00:00Z",
    "2999-01-01T00:00:30:45Z",
    "2999-01-01T000030.25Z",
    "2999-01-01T00:00:30.Z",
    "2999-01-01T00:00:30,5Z",
    "2999-01-01T00:00:30.1234567890Z",
    "2999-01-01T00:00:30+0100",
    "2999-01-01T00:00:30Z\n",
    "\u0662999-01-01T00:00:30Z",
]


@pytest.mark.parametrize("form", FORMS)
def test_deadline_is_parsed(form: str) -> None:
    now = datetime.now(UTC)
    ahead, behind = now + timedelta(minutes=1), now - timedelta(minutes=1)
    call = ask("CreateUser", {"email": "a@example.com"}, {h.DEADLINE: ahead.strftime(form)})
    assert call.deadline is not None
    assert abs(call.deadline - ahead.timestamp()) < 1.1
    refusal = refused("CreateUser", {"email": "a@example.com"}, {h.DEADLINE: behind.strftime(form)})
    assert refusal.code == "deadline_exceeded"


def test_deadline_in_another_zone_is_parsed() -> None:
    """An hour from now in UTC is a past wall-clock time west of it, and the other way round."""
    west = (datetime.now(UTC) + timedelta(hours=1)).astimezone(tz=None).replace(tzinfo=None)
    shifted = (west - timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S") + "-05:00"
    assert ask("GetUser", {"userId": user_id()}, {h.DEADLINE: shifted}).deadline
    shifted = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S") + "+05:00"
    assert refused("GetUser", {"userId": user_id()}, {h.DEADLINE: shifted}).code == "deadline_exceeded"


@pytest.mark.parametrize(
    "deadline",
    [
        *NO_TIMES,
        "2999-13-01T00:00:00Z",
        "2999-01-01T25:00:00Z",
        "2999-01-01T00:00:00+99:00",
        "0000-01-01T00:00:00Z",
    ],
)
def test_malformed_deadline_is_refused(deadline: str) -> None:
    refusal = refused("GetUser", {"userId": user_id()}, {h.DEADLINE: deadline})
    assert (refusal.code, refusal.field) == ("validation_failed", h.DEADLINE)


@pytest.mark.parametrize("form", FORMS)
def test_time_is_parsed(form: str) -> None:
    user, time = user_id(), datetime.now(UTC).strftime(form)
    assert ask("GetUser", {"userId": user, "asOf": time}).request == m.GetUser(user_id=user, as_of=time)


@pytest.mark.parametrize("time", NO_TIMES)
def test_time_of_another_form_is_refused(time: str) -> None:
    refusal = refused("GetUser", {"userId": user_id(), "asOf": time})
    assert (refusal.code, refusal.field, refusal.message) == ("validation_failed", "asOf", "not a time as in RFC 3339")


def test_deadline_that_passes_in_the_queue_is_exceeded() -> None:
    call = ask("CreateUser", {"email": "a@example.com"}, {h.DEADLINE: "2999-01-01T00:00:00Z"})
    call.check_deadline()
    call.deadline = time.time() - 0.001
    with pytest.raises(Refusal) as caught:
        call.check_deadline()
    assert caught.value.code == "deadline_exceeded"


@pytest.mark.parametrize(
    "id",
    [
        "",
        "*",
        ">",
        "user_*",
        "user_>",
        "user_01jdc.01jdc",
        "user_" + "0" * 25,
        "user_" + "0" * 27,
        "user_8" + "0" * 25,
        "user_" + "0" * 25 + "u",
        "user_" + "0" * 25 + "L",
        "user_" + "0" * 26 + "\n",
        "user_" + "0" * 25 + "\r\n",
        "USER_" + "0" * 26,
        "account_" + "0" * 26,
    ],
)
@pytest.mark.parametrize("name", ["GetUser", "BlockUser"])
def test_id_that_could_be_a_subject_is_refused(name: str, id: str) -> None:
    refusal = refused(name, {"userId": id})
    assert (refusal.code, refusal.field) == ("validation_failed", "userId")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": None}, "email"),
        ({"email": 1}, "email"),
        ({"email": "a@example.com", "emailVerified": "true"}, "emailVerified"),
        ({"email": "a@example.com", "emailVerified": 1}, "emailVerified"),
        ({"email": "a@example.com", "email_verified": True}, "email_verified"),
        ({"email": "a@example.com", "surprise": 1}, "surprise"),
        ({"email": "a@example.com", "profile": {"surprise": 1}}, "profile.surprise"),
        ({"email": "a@example.com", "profile": {"firstName": ["canary"]}}, "profile.firstName"),
        ({"email": "a@example.com", "metadata": ["canary"]}, "metadata"),
        ({"email": "a@example.com", "externalId": ""}, "externalId"),
        ({"email": "x" * 255}, "email"),
    ],
)
def test_invalid_field_is_named(body: dict[str, Any], field: str) -> None:
    refusal = refused("CreateUser", body)
    assert (refusal.code, refusal.field) == ("validation_failed", field)


def test_all_faults_are_listed_without_input() -> None:
    refusal = refused("CreateUser", {"email": 1, "externalId": "canary" * 100, "profile": {"locale": ["canary"]}})
    assert {detail["field"] for detail in refusal.details} == {"email", "externalId", "profile.locale"}
    assert "canary" not in json.dumps(refusal.body())
    assert refusal.__cause__ is None
    assert refusal.headers()[h.SERVICE_ERROR_CODE] == "422"


@pytest.mark.parametrize("name", OPERATIONS)
def test_messages_show_no_regular_expression(name: str) -> None:
    operation = OPERATIONS[name]
    body = dict.fromkeys(operation.request.model_json_schema().get("properties", {}), "\n") | {"unknown": 1}
    assert "pattern" not in json.dumps(list(refused(name, body).details))


def test_many_long_faults_make_a_short_answer() -> None:
    refusal = refused("CreateUser", {"email": "a@example.com", **{"x" * 500 + str(n): n for n in range(100)}})
    assert len(json.dumps(refusal.body())) < 8192


def test_malformed_body_has_its_own_code() -> None:
    with pytest.raises(Refusal) as caught:
        understand(OPERATIONS["CreateUser"], INBOX, None, b"{")
    assert caught.value.code == "malformed_message"
