"""The headers of requests, replies and events, as schemas with names."""

from typing import get_args

from denizen import headers
from denizen import messages as m
from denizen.operations import OPERATIONS, Operation

from services.domain.values import Json

_TEXT: Json = {"type": "string"}
_POSITION: Json = {"type": "string", "pattern": "^[0-9]+$", "description": "A position of the log."}
_OPAQUE_POSITION: Json = {
    "type": "string",
    "pattern": f"^{headers.OPAQUE_POSITION_FORM}$",
    "description": "A position of the log, encrypted: it tells front ends and users nothing.",
}
_TRACE: Json = {"type": "string", "description": "W3C trace context."}
_DEADLINE: Json = {
    "type": "string",
    "format": "date-time",
    "description": "A request not started by then is refused with deadline_exceeded, never run late.",
}
_CONDITIONS: Json = {
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
_BEARER: Json = {
    headers.AUTHORIZATION: {"type": "string", "description": "`Bearer <access token>`: whose request it is."}
}
_REPLY_KEY: Json = {
    headers.REPLY_KEY: {
        "type": "string",
        "description": "An X25519 public key of this request's own, 32 octets in base64url without padding: the reply "
        "is a sealed box for it, with the header Denizen-Sealed-Reply and with its own headers inside. Pages in "
        "browsers must send one, because they may hear the replies to each other; others need none.",
    }
}
_SEALED_REPLY: Json = {
    headers.SEALED_REPLY: {
        "type": "string",
        "description": "`1` where the request named a Denizen-Reply-Key: the body is a sealed box of the reply.",
    }
}
_PROOF: Json = {
    headers.AUTHORIZATION: {
        "type": "string",
        "description": "`Bearer <access token>` of an earlier session of this user, which may have expired or ended: "
        "with it the user gets in while others guess the password.",
    }
}
_MIN_POSITION: Json = {
    headers.MIN_POSITION: {
        "anyOf": [_POSITION, _OPAQUE_POSITION, {"type": "string", "const": headers.LATEST}],
        "description": "Wait until this position is applied, else stale_read; latest: what is committed when the query "
        "arrives. On users.v1.self.* a number is taken for latest.",
    }
}
_NEXT_PIECE: Json = {
    headers.EXPORT: {
        "type": "string",
        "description": 'The subject on which the next piece is asked for, by `{"piece": 1}` and so on. The last piece '
        "does not have it.",
    }
}
EVENT_HEADERS: Json = {
    "ce-specversion": {"type": "string", "const": "1.0"},
    "ce-datacontenttype": {"type": "string", "const": "application/json"},
    "ce-id": _TEXT,
    "ce-source": _TEXT,
    "ce-subject": {"type": "string", "description": "The user's id."},
    "ce-time": {"type": "string", "format": "date-time"},
    "ce-sequence": _POSITION,
    headers.COMMAND_ID: {"type": "string", "description": "The event id, as in ce-id: consumers dedupe by it."},
    headers.TRACEPARENT: _TRACE,
    headers.CE_TRACEPARENT: _TRACE,
}


def request_headers_name(operation: Operation) -> str:
    """The name of the schema of a request's headers: operations of one kind share it."""
    if operation.kind == "subscriber":
        return "SubscriberHeaders"
    kind = {"public": "Public", "self": "Self"}.get(operation.kind, "")
    if operation.name == "Authenticate":
        return f"{kind}SignInHeaders"
    return f"{kind}{'Query' if operation.reads else 'Command'}Headers"


def request_headers(operation: Operation) -> Json:
    """The headers that a request can have, as a schema."""
    properties: Json = {} if operation.kind != "self" else dict(_BEARER)
    if operation.kind != "subscriber":
        properties |= _REPLY_KEY | (_MIN_POSITION if operation.reads else _CONDITIONS)
    if operation.name == "Authenticate":
        properties |= _PROOF
    if operation.kind in ("self", "public"):
        properties.pop(headers.ACTOR, None)  # The actor is the user of the token, or there is none.
    properties = properties | {headers.DEADLINE: _DEADLINE, headers.TRACEPARENT: _TRACE}
    schema = _headers(request_headers_name(operation), properties)
    return schema | ({"required": [headers.AUTHORIZATION]} if operation.kind == "self" else {})


def reply_headers_name(*, opaque: bool, piece: bool) -> str:
    """The name of the schema of a reply's headers."""
    if piece:
        return "ExportPieceHeaders"
    return "OpaqueReplyHeaders" if opaque else "ReplyHeaders"


def schemas() -> Json:
    """The schemas of all headers, by name."""
    found = {request_headers_name(operation): request_headers(operation) for operation in OPERATIONS.values()}
    position = {headers.POSITION: _POSITION}
    found["ReplyHeaders"] = _headers("ReplyHeaders", position | _SEALED_REPLY)
    found["OpaqueReplyHeaders"] = _headers("OpaqueReplyHeaders", {headers.POSITION: _OPAQUE_POSITION} | _SEALED_REPLY)
    found["ExportPieceHeaders"] = _headers("ExportPieceHeaders", position | _NEXT_PIECE)
    found["RefusalHeaders"] = _headers(
        "RefusalHeaders",
        {
            headers.SERVICE_ERROR: {"type": "string", "description": "The message of the error (NATS ADR-32)."},
            headers.SERVICE_ERROR_CODE: {
                "type": "string",
                "pattern": "^[0-9]{3}$",
                "description": "The number of the error (NATS ADR-32). A reply with this header is an error.",
            },
        },
    ) | {"required": [headers.SERVICE_ERROR, headers.SERVICE_ERROR_CODE]}
    return found | {f"{name}Headers": _event_headers(name) for name in get_args(m.EventType)}


def _event_headers(name: str) -> Json:
    properties = {"ce-type": {"type": "string", "const": f"users.v1.{name}"}} | EVENT_HEADERS
    always = sorted(set(properties) - {headers.TRACEPARENT, headers.CE_TRACEPARENT})
    return _headers(f"{name}Headers", properties) | {"required": always}


def _headers(name: str, properties: Json) -> Json:
    return {"title": name, "type": "object", "properties": properties}
