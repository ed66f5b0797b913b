"""Decisions on a user's creation, blocks, deactivations and deletion."""

from typing import Any

from denizen import messages as m

from services.domain import fields, refusals
from services.domain.commands import EndBlock, ImportUser, TellOwner
from services.domain.decision import Decision, Facts
from services.domain.events import (
    EmailVerificationRequested,
    IdentityLinked,
    UserBlocked,
    UserCreated,
    UserDeactivated,
    UserDeleted,
    UserReactivated,
    UserUnblocked,
)
from services.domain.user import UserAggregate
from services.domain.values import merge, rfc3339


def create(_: None, command: m.CreateUser, __: Facts) -> Decision:
    """Create the user. The claim on the address is checked when the event is stored."""
    return [_created(command)]


def register(owner: UserAggregate | None, command: m.Register | TellOwner, facts: Facts) -> Decision:
    """Create the user. In the discreet setting, where a code was drawn, it is mailed at once: the caller is not told
    that the address was free, and so cannot ask for it.

    Where the address is taken, its owner is told by a mail, which goes out with an append of no events.
    """
    if isinstance(command, TellOwner):
        return refusals.user_not_found() if owner is None else []
    profile = command.profile.model_dump(by_alias=True, exclude_unset=True)
    created = UserCreated(command.email, fields.email_key(command.email), False, None, merge({}, profile), {}, {})
    return [created, EmailVerificationRequested(None, None)] if facts.drawn else [created]


def import_user(command: ImportUser) -> Decision:
    """Create the user as another system had them, with the identities, the block and the deactivation they had."""
    row = command.user
    known = row.updated_at
    """All that there is, happened by then."""
    linked = [IdentityLinked(each.provider, each.provider_id, each.linked_at or known) for each in row.identities]
    block = UserBlocked(None, row.blocked_at or known, row.blocked_until)
    blocked = [block] if row.status == "BLOCKED" or row.blocked_at else []
    deactivated = [UserDeactivated(known)] if row.status == "DEACTIVATED" else []
    created = _created(
        row,
        created_at=row.created_at,
        updated_at=row.updated_at,
        imported=True,
        require_change=row.password_change_required,
    )
    return [created, *linked, *blocked, *deactivated]


def block(user: UserAggregate, command: m.BlockUser, _: Facts) -> Decision:
    """Blocking a user who was deactivated after an earlier block blocks them again, and so does another end."""
    end = user.blocked_until and rfc3339(user.blocked_until)
    is_there = user.status == "BLOCKED" and command.until == end
    return [] if is_there else [UserBlocked(command.reason, until=command.until)]


def unblock(user: UserAggregate, command: m.UnblockUser | EndBlock, _: Facts) -> Decision:
    if isinstance(command, EndBlock):
        return [UserUnblocked(ended=True)] if user.blocked_until == command.until else []
    return [UserUnblocked()] if "BLOCKED" in user.holds else refusals.not_blocked()


def deactivate(user: UserAggregate, _: m.DeactivateUser, __: Facts) -> Decision:
    return [] if user.status == "DEACTIVATED" else [UserDeactivated()]


def reactivate(user: UserAggregate, _: m.ReactivateUser, __: Facts) -> Decision:
    return [UserReactivated()] if "DEACTIVATED" in user.holds else refusals.not_deactivated()


def delete(_: UserAggregate, __: m.DeleteUser, ___: Facts) -> Decision:
    return [UserDeleted()]


def _created(command: m.CreateUser, **imported: Any) -> UserCreated:
    """`imported`: what only an import can say."""
    return UserCreated(
        email=command.email,
        email_key=fields.email_key(command.email),
        email_verified=command.email_verified,
        external_id=command.external_id,
        profile=merge({}, command.profile.model_dump(by_alias=True, exclude_unset=True)),
        metadata=merge({}, command.metadata),
        app_metadata=merge({}, command.app_metadata),
        **imported,
    )
