"""A user: the state that commands are decided on, folded from his events."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from denizen.messages import Status

from services.accounts.events import (
    CredentialEvent,
    EmailChanged,
    EmailVerificationRequested,
    EmailVerified,
    IdentityLinked,
    IdentityUnlinked,
    PasswordChanged,
    PasswordResetRequested,
    UserBlocked,
    UserCreated,
    UserDeactivated,
    UserDeleted,
    UserEvent,
    UserReactivated,
    UserUnblocked,
    UserUpdated,
)
from services.eventstore.log.event import Json
from services.eventstore.log.store import Claim

Hold = Literal["BLOCKED", "DEACTIVATED"]


@dataclass(frozen=True, slots=True)
class Identity:
    """An account at another provider."""

    provider: str
    provider_id: str
    linked_at: datetime

    @property
    def claim(self) -> Claim:
        """Providers have no NUL in their names."""
        return ("identity", f"{self.provider}\0{self.provider_id}")

    def body(self) -> Json:
        return {"provider": self.provider, "providerId": self.provider_id, "linkedAt": rfc3339(self.linked_at)}


@dataclass(slots=True)  # Nobody changes one; frozen, it would take twice as long to make.
class User:
    """The fields of the contract's user that the write side knows.

    Attributes:
        holds: what keeps him out, the newest last; taking one away returns him to what he was.
        wanted_email: the address, and its key, that replaces his once he has verified it.
        password_version: the version at which his password was set (or could have been, at his creation); what was
            proved by a password that was read before then is proved no more.
        recorded_at: when the last event was; `updated_at` of who was imported may be earlier.
        code_version, token_version: likewise of the verification code and the reset token that were mailed last.
    """

    id: str
    email: str
    email_key: str
    email_verified: bool
    external_id: str | None
    profile: Json
    metadata: Json
    app_metadata: Json
    holds: tuple[Hold, ...]
    created_at: datetime
    updated_at: datetime
    blocked_at: datetime | None
    version: int
    recorded_at: datetime
    wanted_email: tuple[str, str] | None = None
    identities: tuple[Identity, ...] = ()
    password_change_required: bool = False
    password_version: int = 1
    code_version: int = 1
    token_version: int = 1

    @property
    def status(self) -> Status:
        if self.holds:
            return self.holds[-1]
        return "ACTIVE" if self.email_verified else "PENDING_VERIFICATION"

    def claims(self) -> frozenset[Claim]:
        """What nobody else may hold while he exists."""
        claims: list[Claim] = [("email", self.email_key)]
        if self.external_id is not None:
            claims.append(("externalId", self.external_id))
        return frozenset([*claims, *(each.claim for each in self.identities)] if self.identities else claims)

    def body(self) -> Json:
        """The user as JSON. The login figures are null: they are the read side's."""
        return {
            "id": self.id,
            "externalId": self.external_id,
            "email": self.email,
            "emailVerified": self.email_verified,
            "status": self.status,
            "profile": self.profile,
            "metadata": self.metadata,
            "appMetadata": self.app_metadata,
            "identities": [identity.body() for identity in self.identities],
            "passwordChangeRequired": self.password_change_required,
            "loginCount": None,
            "lastLoginAt": None,
            "lastLoginIp": None,
            "createdAt": rfc3339(self.created_at),
            "updatedAt": rfc3339(self.updated_at),
            "blockedAt": self.blocked_at and rfc3339(self.blocked_at),
            "version": self.version,
        }


