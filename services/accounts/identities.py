"""Decisions on the accounts at other providers that are linked to a user."""

from collections.abc import Callable
from typing import Any

from denizen import messages as m

from services.accounts.decision import Decision, Facts
from services.accounts.events import IdentityLinked, IdentityUnlinked
from services.accounts.user import User
from services.domain.refusals import Refusal

_MOST = 64
"""Of one user."""


def _link(user: User, command: m.LinkIdentity, _: Facts) -> Decision:
    """Twice is harmless. Whether another user has it, the claim tells."""
    if _has(user, command):
        return []
    if len(user.identities) >= _MOST:
        return Refusal("validation_failed", f"a user has at most {_MOST} identities", field="provider")
    return [IdentityLinked(command.provider, command.provider_id)]


def _unlink(user: User, command: m.UnlinkIdentity, _: Facts) -> Decision:
    if not _has(user, command):
        return Refusal("identity_not_found", "the user has no such identity", field="providerId")
    return [IdentityUnlinked(command.provider, command.provider_id)]


def _has(user: User, command: m.LinkIdentity | m.UnlinkIdentity) -> bool:
    wanted = command.provider, command.provider_id
    return any((each.provider, each.provider_id) == wanted for each in user.identities)


DECISIONS: dict[type[Any], Callable[[User, Any, Facts], Decision]] = {
    m.LinkIdentity: _link,
    m.UnlinkIdentity: _unlink,
}
