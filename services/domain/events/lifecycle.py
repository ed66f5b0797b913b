"""Events from a user's creation to the deletion: created, blocked, deactivated, and back."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from denizen.messages import Status

from services.domain.events.base import ERASED, DomainEvent, StatusEvent, field_names, imported_at
from services.domain.user import Hold, UserAggregate
from services.domain.values import Json

__all__ = [
    "LifecycleEvent",
    "UserBlocked",
    "UserCorrected",
    "UserCreated",
    "UserDeactivated",
    "UserDeleted",
    "UserReactivated",
    "UserUnblocked",
]

_IMPORTED = "imported"
_ENDED = "ended"


@dataclass(slots=True)
class UserCreated(DomainEvent):
    """The user was created, by a command, a registration or an import.

    Attributes:
        created_at, updated_at: RFC 3339; when another system created and last changed an imported user.
        require_change: the user must change the password before the first sign-in.
    """

    schema_version: ClassVar[int] = 2

    email: str
    email_key: str
    email_verified: bool
    external_id: str | None
    profile: Json
    metadata: Json
    app_metadata: Json
    created_at: str | None = None
    imported: bool = False
    require_change: bool = False
    updated_at: str | None = None

    def private(self) -> Json:
        private: Json = {
            "email": self.email,
            "emailKey": self.email_key,
            "emailVerified": self.email_verified,
            "externalId": self.external_id,
            "profile": self.profile,
            "metadata": self.metadata,
            "appMetadata": self.app_metadata,
        }
        if self.created_at is not None:
            private["createdAt"] = self.created_at
        if self.updated_at is not None:
            private["updatedAt"] = self.updated_at
        if self.require_change:
            private["requireChange"] = True
        return private

    def changed(self) -> list[str]:
        has_external_id = self.external_id is not None
        names = field_names(self.profile, self.metadata, self.app_metadata, external_id=has_external_id)
        return ["email", "status", *names]

    def published(self) -> Json:
        return {"reason": _IMPORTED} if self.imported else {}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(
            private.get("email", ERASED),
            private.get("emailKey", ERASED),
            private.get("emailVerified", False),
            private.get("externalId"),
            private.get("profile", {}),
            private.get("metadata", {}),
            private.get("appMetadata", {}),
            private.get("createdAt"),
            public.get("reason") == _IMPORTED,
            private.get("requireChange", False),
            private.get("updatedAt"),
        )

    def user(self, user_id: str, at: datetime) -> UserAggregate:
        """The user who begins with it."""
        return UserAggregate(
            id=user_id,
            email=self.email,
            email_key=self.email_key,
            email_verified=self.email_verified,
            external_id=self.external_id,
            profile=self.profile,
            metadata=self.metadata,
            app_metadata=self.app_metadata,
            holds=(),
            created_at=at if self.created_at is None else datetime.fromisoformat(self.created_at),
            updated_at=at if self.updated_at is None else datetime.fromisoformat(self.updated_at),
            blocked_at=None,
            version=1,
            recorded_at=at,
            password_change_required=self.require_change,
        )

    @staticmethod
    def document(user_id: str, status: Status, private: Json, at: str) -> Json:
        """The document that begins with it, from what is stored of the event."""
        return {
            "id": user_id,
            "externalId": private.get("externalId"),
            "email": private.get("email", ""),
            "emailVerified": private.get("emailVerified", False),
            "status": status,
            "profile": private.get("profile", {}),
            "metadata": private.get("metadata", {}),
            "appMetadata": private.get("appMetadata", {}),
            "identities": [],
            "passwordChangeRequired": private.get("requireChange", False),
            "loginCount": 0,
            "lastLoginAt": None,
            "lastLoginIp": None,
            "createdAt": private.get("createdAt", at),
            "updatedAt": private.get("updatedAt", at),
            "blockedAt": None,
            "blockedUntil": None,
            "version": 1,
        }


@dataclass(slots=True)
class UserCorrected(DomainEvent):
    """An import corrected dates of an imported user, or whether they must change the password.

    Attributes:
        created_at, updated_at: RFC 3339; None where the date stays. `updated_at` holds after this event too.
        require_change: the user must change the password before the next sign-in; None where that stays.
    """

    created_at: str | None
    updated_at: str | None
    require_change: bool | None

    def private(self) -> Json:
        given = {"createdAt": self.created_at, "updatedAt": self.updated_at, "requireChange": self.require_change}
        return {name: value for name, value in given.items() if value is not None}

    def changed(self) -> list[str]:
        given = {
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "passwordChangeRequired": self.require_change,
        }
        return [name for name, value in given.items() if value is not None]

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("createdAt"), private.get("updatedAt"), private.get("requireChange"))

    def change(self, user: UserAggregate, at: datetime) -> None:
        if self.created_at is not None:
            user.created_at = datetime.fromisoformat(self.created_at)
        if self.updated_at is not None:
            user.updated_at = datetime.fromisoformat(self.updated_at)
        if self.require_change is not None:
            user.password_change_required = self.require_change

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        for field in ("createdAt", "updatedAt"):
            document[field] = private.get(field, document[field])
        document["passwordChangeRequired"] = private.get("requireChange", document["passwordChangeRequired"])


@dataclass(slots=True)
class UserBlocked(StatusEvent):
    """The user cannot sign in until the block ends or an operator unblocks them.

    Attributes:
        at: RFC 3339; when another system blocked an imported user.
        until: RFC 3339; when the block ends by itself.
    """

    schema_version: ClassVar[int] = 2

    reason: str | None
    at: str | None = None
    until: str | None = None

    def private(self) -> Json:
        given = {"reason": self.reason, "at": self.at, "until": self.until}
        return {name: value for name, value in given.items() if value is not None}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("reason"), private.get("at"), private.get("until"))

    def happened(self, recorded: datetime) -> datetime:
        return recorded if self.at is None else datetime.fromisoformat(self.at)

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.cancel_email_change()
        user.holds = (*_without(user.holds, "BLOCKED"), "BLOCKED")
        user.blocked_at = at
        user.blocked_until = None if self.until is None else datetime.fromisoformat(self.until)

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        document["blockedAt"] = at
        document["blockedUntil"] = private.get("until")


@dataclass(slots=True)
class UserUnblocked(StatusEvent):
    """The block was removed, and the user has their earlier status again.

    Attributes:
        ended: the block had an end, which has come.
    """

    ended: bool = False

    def published(self) -> Json:
        return {"reason": _ENDED} if self.ended else {}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(public.get("reason") == _ENDED)

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.holds = _without(user.holds, "BLOCKED")
        user.blocked_at = user.blocked_until = None

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        document["blockedAt"] = document["blockedUntil"] = None


@dataclass(slots=True)
class UserDeactivated(StatusEvent):
    """The user cannot sign in until they are reactivated.

    Attributes:
        at: RFC 3339; when another system deactivated an imported user.
    """

    at: str | None = None

    def private(self) -> Json:
        return imported_at(self.at)

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("at"))

    def happened(self, recorded: datetime) -> datetime:
        return recorded if self.at is None else datetime.fromisoformat(self.at)

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.cancel_email_change()
        user.holds = (*_without(user.holds, "DEACTIVATED"), "DEACTIVATED")


@dataclass(slots=True)
class UserReactivated(StatusEvent):
    """The user was reactivated, and has their earlier status again."""

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.holds = _without(user.holds, "DEACTIVATED")


@dataclass(slots=True)
class UserDeleted(DomainEvent):
    """The user was deleted, and their personal data erased. No event of the user follows it."""


def _without(holds: tuple[Hold, ...], hold: Hold) -> tuple[Hold, ...]:
    return tuple(each for each in holds if each != hold)


LifecycleEvent = (
    UserCreated | UserCorrected | UserBlocked | UserUnblocked | UserDeactivated | UserReactivated | UserDeleted
)
"""The events of the life of a user."""