def evolve(user: User | None, event: UserEvent, user_id: str, at: datetime) -> User | None:
    """The user after an event; None where he is deleted."""
    if isinstance(event, UserCreated):
        return User(
            id=user_id,
            email=event.email,
            email_key=event.email_key,
            email_verified=event.email_verified,
            external_id=event.external_id,
            profile=event.profile,
            metadata=event.metadata,
            app_metadata=event.app_metadata,
            holds=(),
            created_at=at if event.created_at is None else datetime.fromisoformat(event.created_at),
            updated_at=at if event.updated_at is None else datetime.fromisoformat(event.updated_at),
            blocked_at=None,
            version=1,
            recorded_at=at,
            password_change_required=event.require_change,
        )
    if user is None:
        raise ValueError(f"the stream of {user_id} does not begin with UserCreated")
    happened = _happened(event, at)
    user = replace(user, version=user.version + 1, updated_at=max(user.updated_at, happened), recorded_at=at)
    match event:
        case UserUpdated():
            return _updated(user, event)
        case UserDeleted():
            return None
        case IdentityLinked() | IdentityUnlinked():
            return replace(user, identities=_identities(user, event, happened))
        case UserBlocked() | UserUnblocked() | UserDeactivated() | UserReactivated():
            return _evolve_status(user, event, happened)
        case _:
            return _evolve_credentials(user, event)


def _updated(user: User, event: UserUpdated) -> User:
    return replace(
        user,
        profile=merge(user.profile, event.profile),
        metadata=merge(user.metadata, event.metadata),
        app_metadata=merge(user.app_metadata, event.app_metadata),
        external_id=user.external_id if event.external_id is None else event.external_id[0],
    )


def _happened(event: UserEvent, at: datetime) -> datetime:
    """When: as another system says, of what an import took over."""
    said = event.at if isinstance(event, UserBlocked | UserDeactivated | IdentityLinked) else None
    return at if said is None else datetime.fromisoformat(said)


def _evolve_status(
    user: User, event: UserBlocked | UserUnblocked | UserDeactivated | UserReactivated, at: datetime
) -> User:
    match event:
        case UserBlocked():
            return replace(_staying(user), holds=(*_without(user.holds, "BLOCKED"), "BLOCKED"), blocked_at=at)
        case UserUnblocked():
            return replace(user, holds=_without(user.holds, "BLOCKED"), blocked_at=None)
        case UserDeactivated():
            return replace(_staying(user), holds=(*_without(user.holds, "DEACTIVATED"), "DEACTIVATED"))
        case UserReactivated():
            return replace(user, holds=_without(user.holds, "DEACTIVATED"))


def _evolve_credentials(user: User, event: CredentialEvent) -> User:
    version = user.version
    match event:
        case EmailVerificationRequested():
            return replace(user, wanted_email=_wanted(user, event), code_version=version)
        case EmailVerified():
            return replace(user, email_verified=True, code_version=version)
        case EmailChanged():
            # What was mailed to the old address proves nothing about the new one.
            return replace(
                user,
                email=event.email,
                email_key=event.email_key,
                wanted_email=None,
                code_version=version,
                token_version=version,
            )
        case PasswordChanged():
            return replace(
                _staying(user),
                password_change_required=event.require_change,
                password_version=version,
                token_version=version,
            )
        case PasswordResetRequested():
            return replace(user, token_version=version)


def _wanted(user: User, event: EmailVerificationRequested) -> tuple[str, str] | None:
    """The user's own address calls off a change to another one."""
    if event.email is None:
        return user.wanted_email
    return None if event.email == user.email else (event.email, event.email_key or "")


def _staying(user: User) -> User:
    """Without the address that he wanted: who asked for it may be a thief, and the owner has just put him out."""
    return user if user.wanted_email is None else replace(user, wanted_email=None, code_version=user.version)


def merge(old: Json, new: Json) -> Json:
    """`new` over `old`, at the top level; null removes a key."""
    merged = old | new
    return {key: value for key, value in merged.items() if value is not None} if None in merged.values() else merged


def rfc3339(at: datetime) -> str:
    """Time in UTC, always with microseconds, so that texts sort as times do."""
    return at.astimezone(UTC).isoformat("T", "microseconds")[:-6] + "Z"


def _identities(user: User, event: IdentityLinked | IdentityUnlinked, at: datetime) -> tuple[Identity, ...]:
    changed = Identity(event.provider, event.provider_id, at)
    others = tuple(each for each in user.identities if each.claim != changed.claim)
    return (*others, changed) if isinstance(event, IdentityLinked) else others


def _without(holds: tuple[Hold, ...], hold: Hold) -> tuple[Hold, ...]:
    return tuple(each for each in holds if each != hold)
