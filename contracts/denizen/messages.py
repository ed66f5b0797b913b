"""The bodies of requests and replies: JSON in UTF-8, camelCase (design section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from pydantic.alias_generators import to_camel

Status = Literal["ACTIVE", "PENDING_VERIFICATION", "BLOCKED", "DEACTIVATED"]
UserId = Annotated[str, StringConstraints(pattern=r"^user_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
"""TypeID: `user_` and the base32 of a UUIDv7."""
Email = Annotated[str, StringConstraints(min_length=3, max_length=254)]
"""An address as written (RFC 5321: at most 254 octets); the service checks its form."""
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Name = Annotated[str, StringConstraints(max_length=256)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=4096)]
"""A password, code or token; or `sealed:<keyId>:<base64url>`, the same sealed for the service (`denizen.sealing`)."""
SessionId = Annotated[str, StringConstraints(pattern=r"^sess_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
"""TypeID: `sess_` and the base32 of a UUIDv7."""
Ip = Annotated[str, StringConstraints(min_length=2, max_length=45)]
"""An IPv4 or IPv6 address, as the front end saw it."""
UserAgent = Annotated[str, StringConstraints(max_length=512)]
RFC3339 = r"^\d{4}-\d\d-\d\d[Tt][0-9:.]{8,16}([Zz]|[+-]\d\d:\d\d)$"
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


class Register(Request):
    """Self-registration. The address is to be verified."""

    email: Email
    password: Secret
    profile: ProfileInput = ProfileInput()


class ChangeEmail(UserRequest):
    """Sends a code to the new address; VerifyEmail with it makes the address the user's, and the old one is told."""

    email: Email


class SendVerificationEmail(UserRequest):
    """Sends a code to the address that is to be verified: the new one where ChangeEmail named one."""


class VerifyEmail(UserRequest):
    code: Secret


class ChangePassword(UserRequest):
    current_password: Secret
    new_password: Secret


class ResetPassword(UserRequest):
    """An operator sets the password. Never unblocks."""

    password: Secret
    require_change: bool = False
    """Who signs in with it is refused with `password_change_required` until ChangePassword."""


class SendPasswordResetEmail(Request):
    """The answer does not tell whether anybody has the address."""

    email: Email


class ConfirmPasswordReset(Request):
    token: Secret
    password: Secret


class DeleteUser(UserRequest):
    """Erases the user: data key, secrets, claims, sessions, stored replies."""


class Authenticate(Request):
    """Sign in by password."""

    email: Email
    password: Secret
    ip: Ip | None = None
    user_agent: UserAgent | None = None


class RefreshSession(Request):
    """A refresh token can be used once; using it again ends the session."""

    refresh_token: Secret


class RevokeSession(UserRequest):
    session_id: SessionId


class RevokeSessions(UserRequest):
    """Ends every session of a user."""


Provider = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""`google`, `github`, `saml-acme`: a name of your choice."""
ProviderId = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class LinkIdentity(UserRequest):
    provider: Provider
    provider_id: ProviderId
    """Who the user is there."""
    access_token: Secret | None = None
    """As on the product page; it is not kept, for Denizen asks providers nothing."""


class UnlinkIdentity(UserRequest):
    provider: Provider
    provider_id: ProviderId


class LinkedIdentity(Request):
    provider: Provider
    provider_id: ProviderId


class ImportedUser(CreateUser):
    """A row of an import: a user as he was in another system."""

    id: UserId | None = None
    """Of an export of Denizen's: kept where no user has it or ever had it."""
    status: Status | None = None
    """BLOCKED and DEACTIVATED are taken over; the rest follows from `emailVerified`."""
    password_change_required: bool = False
    created_at: Annotated[str, StringConstraints(pattern=RFC3339)] | None = None
    identities: Annotated[list[LinkedIdentity], Field(max_length=64)] = []


ImportId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
OnConflict = Literal["fail", "skip", "update"]


class ImportUsers(Request):
    """Rows of an import, or a chunk of one. A row that cannot be taken stops no other."""

    users: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1000)]
    """Each as `ImportedUser`."""
    import_id: ImportId | None = None
    """Of the job that the chunk belongs to."""
    chunk: Annotated[int, Field(ge=0, lt=10_000_000)] | None = None
    """A chunk that is repeated within 24 h changes nothing, and gets the same answer."""
    dry_run: bool = False
    """Check the rows, and change nothing."""
    on_conflict: OnConflict = "fail"
    """What becomes of a row whose e-mail address or external id is somebody's: refused, left as it is, or merged into
    that user's profile, metadata and appMetadata (by e-mail address)."""


