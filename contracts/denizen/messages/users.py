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
    Time,
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
    """Names, picture, language and time zone of a user. In an update, a field sent as null is removed."""

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
    """The id that your own system gave the user. No two users have the same."""
    email: str
    email_verified: bool
    """The user has proved that they read the mailbox, or a back end said so."""
    status: Status
    """Only an `ACTIVE` user can sign in."""
    profile: Profile = Profile()
    metadata: Metadata = {}
    """Free JSON, at most 16 KiB. The user may change it too."""
    app_metadata: Metadata = {}
    """Free JSON, at most 16 KiB. Only back ends change it."""
    identities: tuple[Identity, ...] = ()
    password_change_required: bool = False
    """The user must set another password before the next sign-in."""
    login_count: int | None = None
    """How often the user has signed in."""
    last_login_at: datetime | None = None
    last_login_ip: str | None = None
    created_at: datetime
    updated_at: datetime
    blocked_at: datetime | None = None
    """When the user was blocked; null for a user who is not."""
    blocked_until: datetime | None = None
    """When the block ends by itself; null for a user who is not blocked, or whose block has no end."""
    version: int
    """The number of events on the user, for `Denizen-Expected-Version`; sign-ins do not count."""


class CreateUser(Request):
    """`password` is a password, or `hashed:` and the hash of one in any format that `passwordHash` takes."""

    email: Email
    password: Secret | None = None
    password_hash: Secret | None = None
    """Modular crypt or PHC string, Django's, LDAP's; its cost is bounded."""
    email_verified: bool = False
    """Without it the user is `PENDING_VERIFICATION`, and can sign in once the address is verified."""
    external_id: ExternalId | None = None
    """The id that your own system gave the user. No two users have the same."""
    profile: ProfileInput = ProfileInput()
    metadata: Metadata = {}
    """Free JSON, at most 16 KiB. The user may change it too."""
    app_metadata: Metadata = {}
    """Free JSON, at most 16 KiB. Only back ends change it."""


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
    until: Time | None = None
    """When the block ends by itself, at most five seconds late; by default only UnblockUser ends it. The latest
    BlockUser counts: it may move the end of an earlier block, or take it away."""


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
    """The user's version after the command."""
    position: int
    """A query with this `Denizen-Min-Position` shows what the command did."""


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
