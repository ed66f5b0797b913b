"""The events of a user, as the domain sees them, and their form in the log.

Each event says what of it is personal (`private`, stored encrypted), which fields it changed (`changed`, published;
never the keys of metadata), and which ids and reason codes are published with it (`named`).

Nobody changes one. That they are not frozen is for the time that takes: twice as much for each that is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from denizen.messages import Status

from services.eventstore.log.event import Event, Json, NewEvent

ERASED = "(erased)"
_IMPORTED = "imported"
PasswordReason = Literal["changed", "reset", "recovered"]
"""By the user himself, by an operator, by a token that was mailed."""


@dataclass(slots=True)
class _Event:
    """Nothing personal, nothing changed, nothing named."""

    def private(self) -> Json:
        return {}

    def changed(self) -> list[str]:
        return []

    def named(self) -> Json:
        return {}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        """The event that was stored. An erased user's has no personal data left."""
        return cls()


class _StatusEvent(_Event):
    __slots__ = ()

    def changed(self) -> list[str]:
        return ["status"]


# --- of the user's own stream -----------------------------------------------------------------------------------


@dataclass(slots=True)
class UserCreated(_Event):
    email: str
    email_key: str
    email_verified: bool
    external_id: str | None
    profile: Json
    metadata: Json
    app_metadata: Json
    created_at: str | None = None
    """RFC 3339: when, where another system made him; and when it changed him last."""
    imported: bool = False
    require_change: bool = False
    """He must change his password first."""
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
        external_id = self.external_id is not None
        return ["email", "status", *_names(self.profile, self.metadata, self.app_metadata, external_id)]

    def named(self) -> Json:
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


@dataclass(slots=True)
class UserUpdated(_Event):
    """What changed, and only that: a key of null was removed."""

    profile: Json
    metadata: Json
    app_metadata: Json
    external_id: tuple[str | None] | None
    """The new external id, in a tuple; None where it did not change."""

    def private(self) -> Json:
        sections = {"profile": self.profile, "metadata": self.metadata, "appMetadata": self.app_metadata}
        private: Json = {name: section for name, section in sections.items() if section}
        return private if self.external_id is None else private | {"externalId": self.external_id[0]}

    def changed(self) -> list[str]:
        return _names(self.profile, self.metadata, self.app_metadata, self.external_id is not None)

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        external_id = (private["externalId"],) if "externalId" in private else None
        return cls(private.get("profile", {}), private.get("metadata", {}), private.get("appMetadata", {}), external_id)


@dataclass(slots=True)
class UserBlocked(_StatusEvent):
    reason: str | None
    at: str | None = None
    """RFC 3339: when, where another system did it; here as in other events that an import makes."""

    def private(self) -> Json:
        return ({} if self.reason is None else {"reason": self.reason}) | _at(self.at)

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("reason"), private.get("at"))


@dataclass(slots=True)
class UserUnblocked(_StatusEvent):
    pass


@dataclass(slots=True)
class UserDeactivated(_StatusEvent):
    at: str | None = None

    def private(self) -> Json:
        return _at(self.at)

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("at"))


@dataclass(slots=True)
class UserReactivated(_StatusEvent):
    pass


@dataclass(slots=True)
class UserDeleted(_Event):
    pass


@dataclass(slots=True)
class EmailVerificationRequested(_Event):
    """A code was mailed: to the user's address, or to the one that is to replace it.

    Where it names the address that the user has, no code was mailed: it calls off a change to another address.
    """

    email: str | None
    email_key: str | None

    def private(self) -> Json:
        return {} if self.email is None else {"email": self.email, "emailKey": self.email_key}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("email"), private.get("emailKey"))


@dataclass(slots=True)
class EmailVerified(_Event):
    def changed(self) -> list[str]:
        return ["emailVerified", "status"]


@dataclass(slots=True)
class EmailChanged(_Event):
    """The new address is verified."""

    email: str
    email_key: str

    def private(self) -> Json:
        return {"email": self.email, "emailKey": self.email_key}

    def changed(self) -> list[str]:
        return ["email"]

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("email", ERASED), private.get("emailKey", ERASED))


@dataclass(slots=True)
class PasswordChanged(_Event):
    reason: PasswordReason
    require_change: bool

    def private(self) -> Json:
        return {"requireChange": True} if self.require_change else {}

    def changed(self) -> list[str]:
        return ["password", "passwordChangeRequired"] if self.require_change else ["password"]

    def named(self) -> Json:
        return {"reason": self.reason}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(public["reason"], private.get("requireChange", False))


