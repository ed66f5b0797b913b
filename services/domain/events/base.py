"""The base class of events: its private part, its published part, and the changes that it makes."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from services.domain.user import UserAggregate
from services.domain.values import Json

ERASED = "(erased)"
"""Stands for personal data that cannot be read any more, because the user was erased."""


@dataclass(slots=True)
class DomainEvent:
    """An event without personal data that changes nothing; each kind overrides what is different for it.

    No event is changed once it is made. They are not frozen, because a frozen one takes twice as long to make.

    Attributes:
        schema_version: of the form in which events of this kind are stored today (services/domain/upcasting.py).
        is_shown: whether the document that queries show changes with it.
    """

    schema_version: ClassVar[int] = 1
    is_shown: ClassVar[bool] = True

    def private(self) -> Json:
        """The personal data in it, stored encrypted under the user's own key."""
        return {}

    def changed(self) -> list[str]:
        """Names of the fields that it changed. They are published; never a key of metadata."""
        return []

    def published(self) -> Json:
        """The ids and reason codes that are published with it."""
        return {}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        """The event of a stored one; that of an erased user has no personal data left."""
        return cls()

    def happened(self, recorded: datetime) -> datetime:
        """When it happened. For what an import took over, that is when it happened in the other system."""
        return recorded

    def change(self, user: UserAggregate, at: datetime) -> None:
        """Change the user that commands are decided on, whose version is that of the event already.

        `at`: when it happened.
        """

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        """Change the top level of the document that queries show, from what is stored of the event.

        `at`: when it happened.
        """


@dataclass(slots=True)
class StatusEvent(DomainEvent):
    """An event that changes the user's status."""

    def changed(self) -> list[str]:
        return ["status"]


def field_names(profile: Json, metadata: Json, app_metadata: Json, *, external_id: bool) -> list[str]:
    """The published names of the fields that were set."""
    names = [f"profile.{name}" for name in profile]
    if metadata:
        names.append("metadata")
    if app_metadata:
        names.append("appMetadata")
    if external_id:
        names.append("externalId")
    return names


def imported_at(at: str | None) -> Json:
    """The private field with the time at which something happened in the system that the user was imported from."""
    return {} if at is None else {"at": at}