# --- commands of a signed-in user: who he is comes from his access token alone ------------------------------------


class UpdateMe(Request):
    profile: ProfileInput = ProfileInput()
    metadata: Metadata = {}


class ChangeMyEmail(Request):
    email: Email
    current_password: Secret | None = None
    """Needed where the user has a password: a stolen session must not move the account to another address."""


class ChangeMyPassword(Request):
    current_password: Secret
    new_password: Secret


class LinkMyIdentity(Request):
    provider: Provider
    provider_id: ProviderId
    access_token: Secret | None = None


class UnlinkMyIdentity(Request):
    provider: Provider
    provider_id: ProviderId


class RevokeMySession(Request):
    session_id: SessionId


class LogOut(Request):
    """Ends the session of the access token."""


class DeleteMe(Request):
    """Erases the user."""


class CommandReply(Message):
    """The user after the command, and where the log stood."""

    user: User
    version: int
    position: int


class ErrorBody(Message):
    code: str
    message: str
    field: str | None = None
    details: list[Any] = []


class ImportedRow(Message):
    """What became of a row."""

    index: int
    """In `users`, from 0."""
    status: Literal["created", "updated", "skipped", "failed"]
    user_id: str | None = None
    error: ErrorBody | None = None


class ImportReply(Message):
    """What became of the rows; in a dry run, what would."""

    success: int
    failed: int
    results: tuple[ImportedRow, ...]


class ExportPiece(Message):
    """A piece of a file: its octets are the body as it is, and no JSON object."""


class ImportProgress(Message):
    """How far an import is."""

    import_id: str
    chunks: tuple[tuple[int, int], ...]
    """Ranges of the chunks that are done, first and last."""
    created: int
    updated: int
    skipped: int
    failed: int


class Deleted(Message):
    """The user is gone."""

    user_id: str
    position: int


class Accepted(Message):
    """The same whatever came of it: it tells nobody whether an address is known."""


class RegisterReply(Message):
    """The user; in the discreet setting nothing, whether or not the address was free."""

    user: User | None = None
    version: int | None = None
    position: int | None = None


class SignedIn(Message):
    """A session and its tokens."""

    access_token: Annotated[str, Field(repr=False)]
    """JWT, Ed25519: `sub` is the user, `sid` the session."""
    refresh_token: Annotated[str, Field(repr=False)]
    expires_in: int
    """Seconds that the access token lives."""
    session_id: str
    user: User


# --- queries ----------------------------------------------------------------------------------------------------


class GetUser(UserRequest):
    as_of: (
        Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d[Tt][0-9:.]{8,16}([Zz]|[+-]\d\d:\d\d)$")] | None
    ) = None
    """The user as he was at this time (RFC 3339)."""


class GetUserByEmail(Request):
    email: Email


class GetUserByExternalId(Request):
    external_id: ExternalId


Sort = Literal["-createdAt", "createdAt", "email", "-email", "name", "-name"]
"""`-`: descending. `name` is the display name, else first and last name; who has none comes last."""


