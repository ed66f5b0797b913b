"""The event that changes a user's profile, metadata and external id."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from services.domain.events.base import DomainEvent, field_names
from services.domain.user import UserAggregate
from services.domain.values import Json, merge

__all__ = ["ProfileEvent", "UserUpdated"]

_SECTIONS = ("profile", "metadata", "appMetadata")


@dataclass(slots=True)
class UserUpdated(DomainEvent):
    """The profile, metadata or external id changed. The event holds what changed; a key of null was removed.

    Attributes:
        external_id: the new external id, in a tuple; None where it did not change.
    """

    profile: Json
    metadata: Json
    app_metadata: Json
    external_id: tuple[str | None] | None

    def private(self) -> Json:
        sections = {"profile": self.profile, "metadata": self.metadata, "appMetadata": self.app_metadata}
        private: Json = {name: section for name, section in sections.items() if section}
        return private if self.external_id is None else private | {"externalId": self.external_id[0]}

    def changed(self) -> list[str]:
        has_external_id = self.external_id is not None
        return field_names(self.profile, self.metadata, self.app_metadata, external_id=has_external_id)

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        external_id = (private["externalId"],) if "externalId" in private else None
        return cls(private.get("profile", {}), private.get("metadata", {}), private.get("appMetadata", {}), external_id)

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.profile = merge(user.profile, self.profile)
        user.metadata = merge(user.metadata, self.metadata)
        user.app_metadata = merge(user.app_metadata, self.app_metadata)
        if self.external_id is not None:
            user.external_id = self.external_id[0]

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        for section in _SECTIONS:
            document[section] = merge(document[section], private.get(section, {}))
        document["externalId"] = private.get("externalId", document["externalId"])


ProfileEvent = UserUpdated
"""The events of the profile."""
