"""The user, and the commands that change a user."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from denizen.messages.base import (
    Email,
    ExternalId,
    GuardedRequest,
    Message,
    Metadata,
    Name,
    OpaquePosition,
    Request,
    Secret,
    Status,
    UserRequest,
)
from denizen.messages.identities import Identity
from pydantic import StringConstraints

__all__ = [
    "BlockUser",
    "CommandReply",
    "CreateUser",
    "DeactivateUser",
    "DeleteMe",
    "DeleteUser",
    "Deleted",
    "OpaqueCommandReply",
    "OpaqueDeleted",
    "OpaqueRegisterReply",
    "Profile",
    "ProfileInput",
    "ReactivateUser",
    "Register",
    "RegisterReply",
    "UnblockUser",
    "UpdateMe",
    "UpdateUser",
    "User",
]


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


class CreateUser(Request):
    """`password` is a password, or `hashed:` and the hash of one in any format that `passwordHash` takes."""

    email: Email
    password: Secret | None = None
    password_hash: Secret | None = None
    """Modular crypt or PHC string, Django's, LDAP's; its cost is bounded."""
    email_verified: bool = False
    external_id: ExternalId | None = None
    profile: ProfileInput = ProfileInput()
    metadata: Metadata = {}
    app_metadata: Metadata = {}


class UpdateUser(UserRequest):
    """Absent fields stay. profile, metadata and appMetadata merge at their top level, where null removes a key."""

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


class Register(Request):
    """Self-registration. The address is to be verified."""

    email: Email
    password: Secret
    profile: ProfileInput = ProfileInput()


class DeleteUser(UserRequest):
    """Erases the user: data key, secrets, claims, sessions, stored replies."""


class UpdateMe(Request):
    profile: ProfileInput = ProfileInput()
    metadata: Metadata = {}


class DeleteMe(GuardedRequest):
    """Erases the user."""


class CommandReply(Message):
    """The user after the command, and where the log stood."""

    user: User
    version: int
    position: int


class RegisterReply(Message):
    """The user; in the discreet setting nothing, whether or not the address was free."""

    user: User | None = None
    version: int | None = None
    position: int | None = None


class Deleted(Message):
    """The user is gone."""

    user_id: str
    position: int


class OpaqueCommandReply(Message):
    """As CommandReply, for front ends and signed-in users."""

    user: User
    version: int
    position: OpaquePosition


class OpaqueRegisterReply(Message):
    """As RegisterReply, for front ends."""

    user: User | None = None
    version: int | None = None
    position: OpaquePosition | None = None


class OpaqueDeleted(Message):
    """As Deleted, for signed-in users."""

    user_id: str
    position: OpaquePosition
