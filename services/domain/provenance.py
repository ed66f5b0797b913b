"""Provenance: which facts of a user an import answers for, and which users or operators have changed since.

An import that is corrected may change the former. The latter are never undone.
"""

from dataclasses import dataclass, field

from services.domain.events import (
    AnyEvent,
    EmailChanged,
    EmailUnverified,
    EmailVerified,
    IdentityLinked,
    IdentityUnlinked,
    PasswordChanged,
    UserBlocked,
    UserCreated,
    UserDeactivated,
    UserReactivated,
    UserUnblocked,
    UserUpdated,
)

Fact = tuple[str, ...]
"""The name of a field; behind it the key of a section, or the provider and the id of an identity."""

_SECTIONS = frozenset({"profile", "metadata", "appMetadata", "externalId"})
"""Fields that an import merges also into users that it did not create."""
_STATUS = (UserBlocked, UserUnblocked, UserDeactivated, UserReactivated)


@dataclass(slots=True)
class Provenance:
    """What the events of a user's own stream say of who set which fact.

    Attributes:
        created: an import created the user.
        imported: an import has set something.
        changed: the facts that others have changed since.
        others: others have changed anything since.
    """

    created: bool = False
    imported: bool = False
    changed: set[Fact] = field(default_factory=set[Fact])
    others: bool = False

    def add(self, event: AnyEvent, *, by_import: bool) -> None:
        """Note the next event."""
        if by_import:
            self.imported = True
            self.created = self.created or isinstance(event, UserCreated)
        elif self.imported:
            self.others = True
            self.changed.update(_facts(event))

    def signed_in(self) -> None:
        """Note that the user has signed in: the password is proved to be theirs, whatever set it."""
        self.changed.add(("password",))

    def is_theirs(self, fact: Fact) -> bool:
        """Whether users or operators decided on a fact, so that an import must leave it alone."""
        return fact in self.changed or not (self.created or fact[0] in _SECTIONS)


def _facts(event: AnyEvent) -> list[Fact]:
    if isinstance(event, UserUpdated):
        sections = ("profile", event.profile), ("metadata", event.metadata), ("appMetadata", event.app_metadata)
        facts: list[Fact] = [(name, key) for name, section in sections for key in section]
        return facts if event.external_id is None else [*facts, ("externalId",)]
    if isinstance(event, _STATUS):
        return [("status",)]
    if isinstance(event, EmailVerified | EmailUnverified | EmailChanged):
        return [("emailVerified",)]
    if isinstance(event, IdentityLinked | IdentityUnlinked):
        return [("identities", event.provider, event.provider_id)]
    return [("password",)] if isinstance(event, PasswordChanged) else []
