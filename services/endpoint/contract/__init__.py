"""The contract document, AsyncAPI 3.0, from the table of operations that the services subscribe from.

    python -m services.endpoint.contract contracts/asyncapi.json

FastStream's generator knows neither replies nor headers nor refusals, which are half of this contract
(docs/decisions/0008).

Imports `domain.values`, and `domain.refusals` for examples of errors.
"""

import json
from typing import Any, get_args

from denizen import __version__, errors
from denizen import headers as h
from denizen import messages as m
from denizen.operations import OPERATIONS, Operation

from services.endpoint.contract import access, body_schemas, examples, header_schemas, sealed

Document = dict[str, Any]

_DESCRIPTION = """User accounts over NATS.

Requests are answered on the inbox that the caller names as the reply subject of the message; that subject is what
correlates a reply with its request. A reply with the header `Nats-Service-Error-Code` is an error: each operation lists
the errors that it can answer with beside its reply. A request can be repeated with the same `Nats-Msg-Id`: it is done
once, and each repeat gets the first reply.

Every change is published as a CloudEvent in binary mode (the attributes are headers that begin with `ce-`) on the
JetStream stream USERS_EVENTS, at least once, in order; `ce-id` tells a repeat.

Fields of the format `password` are secrets. Clients seal them for the service: `x-sealing` says how."""


def document() -> Document:
    """The whole contract. Equal input gives an equal document, byte for byte once written."""
    operations = list(OPERATIONS.values())
    channels: Document = {"reply": _reply_channel(operations)}
    actions: Document = {}
    messages: Document = {error_name(code): _error(code) for code in errors.BY_CODE}
    for operation in operations:
        channels[operation.id] = _address(operation) | {
            "title": operation.id,
            "messages": {"request": _ref("components", "messages", operation.id)},
        }
        actions[operation.id] = _answers(operation)
        messages[operation.id] = _request(operation)
    for name, operation in sorted({reply_name(each): each for each in operations}.items()):
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
    schemas = body_schemas.schemas() | header_schemas.schemas()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Denizen",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": access.SERVERS,
        "channels": channels,
        "operations": actions,
        "components": {
            "messages": messages,
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": access.SCHEMES,
            "correlationIds": {
                "commandId": {
                    "location": f"$message.header#/{h.COMMAND_ID}",
                    "description": "The same in each repeat of a command.",
                }
            },
        },
        "x-sealing": sealed.FORMAT,
    }


def error_name(code: str) -> str:
    """The name of an error's message: the events of the same name are messages too."""
    return errors.BY_CODE[code].__name__.removesuffix("Error") + "Error"


def reply_name(operation: Operation) -> str:
    """One body may be answered to back ends, with a log position in its headers, and to others, with an opaque one."""
    name = operation.reply.__name__
    return f"Opaque{name}" if _is_opaque(operation) and not name.startswith("Opaque") else name


def _is_opaque(operation: Operation) -> bool:
    return operation.kind in ("public", "self")


def _address(operation: Operation) -> Document:
    if operation.kind != "subscriber":
        return {"address": operation.subject}
    return {
        "address": operation.subject_of("{durable}"),
        "parameters": {"durable": {"description": "The subscriber's durable: 1 to 64 letters, digits, - and _."}},
    }


def _answers(operation: Operation) -> Document:
    ends = [reply_name(operation), *(error_name(code) for code in sorted(set(operation.codes)))]
    return {
        "action": "receive",
        "summary": operation.summary,
        "channel": _ref("channels", operation.id),
        "messages": [_ref("channels", operation.id, "messages", "request")],
        "security": [_ref("components", "securitySchemes", user) for user in access.users(operation)],
        "reply": {
            "channel": _ref("channels", "reply"),
            "address": {
                "location": "$message.header#/reply",
                "description": "The reply subject of the request, which is no header in NATS but a part of its own.",
            },
            "messages": [_ref("channels", "reply", "messages", end) for end in ends],
        },
    }


def _reply_channel(operations: list[Operation]) -> Document:
    names = {reply_name(operation) for operation in operations} | {error_name(code) for code in errors.BY_CODE}
    return {
        "address": None,
        "title": "Reply",
        "description": "The caller's inbox, which begins with _INBOX and the name of its NATS user.",
        "messages": {name: _ref("components", "messages", name) for name in sorted(names)},
    }


def _request(operation: Operation) -> Document:
    message: Document = {
        "name": operation.id,
        "title": operation.id,
        "headers": _ref("components", "schemas", header_schemas.request_headers_name(operation)),
        "payload": _ref("components", "schemas", operation.request.__name__),
        "examples": [examples.request(operation)],
    }
    if h.COMMAND_ID in header_schemas.request_headers(operation)["properties"]:
        message["correlationId"] = _ref("components", "correlationIds", "commandId")
    return message


def _reply(name: str, operation: Operation) -> Document:
    is_piece = operation.reply is m.ExportPiece
    headers = header_schemas.reply_headers_name(opaque=_is_opaque(operation), piece=is_piece)
    return {
        "name": name,
        "title": name,
        "payload": _ref("components", "schemas", operation.reply.__name__),
        "headers": _ref("components", "schemas", headers),
        "examples": [examples.reply(name, opaque=_is_opaque(operation))],
    } | ({"contentType": "application/octet-stream"} if is_piece else {})


def _error(code: str) -> Document:
    kind = errors.BY_CODE[code]
    return {
        "name": error_name(code),
        "title": code,
        "summary": " ".join((kind.__doc__ or "").split()),
        "headers": _ref("components", "schemas", "RefusalHeaders"),
        "payload": _ref("components", "schemas", "ErrorReply"),
        "examples": [examples.error(code)],
        "x-code": code,
        "x-number": kind.number,
    }


def _event(name: str) -> Document:
    return {
        "name": name,
        "title": name,
        "headers": _ref("components", "schemas", f"{name}Headers"),
        "payload": _ref("components", "schemas", "EventData"),
        "examples": [examples.event(name)],
    }


def _ref(*path: str) -> Document:
    return {"$ref": "#/" + "/".join(path)}


def text() -> str:
    """The document as the file holds it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
