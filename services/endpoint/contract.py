"""Writes the contract document, AsyncAPI 3.0, from the table of operations that the services subscribe from.

    python -m services.endpoint.contract contracts/asyncapi.json

FastStream's generator knows neither replies nor headers nor refusals, which are half of this contract
(docs/decisions/0008).
"""

import json
import sys
from pathlib import Path
from typing import Any, get_args

from denizen import __version__, errors, headers
from denizen import messages as m
from denizen.operations import OPERATIONS, Operation
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import WithDefaultSchema

Document = dict[str, Any]

_TEXT: Document = {"type": "string"}
_POSITION: Document = {"type": "string", "pattern": "^[0-9]+$", "description": "A position of the log."}
_TRACE: Document = {"type": "string", "description": "W3C trace context."}
_DEADLINE: Document = {
    "type": "string",
    "format": "date-time",
    "description": "A request not started by then is refused with deadline_exceeded, never run late.",
}
_CONDITIONS: Document = {
    headers.COMMAND_ID: {
        "type": "string",
        "description": "The command id: a repeat within 24 h gets the first reply and changes nothing; another request "
        "with it is refused with validation_failed. "
        "Needed where a secret is sealed, which it is bound to.",
    },
    headers.EXPECTED_VERSION: {
        "type": "string",
        "pattern": "^[0-9]+$",
        "description": "The user's version that the caller has seen; another is refused with version_conflict.",
    },
    headers.ACTOR: {"type": "string", "description": "Who asks, for the history: an opaque id."},
}
_BEARER: Document = {
    headers.AUTHORIZATION: {"type": "string", "description": "`Bearer <access token>`: whose request it is."}
}
_OPAQUE_POSITION: Document = {
    "type": "string",
    "pattern": f"^{headers.OPAQUE_POSITION_FORM}$",
    "description": "A position of the log, encrypted: it tells front ends and users nothing.",
}
_REPLY_KEY: Document = {
    headers.REPLY_KEY: {
        "type": "string",
        "description": "An X25519 public key of this request's own, 32 octets in base64url without padding: the reply "
        "is a sealed box for it, with the header Denizen-Sealed-Reply and with its own headers inside. For pages in "
        "browsers, which may hear the replies to each other.",
    }
}
_PROOF: Document = {
    headers.AUTHORIZATION: {
        "type": "string",
        "description": "`Bearer <access token>` of an earlier session of this user, which may have expired or ended: "
        "with it the user gets in while others guess the password.",
    }
}
_MIN_POSITION: Document = {
    headers.MIN_POSITION: {
        "anyOf": [_POSITION, _OPAQUE_POSITION, {"const": headers.LATEST}],
        "description": "Wait until this position is applied, else stale_read; latest: what is committed when the query "
        "arrives. On users.v1.self.* a number is taken for latest.",
    }
}


def request_headers(operation: Operation) -> Document:
    """The headers that a request can have, as a schema."""
    properties: Document = {} if operation.kind != "self" else dict(_BEARER)
    if operation.kind != "subscriber":
        properties |= _MIN_POSITION if operation.reads else _CONDITIONS
    if operation.name == "Authenticate":
        properties |= _PROOF
    if operation.kind in ("self", "public"):
        properties.pop(headers.ACTOR, None)  # The actor is the user of the token, or there is none.
        properties |= _REPLY_KEY
    schema = {"type": "object", "properties": properties | {headers.DEADLINE: _DEADLINE, headers.TRACEPARENT: _TRACE}}
    return schema | ({"required": [headers.AUTHORIZATION]} if operation.kind == "self" else {})


EVENT_HEADERS: Document = {
    "ce-specversion": {"const": "1.0"},
    "ce-datacontenttype": {"const": "application/json"},
    "ce-id": _TEXT,
    "ce-source": _TEXT,
    "ce-subject": {"type": "string", "description": "The user's id."},
    "ce-time": {"type": "string", "format": "date-time"},
    "ce-sequence": _POSITION,
    headers.COMMAND_ID: {"type": "string", "description": "The event id, as in ce-id: consumers dedupe by it."},
    headers.TRACEPARENT: _TRACE,
    headers.CE_TRACEPARENT: _TRACE,
}


