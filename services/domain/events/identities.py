"""Events of the accounts at other providers that are linked to a user."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from services.domain.events.base import ERASED, DomainEvent, imported_at
from services.domain.user import UserAggregate, UserIdentity
from services.domain.values import Json

__all__ = ["IdentityLinked", "IdentityUnlinked", "LinkEvent"]


@dataclass(slots=True)
class IdentityEvent(DomainEvent):
    """An event of one such account."""

    provider: str
    provider_id: str

    def private(self) -> Json:
        return {"provider": self.provider, "providerId": self.provider_id}

    def changed(self) -> list[str]:
        return ["identities"]

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("provider", ERASED), private.get("providerId", ERASED))

    def others(self, user: UserAggregate) -> tuple[UserIdentity, ...]:
        """The user's identities without this one."""
        named = self.provider, self.provider_id
        return tuple(each for each in user.identities if (each.provider, each.provider_id) != named)


@dataclass(slots=True)
class IdentityLinked(IdentityEvent):
    """An account at another provider was linked to the user.

    Attributes:
        at: RFC 3339; when another system linked that of an imported user.
    """

    at: str | None = None

    def private(self) -> Json:
        # super() without a class is broken by slots: dataclass makes the class again.
        return IdentityEvent.private(self) | imported_at(self.at)

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("provider", ERASED), private.get("providerId", ERASED), private.get("at"))

    def happened(self, recorded: datetime) -> datetime:
        return recorded if self.at is None else datetime.fromisoformat(self.at)

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.identities = (*self.others(user), UserIdentity(self.provider, self.provider_id, at))

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        linked = {"provider": private.get("provider"), "providerId": private.get("providerId"), "linkedAt": at}
        document["identities"] = [*document["identities"], linked]


@dataclass(slots=True)
class IdentityUnlinked(IdentityEvent):
    """An account at another provider was unlinked from the user."""

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.identities = self.others(user)

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        document["identities"] = [each for each in document["identities"] if not private.items() <= each.items()]


LinkEvent = IdentityLinked | IdentityUnlinked
"""The events of linked accounts."""
