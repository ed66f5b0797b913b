"""The bodies of requests and replies: JSON in UTF-8, camelCase (design section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

Status = Literal["ACTIVE", "PENDING_VERIFICATION", "BLOCKED", "DEACTIVATED"]
UserId = Annotated[str, StringConstraints(pattern=r"^user_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
"""TypeID: `user_` and the base32 of a UUIDv7."""
Email = Annotated[str, StringConstraints(min_length=3, max_length=254)]
"""An address as written (RFC 5321: at most 254 octets); the service checks its form."""
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Name = Annotated[str, StringConstraints(max_length=256)]
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


class UserRequest(Request):
    """A request about one user."""

    user_id: UserId


# --- the user ---------------------------------------------------------------------------------------------------


class Profile(Message):
    """The seed's profile table. In an update, a field sent as null is removed."""

    first_name: Name | None = None
    last_name: Name | None = None
    display_name: Name | None = None
    picture: Annotated[str, StringConstraints(max_length=2048)] | None = None
    """An http or https URL."""
    locale: Annotated[str, StringConstraints(max_length=64)] | None = None
    """BCP 47 language tag."""
    timezone: Annotated[str, StringConstraints(max_length=64)] | None = None
    """IANA time zone name."""


class ProfileInput(Profile, Request):
    """A profile in a request: no other fields than these."""


class Identity(Message):
    """An account at another provider that is linked to the user."""

    provider: str
    provider_id: str
    linked_at: datetime


class User(Message):
    """A user as Denizen shows it. A command does not read the login figures: in its reply the three are null."""

    id: str
    external_id: str | None = None
    email: str
    email_verified: bool
    status: Status
    profile: Profile = Profile()
    metadata: Metadata = {}
    app_metadata: Metadata = {}
    identities: tuple[Identity, ...] = ()
    password_change_required: bool = False
    login_count: int | None = None
    last_login_at: datetime | None = None
    last_login_ip: str | None = None
    created_at: datetime
    updated_at: datetime
    blocked_at: datetime | None = None
    version: int


# --- commands ---------------------------------------------------------------------------------------------------


class CreateUser(Request):
    email: Email
    email_verified: bool = False
    external_id: ExternalId | None = None
    profile: ProfileInput = ProfileInput()
    metadata: Metadata = {}
    app_metadata: Metadata = {}


class UpdateUser(UserRequest):
    """What is absent stays; profile, metadata and appMetadata merge at their top level, where null removes a key."""

    profile: ProfileInput = ProfileInput()
    metadata: Metadata = {}
    app_metadata: Metadata = {}
    external_id: ExternalId | None = None
    """Null removes it."""


class BlockUser(UserRequest):
    reason: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = None
    """For the user's history; it is kept encrypted and never published."""


class UnblockUser(UserRequest):
    pass


class DeactivateUser(UserRequest):
    pass


class ReactivateUser(UserRequest):
    pass


class CommandReply(Message):
    """The user after the command, and where the log stood."""

    user: User
    version: int
    position: int


# --- queries ----------------------------------------------------------------------------------------------------


class GetUser(UserRequest):
    pass


class GetUserByEmail(Request):
    email: Email


class GetUserByExternalId(Request):
    external_id: ExternalId


class ListUsers(Request):
    """Newest first."""

    count: Annotated[int, Field(ge=1, le=500)] = 50
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    status: Status | None = None


class UserList(Message):
    """A page of users; iterates over `data`."""

    data: tuple[User, ...]
    total: int
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[User]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


# --- refusals and events ----------------------------------------------------------------------------------------


class ErrorBody(Message):
    code: str
    message: str
    field: str | None = None
    details: list[Any] = []


class ErrorReply(Message):
    error: ErrorBody


EventType = Literal["UserCreated", "UserUpdated", "UserBlocked", "UserUnblocked", "UserDeactivated", "UserReactivated"]


class EventData(Message):
    """The body of a published event: thin, so that no stream ever holds personal data."""

    user_id: str
    version: int
    """The user's version after the event."""
    status: Status
    changed: tuple[str, ...] = ()
    """Names of the fields that changed, dotted: `profile.firstName`, `metadata`."""
