"""Parsed requests: the operation, the caller, the conditions."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import uuid_utils
from denizen import headers as h
from denizen.messages import Request
from denizen.messages.base import RFC3339
from denizen.operations import Operation
from pydantic import ValidationError

from services.domain import refusals
from services.endpoint import strict_json
from services.platform import faults

_COMMAND_ID = re.compile(h.COMMAND_ID_FORM)
_NUMBER = re.compile(r"[0-9]{1,18}")
_POSITION = re.compile(rf"{_NUMBER.pattern}|{h.LATEST}|{h.OPAQUE_POSITION_FORM}")
_ACTOR = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_RFC3339 = re.compile(RFC3339)

R = TypeVar("R", bound=Request)


@dataclass(slots=True, eq=False)
class Call:
    """One request.

    Attributes:
        command_id: the caller's, else a fresh one.
        repeatable: the caller named the id, so its outcome is kept.
        expected_version: the user's version that the caller has seen.
        deadline: seconds since 1970.
        min_position: for a query: what must be applied first.
        opaque_position: the same as an opaque position, until it is opened.
        latest: for a query: all that is committed when it arrives must be applied first.
        known: for a query: the user was there a moment ago, so a projection that lacks them is behind.
        reply_to: a subject in `_INBOX.`.
        authorization: the header of that name, as it was sent.
        body: as it was parsed, where the command is repeatable.
        digest: of what is asked, made from the body (services/accounts/fingerprint.py).
        seal: makes positions opaque, for callers that must not learn them.
        opened: its sealed secrets that were opened, so that none is opened twice; None: none yet.
        reply_key: for which its reply is sealed.
        durable: of a subscriber, who may publish to the subjects that end with it.
        compared: since when (time.monotonic) a password was compared for it: its refusal must not tell by its time what
            the comparison cost.
    """

    operation: Operation
    request: Request
    reply_to: str
    command_id: str
    repeatable: bool
    expected_version: int | None
    deadline: float | None
    actor: str | None
    traceparent: str | None
    min_position: int = 0
    authorization: str | None = field(default=None, repr=False)
    body: dict[str, Any] | None = field(default=None, repr=False)
    digest: bytes | None = None
    opened: dict[str, str] | None = field(default=None, repr=False)
    opaque_position: str | None = None
    latest: bool = False
    known: bool = False
    seal: Callable[[int], str] | None = None
    reply_key: bytes | None = None
    durable: str = ""
    compared: float | None = None

    @property
    def key(self) -> str:
        """The key under which its outcome is kept, so that no caller learns by an id how another one was answered.

        That of a back end is the command id alone; whether it is a repeat of the same command, the outcome tells.
        """
        match self.operation.kind:
            case "self":
                return f"self/{self.actor}/{self.operation.name}/{self.command_id}"
            case "public":
                return f"public/{self.operation.name}/{self.command_id}"
            case _:
                return self.command_id

    @property
    def is_opaque(self) -> bool:
        """Whether its caller sees opaque positions: a front end, for itself or for a user."""
        return self.operation.kind in ("public", "self")

    def shown(self, position: int) -> int | str:
        """A position of the log as its caller may see it: a number would show front ends and users what others do."""
        if not self.is_opaque:
            return position
        if self.seal is None:
            raise RuntimeError("this call may not name a position")
        return self.seal(position)

    def metadata(self) -> dict[str, str]:
        """The metadata of its events."""
        result = {"commandId": self.key}
        if self.actor is not None:
            result["actor"] = self.actor
        if self.traceparent is not None:
            result["traceparent"] = self.traceparent
        return result

    def check_deadline(self) -> None:
        """Raises Refusal: `deadline_exceeded`."""
        if self.deadline is not None and time.time() > self.deadline:
            raise refusals.deadline_exceeded()


def understand(operation: Operation, reply_to: str, headers: Mapping[str, str] | None, data: bytes) -> Call:
    """Raises Refusal: `malformed_message`, `validation_failed` or `deadline_exceeded`."""
    headers = headers or {}
    command_id = _header(headers, h.COMMAND_ID, _COMMAND_ID, "1 to 128 visible ASCII characters")
    expected = _header(headers, h.EXPECTED_VERSION, _NUMBER, "a whole number")
    deadline = headers.get(h.DEADLINE)
    actor = _header(headers, h.ACTOR, _ACTOR, "1 to 256 characters without control characters")
    traceparent = headers.get(h.TRACEPARENT)
    position = _header(headers, h.MIN_POSITION, _POSITION, "a position that a reply named, or latest")
    body = strict_json.parse(data, operation.octets)
    call = Call(
        operation=operation,
        request=understand_body(operation.request, body),
        reply_to=reply_to,
        command_id=command_id or str(uuid_utils.uuid7()),
        repeatable=command_id is not None,
        expected_version=None if expected is None else int(expected),
        deadline=None if deadline is None else _seconds(deadline),
        # A caller that is not signed in is no actor, whatever a front end says: it would forge the history.
        actor=None if operation.kind == "public" else actor,
        # W3C Trace Context: an invalid one is ignored, never an error.
        traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
        authorization=headers.get(h.AUTHORIZATION),
        body=None if command_id is None else body,
    )
    if position is not None:
        _demand(call, position)
    call.check_deadline()
    return call


def _demand(call: Call, position: str) -> None:
    """Note which position the call demands."""
    if position.startswith("-"):
        call.opaque_position = position
    elif position == h.LATEST or call.operation.kind == "self":
        # A number that a user demands would tell, by being waited for or not, how far the log is.
        call.latest = True
    else:
        call.min_position = int(position)


def _header(headers: Mapping[str, str], name: str, pattern: re.Pattern[str], form: str) -> str | None:
    value = headers.get(name)
    if value is not None and not pattern.fullmatch(value):
        raise refusals.invalid(f"the header {name} must be {form}", name)
    return value


def _seconds(deadline: str) -> float:
    try:
        if _RFC3339.fullmatch(deadline):
            return datetime.fromisoformat(deadline.upper()).timestamp()
    except ValueError:
        pass
    raise refusals.invalid(f"the header {h.DEADLINE} must be a time as in RFC 3339", h.DEADLINE)


def understand_body(model: type[R], body: dict[str, Any]) -> R:
    """The request that a body holds. Raises Refusal: `validation_failed`."""
    try:
        # Strict: "true" is not true. By alias alone: `email_verified` is an unknown field.
        return model.model_validate(body, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        # Without input: a body that fails for one field still holds the others, secrets too.
        found = [
            {"field": ".".join(map(str, fault["loc"]))[:128], "message": faults.message(fault)}
            for fault in error.errors(include_input=False, include_url=False)[:20]
        ]
    raise refusals.invalid_fields(found)