class ListUsers(Request):
    """A page of users. Pages that follow `nextCursor` show each user that stays exactly once, whoever comes or goes."""

    count: Annotated[int, Field(ge=1, le=500)] = 50
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Users to skip; not together with `cursor`."""
    cursor: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,2048}$")] | None = None
    """`nextCursor` of the page before, which was asked for with the same sort, search and status."""
    status: Status | None = None
    search: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    """Words, at most 8, each of them part of the e-mail address or of a name, whatever its case and accents; one or two
    letters begin a word there. Who has exactly this address or external id comes first."""
    sort: Sort = "-createdAt"


class ListSessions(UserRequest):
    """Newest first."""


class ListMySessions(Request):
    """Newest first."""


class GetMe(Request):
    pass


class ListIdentities(UserRequest):
    """In the order in which they were linked."""


class ListMyIdentities(Request):
    pass


class GetUserHistory(UserRequest):
    """Newest first."""

    count: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")] | None = None
    """`nextCursor` of the page before."""


class ExportFilter(Request):
    status: Status | None = None
    created_after: Annotated[str, StringConstraints(pattern=RFC3339)] | None = None
    """Then or later."""
    created_before: Annotated[str, StringConstraints(pattern=RFC3339)] | None = None


class ExportUsers(Request):
    """All users that match, as they were at one position of the log, which every piece names.

    The answer is a piece of the file. Its header `Denizen-Export` names the subject on which the next one is asked for
    by `{"piece": 1}` and so on; the piece that has no such header is the last. A piece can be asked for twice.
    """

    format: Literal["csv", "jsonl", "json"] = "jsonl"
    fields: Annotated[list[Annotated[str, StringConstraints(max_length=300)]], Field(max_length=64)] = []
    """`id`, `email`, `profile`, `profile.firstName`, `metadata.plan`, ...; none: all of the user."""
    filter: ExportFilter = ExportFilter()
    raw: bool = False
    """CSV: cells that a spreadsheet would take for formulas stay as they are; else a `'` goes before them."""


class ExportUsersWithHashes(ExportUsers):
    """As ExportUsers; the field `passwordHash` can be asked for. Only the NATS user `operator` may ask."""


class ImportStatus(Request):
    import_id: ImportId


class GetLoginHistory(UserRequest):
    """Newest first."""

    count: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")] | None = None
    """`nextCursor` of the page before."""


class GetMyLoginHistory(Request):
    count: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")] | None = None


class VerifyToken(Request):
    """Is an access token good, and its session still alive?"""

    token: Secret


class GetJwks(Request):
    """The keys that access tokens are signed with (RFC 7517)."""


class GetSealingKey(Request):
    """The key that secrets in requests are sealed for."""


class Session(Message):
    """Where somebody is signed in."""

    id: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    ip: str | None = None
    user_agent: str | None = None
    current: bool = False
    """The session of the access token that asks."""


class SessionList(Message):
    """The live sessions of a user; iterates over `data`."""

    data: tuple[Session, ...]

    def __iter__(self) -> Iterator[Session]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


class IdentityList(Message):
    """The linked identities of a user; iterates over `data`."""

    data: tuple[Identity, ...]

    def __iter__(self) -> Iterator[Identity]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


class FieldChange(Message):
    """What became of a field. A field that was or is absent is null."""

    field: str
    """Dotted: `email`, `profile.firstName`, `metadata.plan`."""
    old: Any = None
    new: Any = None


class UserChange(Message):
    """An event of a user: what changed, when, by whom."""

    position: int
    time: datetime
    type: str
    actor: str | None = None
    command_id: str | None = None
    changes: tuple[FieldChange, ...] = ()
    reason: str | None = None
    """Of a block, where one was given; of a new password, how it came about."""


class UserHistory(Message):
    """The events of a user, newest first; iterates over `data`."""

    data: tuple[UserChange, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[UserChange]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


class Login(Message):
    """An attempt to sign in."""

    time: datetime
    outcome: str
    """`succeeded`, or the code of the refusal."""
    ip: str | None = None
    user_agent: str | None = None


class LoginHistory(Message):
    """Attempts to sign in, newest first; iterates over `data`."""

    data: tuple[Login, ...]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[Login]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


class TokenFacts(Message):
    """Whom an access token stands for."""

    user_id: str
    session_id: str
    expires_at: datetime


class Jwk(Message):
    """An Ed25519 public key (RFC 8037)."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class Jwks(Message):
    keys: tuple[Jwk, ...]


class SealingKey(Message):
    key_id: str
    public_key: str
    """X25519, 32 octets, base64url without padding."""


class UserList(Message):
    """A page of users; iterates over `data`."""

    data: tuple[User, ...]
    total: int
    """How many there are on all pages."""
    total_is_estimate: bool = False
    """A search found more than 10,000: `total` is then about how many."""
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[User]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


# --- refusals and events ----------------------------------------------------------------------------------------


class ErrorReply(Message):
    error: ErrorBody


EventType = Literal[
    "UserCreated",
    "UserUpdated",
    "EmailChanged",
    "EmailVerificationRequested",
    "EmailVerified",
    "PasswordChanged",
    "PasswordResetRequested",
    "UserBlocked",
    "UserUnblocked",
    "UserDeactivated",
    "UserReactivated",
    "UserDeleted",
    "IdentityLinked",
    "IdentityUnlinked",
    "LoginSucceeded",
    "LoginFailed",
    "SessionsRevoked",
]


class EventData(Message):
    """The body of a published event: thin, so that no stream ever holds personal data."""

    user_id: str
    version: int
    """The user's version after the event."""
    status: Status
    changed: tuple[str, ...] = ()
    """Names of the fields that changed, dotted: `profile.firstName`, `metadata`."""
    session_id: str | None = None
    """LoginSucceeded: the session that began. SessionsRevoked: the one that ended; absent where all did."""
    reason: str | None = None
    """LoginFailed: the code of the refusal. PasswordChanged: `changed`, `reset` (by an operator) or `recovered`.
    UserCreated: `imported` where an import made him: he needs no welcome."""
