"""The events of a user, as the domain sees them, and their form in the log."""

from collections.abc import Mapping
from dataclasses import dataclass

from denizen.messages import Status

from services.eventstore.event import Event, Json, NewEvent

ERASED = "(erased)"


@dataclass(frozen=True, slots=True)
class UserCreated:
    email: str
    email_key: str
    email_verified: bool
    external_id: str | None
    profile: Json
    metadata: Json
    app_metadata: Json


@dataclass(frozen=True, slots=True)
class UserUpdated:
    """What changed, and only that: a key of null was removed."""

    profile: Json
    metadata: Json
    app_metadata: Json
    external_id: tuple[str | None] | None
    """The new external id, in a tuple; None where it did not change."""


@dataclass(frozen=True, slots=True)
class UserBlocked:
    reason: str | None


@dataclass(frozen=True, slots=True)
class UserUnblocked:
    pass


@dataclass(frozen=True, slots=True)
class UserDeactivated:
    pass


@dataclass(frozen=True, slots=True)
class UserReactivated:
    pass


UserEvent = UserCreated | UserUpdated | UserBlocked | UserUnblocked | UserDeactivated | UserReactivated

SCHEMA_VERSION: Mapping[type[UserEvent], int] = {
    UserCreated: 1,
    UserUpdated: 1,
    UserBlocked: 1,
    UserUnblocked: 1,
    UserDeactivated: 1,
    UserReactivated: 1,
}
"""The form that each type is written in today."""


def encode(event: UserEvent, user_id: str, version: int, status: Status) -> NewEvent:
    """The event as it is stored; `version` and `status` are the user's after it."""
    private, changed = _private(event)
    public: Json = {"userId": user_id, "version": version, "status": status, "changed": changed}
    return NewEvent(type(event).__name__, SCHEMA_VERSION[type(event)], public, private)


def _private(event: UserEvent) -> tuple[Json | None, list[str]]:
    """The personal data of an event, and the names of the fields that it changed (never the keys of metadata)."""
    match event:
        case UserCreated():
            private: Json = {
                "email": event.email,
                "emailKey": event.email_key,
                "emailVerified": event.email_verified,
                "externalId": event.external_id,
                "profile": event.profile,
                "metadata": event.metadata,
                "appMetadata": event.app_metadata,
            }
            external_id = event.external_id is not None
            return private, ["email", "status", *_names(event.profile, event.metadata, event.app_metadata, external_id)]
        case UserUpdated():
            sections = {"profile": event.profile, "metadata": event.metadata, "appMetadata": event.app_metadata}
            private = {name: section for name, section in sections.items() if section}
            if event.external_id is not None:
                private["externalId"] = event.external_id[0]
            return private, _names(event.profile, event.metadata, event.app_metadata, event.external_id is not None)
        case UserBlocked():
            return {"reason": event.reason} if event.reason is not None else None, ["status"]
        case UserUnblocked() | UserDeactivated() | UserReactivated():
            return None, ["status"]


def _names(profile: Json, metadata: Json, app_metadata: Json, external_id: bool) -> list[str]:
    names = [f"profile.{name}" for name in profile]
    flags = {"metadata": bool(metadata), "appMetadata": bool(app_metadata), "externalId": external_id}
    return names + [name for name, changed in flags.items() if changed]


def decode(event: Event) -> UserEvent:
    """The event that was stored. An erased user's has no personal data left."""
    private: Json = event.private or {}
    match event.type:
        case "UserCreated":
            return UserCreated(
                private.get("email", ERASED),
                private.get("emailKey", ERASED),
                private.get("emailVerified", False),
                private.get("externalId"),
                private.get("profile", {}),
                private.get("metadata", {}),
                private.get("appMetadata", {}),
            )
        case "UserUpdated":
            external_id = (private["externalId"],) if "externalId" in private else None
            return UserUpdated(
                private.get("profile", {}), private.get("metadata", {}), private.get("appMetadata", {}), external_id
            )
        case "UserBlocked":
            return UserBlocked(private.get("reason"))
        case "UserUnblocked":
            return UserUnblocked()
        case "UserDeactivated":
            return UserDeactivated()
        case "UserReactivated":
            return UserReactivated()
        case unknown:
            raise ValueError(f"event {event.event_id} has a type that this version does not know: {unknown}")
