"""Each change that breaks a client is found, and no other."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from scripts.contract_changes import breaking
from services.endpoint import contract

Json = dict[str, Any]


def _schemas(document: Json) -> Json:
    return document["components"]["schemas"]


def _ends(document: Json, name: str) -> list[Json]:
    return document["operations"][name]["reply"]["messages"]


def _of_error(name: str) -> Json:
    return {"$ref": f"#/channels/reply/messages/{name}"}


def _remove_operation(document: Json) -> None:
    del document["operations"]["BlockUser"]


def _move_operation(document: Json) -> None:
    document["channels"]["BlockUser"]["address"] = "users.v1.command.Block"


def _remove_event(document: Json) -> None:
    del document["operations"]["UserBlocked"]


def _remove_request_field(document: Json) -> None:
    del _schemas(document)["CreateUser"]["properties"]["externalId"]


def _require_request_field(document: Json) -> None:
    _schemas(document)["BlockUser"]["required"].append("reason")


def _add_required_request_field(document: Json) -> None:
    schema = _schemas(document)["BlockUser"]
    schema["properties"]["ticket"] = {"type": "string"}
    schema["required"].append("ticket")


def _narrow_request_type(document: Json) -> None:
    _schemas(document)["CreateUser"]["properties"]["emailVerified"] = {"type": "string"}


def _narrow_request_bound(document: Json) -> None:
    _schemas(document)["ListUsers"]["properties"]["count"]["maximum"] = 100


def _narrow_request_pattern(document: Json) -> None:
    _schemas(document)["GetUser"]["properties"]["userId"]["pattern"] = "^usr_"


def _forbid_null(document: Json) -> None:
    _schemas(document)["UpdateUser"]["properties"]["externalId"]["type"] = "string"


def _narrow_request_values(document: Json) -> None:
    _schemas(document)["ListUsers"]["properties"]["status"] = {"type": "string", "enum": ["ACTIVE"]}


def _remove_reply_field(document: Json) -> None:
    user = _schemas(document)["User"]
    del user["properties"]["email"]
    user["required"].remove("email")


def _remove_optional_reply_field(document: Json) -> None:
    del _schemas(document)["UserList"]["properties"]["truncated"]


def _request_headers(document: Json, name: str) -> Json:
    return _schemas(document)[document["components"]["messages"][name]["headers"]["$ref"].rpartition("/")[2]]


def _add_required_request_header(document: Json) -> None:
    headers = _request_headers(document, "CreateUser")
    headers["properties"]["Denizen-Ticket"] = {"type": "string"}
    headers["required"] = ["Denizen-Ticket"]


def _add_request_header(document: Json) -> None:
    _request_headers(document, "CreateUser")["properties"]["Denizen-Ticket"] = {"type": "string"}


def _widen_reply_type(document: Json) -> None:
    _schemas(document)["CommandReply"]["properties"]["version"] = {"type": ["integer", "null"]}


def _remove_event_field(document: Json) -> None:
    del _schemas(document)["EventData"]["properties"]["reason"]


def _remove_code(document: Json) -> None:
    _ends(document, "CreateUser").remove(_of_error("EmailTakenError"))


def _require_optional_sent_field(document: Json) -> None:
    _schemas(document)["UserList"]["required"].append("truncated")


def _drop_requirement_of_reply(document: Json) -> None:
    _schemas(document)["User"]["required"].remove("version")


def _remove_reply_header(document: Json) -> None:
    document["components"]["messages"]["User"]["headers"] = {"type": "object", "properties": {}}


def _add_operation(document: Json) -> None:
    document["operations"]["Copy"] = document["operations"]["BlockUser"]


def _add_optional_request_field(document: Json) -> None:
    _schemas(document)["CreateUser"]["properties"]["nickname"] = {"type": "string"}


def _widen_request_bound(document: Json) -> None:
    _schemas(document)["ListUsers"]["properties"]["count"]["maximum"] = 1000


def _add_reply_field(document: Json) -> None:
    user = _schemas(document)["User"]
    user["properties"]["nickname"] = {"type": "string"}
    user["required"].append("nickname")


def _add_code(document: Json) -> None:
    _ends(document, "GetUser").append(_of_error("ForbiddenError"))


def _reword(document: Json) -> None:
    _schemas(document)["User"]["description"] = "Another description."


Change = Callable[[Json], None]
BREAKING: dict[Change, str] = {
    _remove_operation: "BlockUser: removed",
    _move_operation: "BlockUser: moved from users.v1.command.BlockUser to users.v1.command.Block",
    _remove_event: "UserBlocked: removed",
    _remove_request_field: "CreateUser request payload.externalId: removed",
    _require_request_field: "BlockUser request payload.reason: required on one side only",
    _add_required_request_field: "BlockUser request payload.ticket: required on one side only",
    _add_required_request_header: "CreateUser request headers.Denizen-Ticket: required on one side only",
    _narrow_request_type: "CreateUser request payload.emailVerified: type boolean against string",
    _narrow_request_bound: "ListUsers request payload.count: maximum 500 against 100",
    _narrow_request_pattern: "GetUser request payload.userId: pattern",
    _forbid_null: "UpdateUser request payload.externalId: type null against string",
    _narrow_request_values: "ListUsers request payload.status: BLOCKED against",
    _remove_reply_field: "GetUser reply payload.email: ",
    _remove_optional_reply_field: "ListUsers reply payload.truncated: removed",
    _widen_reply_type: "CreateUser reply payload.version: type null against integer",
    _remove_event_field: "UserBlocked event payload.reason: removed",
    _remove_code: "CreateUser: code email_taken removed",
    _drop_requirement_of_reply: "GetUser reply payload.version: required on one side only",
    _remove_reply_header: "GetUser reply headers.Denizen-Position: removed",
}
HARMLESS: list[Change] = [
    _add_request_header,
    _add_operation,
    _add_optional_request_field,
    _widen_request_bound,
    _add_reply_field,
    _add_code,
    _require_optional_sent_field,
    _reword,
]


@cache
def _document() -> Json:
    return contract.document()


def _changed(change: Change) -> Json:
    new = copy.deepcopy(_document())
    change(new)
    return new


@pytest.mark.parametrize(("change", "fault"), BREAKING.items(), ids=[c.__name__[1:] for c in BREAKING])
def test_breaking_change_is_found(change: Change, fault: str) -> None:
    new = _changed(change)
    faults = breaking(_document(), new)
    assert any(line.startswith(fault) for line in faults), faults


@pytest.mark.parametrize("change", HARMLESS, ids=[c.__name__[1:] for c in HARMLESS])
def test_compatible_change_passes(change: Change) -> None:
    new = _changed(change)
    assert breaking(_document(), new) == []


def test_codes_of_the_earlier_form_are_compared() -> None:
    """Until 0.1.0 the errors of an operation were one message."""
    new = _document()
    old = copy.deepcopy(new)
    payload = {"properties": {"error": {"properties": {"code": {"enum": ["email_taken", "gone"]}}}}}
    old["components"]["messages"]["Refused"] = {"name": "CreateUserRefused", "payload": payload}
    replies = [end for end in _ends(old, "CreateUser") if end == _of_error("CommandReply")]
    old["operations"]["CreateUser"]["reply"]["messages"] = [*replies, {"$ref": "#/components/messages/Refused"}]
    assert breaking(old, new) == ["CreateUser: code gone removed"]
