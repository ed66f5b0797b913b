"""Base of all bodies, and the kinds of fields that more than one noun has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, LiteralString, get_args

from denizen.headers import OPAQUE_POSITION_FORM
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, SecretStr, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

__all__ = [
    "Email",
    "ErrorBody",
    "ErrorReply",
    "ExternalId",
    "GuardedRequest",
    "Message",
    "Metadata",
    "Name",
    "Request",
    "Search",
    "Secret",
    "SessionId",
    "Status",
    "Time",
    "UserId",
    "UserRequest",
]


@dataclass(frozen=True, slots=True)
class Otherwise:
    """The message for a value that does not match its pattern, instead of the regular expression."""

    message: LiteralString

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.custom_error_schema(
            handler(source), custom_error_type="form", custom_error_message=self.message
        )


Status = Literal["ACTIVE", "PENDING_VERIFICATION", "BLOCKED", "DEACTIVATED"]
UserId = Annotated[
    str,
    StringConstraints(pattern=r"^user_[0-7][0-9a-hjkmnp-tv-z]{25}$"),
    Otherwise("not a user id: user_ and 26 letters and digits"),
]
"""TypeID: `user_` and the base32 of a UUIDv7."""
Email = Annotated[str, StringConstraints(min_length=3, max_length=254)]
"""An address as written (RFC 5321: at most 254 octets); the service checks its form."""
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Name = Annotated[str, StringConstraints(max_length=256)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=4096)]
"""A password, code or token; or `sealed:<keyId>:<base64url>`, the same sealed for the service (`denizen.sealing`)."""
SessionId = Annotated[
    str,
    StringConstraints(pattern=r"^sess_[0-7][0-9a-hjkmnp-tv-z]{25}$"),
    Otherwise("not a session id: sess_ and 26 letters and digits"),
]
"""TypeID: `sess_` and the base32 of a UUIDv7."""
RFC3339 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
"""Regular expression of a time (RFC 3339, section 5.6), in Rust's, Python's and ECMAScript's form."""
Time = Annotated[
    str,
    StringConstraints(pattern=RFC3339),
    Otherwise("not a time as in RFC 3339"),
]
"""RFC 3339; of nine digits of a second's fraction, six are kept."""
OpaquePosition = Annotated[
    str,
    StringConstraints(pattern=f"^{OPAQUE_POSITION_FORM}$"),
    Otherwise("not a position or nextCursor that this service gave out"),
]
"""A log position, encrypted, for `Denizen-Min-Position`: a number that grows would tell what others do."""
Search = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Metadata = dict[str, Any]
"""Free JSON, at most 16 KiB, 8 levels deep."""


class Message(BaseModel):
    """Base of all bodies. Fields are camelCase on the wire, snake_case in Python."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True, hide_input_in_errors=True
    )


class Request(Message):
    """A request's body; a field that it does not name is refused."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def secrets(cls) -> set[str]:
        """Names, as on the wire, of the fields that hold a secret: clients seal them."""
        return {field.alias or name for name, field in cls.model_fields.items() if _is_secret(field.annotation)}


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


class UserRequest(Request):
    """A request about one user."""

    user_id: UserId


class GuardedRequest(Request):
    """A request of a signed-in user that a stolen access token must not do.

    It is refused with `forbidden` where the session did not begin within the last 10 minutes (a setting of the
    service) and the password is not given: ask the user for it, or let them sign in again.
    """

    current_password: Secret | None = None


class ErrorBody(Message):
    code: str
    message: str
    field: str | None = None
    details: list[Any] = []


class ErrorReply(Message):
    error: ErrorBody
