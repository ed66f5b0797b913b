"""Decisions on the accounts at other providers that are linked to a user."""

from denizen import messages as m

from services.domain import refusals
from services.domain.decision import Decision, Facts
from services.domain.events import IdentityLinked, IdentityUnlinked
from services.domain.user import UserAggregate

MOST_IDENTITIES = 64
"""Of one user."""


def link(user: UserAggregate, command: m.LinkIdentity, _: Facts) -> Decision:
    """Link an identity; again is harmless. The claim on the identity is checked when the event is stored."""
    if _has(user, command):
        return []
    if len(user.identities) >= MOST_IDENTITIES:
        return refusals.too_many_identities(MOST_IDENTITIES)
    return [IdentityLinked(command.provider, command.provider_id)]


def unlink(user: UserAggregate, command: m.UnlinkIdentity, _: Facts) -> Decision:
    if not _has(user, command):
        return refusals.identity_not_found()
    return [IdentityUnlinked(command.provider, command.provider_id)]


def _has(user: UserAggregate, command: m.LinkIdentity | m.UnlinkIdentity) -> bool:
    wanted = command.provider, command.provider_id
    return any((each.provider, each.provider_id) == wanted for each in user.identities)
