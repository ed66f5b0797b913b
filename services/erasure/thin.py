"""Is the body of an event as thin as the contract has it: ids, status, names of fields, reasons, and nothing else?"""

import re
from collections.abc import Iterator
from typing import Any, get_args

from denizen.errors import BY_CODE
from denizen.messages import EventData, Profile, Status, User

from services.domain.values import Json

_SESSION = re.compile(r"sess_[0-7][0-9a-hjkmnp-tv-z]{25}")
_STATUSES = get_args(Status)
_REASONS = {*BY_CODE, "changed", "reset", "recovered", "imported", "ended"}


def _aliases(model: type[Any]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


_KEYS = _aliases(EventData)
_CHANGED = {*_aliases(User), "password", *(f"profile.{name}" for name in _aliases(Profile))}


def faults(body: Json | None, user_id: str) -> Iterator[str]:
    """The faults of a body: what it holds and must not. Values are not quoted."""
    if body is None:
        yield "the body is no object"
        return
    for name, value in body.items():
        if name not in _KEYS:
            yield "the body has a field that the contract does not name"
        elif not _is_thin(name, value, user_id):
            yield f"{name} is not what the contract has there"


def _is_thin(name: str, value: Any, user_id: str) -> bool:
    match name:
        case "userId":
            return bool(value == user_id)
        case "version":
            return type(value) is int
        case "status":
            return value in _STATUSES
        case "changed":
            return isinstance(value, list) and all(isinstance(each, str) and each in _CHANGED for each in value)  # pyright: ignore[reportUnknownVariableType]
        case "sessionId":
            return isinstance(value, str) and _SESSION.fullmatch(value) is not None
        case _:
            return isinstance(value, str) and value in _REASONS