@dataclass(slots=True)
class PasswordResetRequested(_Event):
    pass


@dataclass(slots=True)
class _IdentityEvent(_Event):
    provider: str
    provider_id: str

    def private(self) -> Json:
        return {"provider": self.provider, "providerId": self.provider_id}

    def changed(self) -> list[str]:
        return ["identities"]

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("provider", ERASED), private.get("providerId", ERASED))


@dataclass(slots=True)
class IdentityLinked(_IdentityEvent):
    at: str | None = None

    def private(self) -> Json:
        # super() without a class is broken by slots: dataclass makes the class anew.
        return _IdentityEvent.private(self) | _at(self.at)

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("provider", ERASED), private.get("providerId", ERASED), private.get("at"))


@dataclass(slots=True)
class IdentityUnlinked(_IdentityEvent):
    pass


# --- of the stream of his logins --------------------------------------------------------------------------------


@dataclass(slots=True)
class LoginSucceeded(_Event):
    session_id: str
    ip: str | None
    user_agent: str | None

    def private(self) -> Json:
        return _origin(self.ip, self.user_agent)

    def named(self) -> Json:
        return {"sessionId": self.session_id}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(public["sessionId"], private.get("ip"), private.get("userAgent"))


@dataclass(slots=True)
class LoginFailed(_Event):
    reason: str
    """The code of the refusal."""
    ip: str | None
    user_agent: str | None

    def private(self) -> Json:
        return _origin(self.ip, self.user_agent)

    def named(self) -> Json:
        return {"reason": self.reason}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(public["reason"], private.get("ip"), private.get("userAgent"))


@dataclass(slots=True)
class SessionsRevoked(_Event):
    session_id: str | None
    """None: all of them."""

    def named(self) -> Json:
        return {} if self.session_id is None else {"sessionId": self.session_id}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(public.get("sessionId"))


CredentialEvent = EmailVerificationRequested | EmailVerified | EmailChanged | PasswordChanged | PasswordResetRequested
UserEvent = (
    UserCreated
    | UserUpdated
    | UserBlocked
    | UserUnblocked
    | UserDeactivated
    | UserReactivated
    | UserDeleted
    | IdentityLinked
    | IdentityUnlinked
    | CredentialEvent
)
"""Events of a user's own stream, from which he is folded."""
LoginEvent = LoginSucceeded | LoginFailed | SessionsRevoked
"""Events of the stream beside it."""
AnyEvent = UserEvent | LoginEvent

SCHEMA_VERSION: Mapping[type[AnyEvent], int] = {
    UserCreated: 2,
    UserUpdated: 1,
    UserBlocked: 1,
    UserUnblocked: 1,
    UserDeactivated: 1,
    UserReactivated: 1,
    UserDeleted: 1,
    IdentityLinked: 1,
    IdentityUnlinked: 1,
    EmailVerificationRequested: 1,
    EmailVerified: 1,
    EmailChanged: 1,
    PasswordChanged: 1,
    PasswordResetRequested: 1,
    LoginSucceeded: 1,
    LoginFailed: 1,
    SessionsRevoked: 1,
}
"""The form that each type is written in today."""
_TYPES: Mapping[str, type[AnyEvent]] = {kind.__name__: kind for kind in SCHEMA_VERSION}


def encode(event: AnyEvent, user_id: str, version: int, status: Status) -> NewEvent:
    """The event as it is stored; `version` and `status` are the user's after it."""
    kind = type(event)
    public: Json = {"userId": user_id, "version": version, "status": status, "changed": event.changed()}
    public.update(event.named())
    return NewEvent(kind.__name__, SCHEMA_VERSION[kind], public, event.private() or None)


def decode(event: Event) -> AnyEvent:
    """The event that was stored."""
    if event.type not in _TYPES:
        raise ValueError(f"event {event.event_id} has a type that this version does not know: {event.type}")
    return _TYPES[event.type].read(event.private or {}, event.public)


def _names(profile: Json, metadata: Json, app_metadata: Json, external_id: bool) -> list[str]:
    names = [f"profile.{name}" for name in profile]
    if metadata:
        names.append("metadata")
    if app_metadata:
        names.append("appMetadata")
    if external_id:
        names.append("externalId")
    return names


def _at(at: str | None) -> Json:
    return {} if at is None else {"at": at}


def _origin(ip: str | None, user_agent: str | None) -> Json:
    facts = {"ip": ip, "userAgent": user_agent}
    return {name: value for name, value in facts.items() if value is not None}