class _Schemas(GenerateJsonSchema):
    """Pydantic's schemas without what would mislead: in an update an absent field stays, whereas a null removes it."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        if isinstance(schema.get("default"), str | int):
            return super().default_schema(schema)
        return self.generate_inner(schema["schema"])


def document() -> Document:
    """The whole contract. Equal input gives an equal document, byte for byte once written."""
    operations = list(OPERATIONS.values())
    channels: Document = {"reply": _reply_channel(operations)}
    actions: Document = {}
    messages: Document = {}
    for operation in operations:
        channels[operation.id] = _address(operation) | {
            "title": operation.id,
            "messages": {"request": _ref("components", "messages", operation.id)},
        }
        actions[operation.id] = _answers(operation)
        messages |= {operation.id: _request(operation), f"{operation.id}Refused": _refusal(operation)}
    for name, operation in sorted({_reply_name(each): each for each in operations}.items()):
        messages[name] = _reply(name, operation)
    for name in get_args(m.EventType):
        channels[name] = {
            "address": f"users.v1.event.{name}.{{userId}}",
            "title": name,
            "parameters": {"userId": {"description": "The user's id."}},
            "messages": {"event": _ref("components", "messages", name)},
        }
        actions[name] = {"action": "send", "channel": _ref("channels", name), "summary": f"JetStream: {name}."}
        messages[name] = _event(name)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Denizen",
            "version": __version__,
            "description": "User accounts over NATS: requests are answered on the caller's inbox, "
            "and every change is published as a CloudEvent in binary mode on the stream USERS_EVENTS.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"nats": {"host": "localhost:4222", "protocol": "nats"}},
        "channels": channels,
        "operations": actions,
        "components": {"messages": messages, "schemas": _schemas(operations)},
    }


def _schemas(operations: list[Operation]) -> Document:
    requests = {operation.request for operation in operations}
    replies = {operation.reply for operation in operations} | {m.ErrorReply, m.EventData}
    models = [(model, "validation") for model in requests] + [(model, "serialization") for model in replies]
    models.sort(key=lambda pair: pair[0].__name__)
    template = "#/components/schemas/{model}"
    _, schema = models_json_schema(models, ref_template=template, schema_generator=_Schemas)  # pyright: ignore[reportArgumentType]
    return dict(sorted(schema["$defs"].items()))


def _address(operation: Operation) -> Document:
    if operation.kind != "subscriber":
        return {"address": operation.subject}
    return {
        "address": operation.subject_of("{durable}"),
        "parameters": {"durable": {"description": "The subscriber's durable: 1 to 64 letters, digits, - and _."}},
    }


def _answers(operation: Operation) -> Document:
    ends = (_reply_name(operation), f"{operation.id}Refused")
    return {
        "action": "receive",
        "summary": operation.summary,
        "channel": _ref("channels", operation.id),
        "messages": [_ref("channels", operation.id, "messages", "request")],
        "reply": {
            "channel": _ref("channels", "reply"),
            "address": {"location": "$message.header#/reply", "description": "The inbox that the request names."},
            "messages": [_ref("channels", "reply", "messages", end) for end in ends],
        },
    }


def _reply_channel(operations: list[Operation]) -> Document:
    names = {_reply_name(operation) for operation in operations} | {f"{o.id}Refused" for o in operations}
    return {
        "address": None,
        "title": "Reply",
        "description": "The caller's inbox, which begins with _INBOX.",
        "messages": {name: _ref("components", "messages", name) for name in sorted(names)},
    }


def _request(operation: Operation) -> Document:
    return {
        "name": operation.id,
        "title": operation.id,
        "headers": request_headers(operation),
        "payload": _ref("components", "schemas", operation.request.__name__),
    }


def _is_opaque(operation: Operation) -> bool:
    return operation.kind in ("public", "self")


def _reply_name(operation: Operation) -> str:
    """One body may be answered to back ends, with a log position in its headers, and to others, with an opaque one."""
    name = operation.reply.__name__
    return f"Opaque{name}" if _is_opaque(operation) and not name.startswith("Opaque") else name


def _reply(name: str, operation: Operation) -> Document:
    position = _OPAQUE_POSITION if _is_opaque(operation) else _POSITION
    return {
        "name": name,
        "title": name,
        "payload": _ref("components", "schemas", operation.reply.__name__),
        "headers": {"type": "object", "properties": {headers.POSITION: position}},
    }


def _refusal(operation: Operation) -> Document:
    codes = sorted(operation.codes)
    numbers = sorted({str(errors.BY_CODE[code].number) for code in codes})
    return {
        "name": f"{operation.id}Refused",
        "title": f"{operation.id} refused",
        "headers": {
            "type": "object",
            "required": [headers.SERVICE_ERROR, headers.SERVICE_ERROR_CODE],
            "properties": {headers.SERVICE_ERROR: _TEXT, headers.SERVICE_ERROR_CODE: {"enum": numbers}},
        },
        "payload": {
            "allOf": [_ref("components", "schemas", "ErrorReply")],
            "properties": {"error": {"properties": {"code": {"enum": codes}}}},
        },
    }


def _event(name: str) -> Document:
    properties = {"ce-type": {"const": f"users.v1.{name}"}} | EVENT_HEADERS
    always = sorted(set(properties) - {headers.TRACEPARENT, headers.CE_TRACEPARENT})
    return {
        "name": name,
        "title": name,
        "headers": {"type": "object", "required": always, "properties": properties},
        "payload": _ref("components", "schemas", "EventData"),
    }


def _ref(*path: str) -> Document:
    return {"$ref": "#/" + "/".join(path)}


def text() -> str:
    """The document as the file holds it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), "utf-8")
