"""What a command does to a user: events, none, or a refusal. No I/O, no clock, no chance."""

from collections.abc import Callable
from typing import Any

import orjson
from denizen import messages as m

from services.accounts import credentials, identities, limits
from services.accounts.decision import NOTHING, Command, Decision, Facts, ImportUser, RecoverPassword, no_user
from services.accounts.events import (
    EmailVerificationRequested,
    IdentityLinked,
    UserBlocked,
    UserCreated,
    UserDeactivated,
    UserDeleted,
    UserReactivated,
    UserUnblocked,
    UserUpdated,
)
from services.accounts.user import User, merge
from services.domain.refusals import Refusal
from services.eventstore.log.event import Json


def decide(user: User | None, command: Command, facts: Facts = NOTHING) -> Decision:
    """The events that a command leads to.

    `user` is None where there is none of that id (and for CreateUser, where there must be none). The values of the
    command have been checked (`limits.check`).
    """
    if isinstance(command, m.CreateUser):
        return [_created(command)]
    if isinstance(command, ImportUser):
        return _import(command)
    if isinstance(command, m.Register):
        return _register(command, facts)
    if user is None:
        return credentials.token_invalid() if isinstance(command, RecoverPassword) else no_user()
    decision: Decision = _DECISIONS[type(command)](user, command, facts)
    return decision


def _created(command: m.CreateUser, **imported: Any) -> UserCreated:
    """`imported`: what only an import can say."""
    return UserCreated(
        email=command.email,
        email_key=limits.email_key(command.email),
        email_verified=command.email_verified,
        external_id=command.external_id,
        profile=merge({}, command.profile.model_dump(by_alias=True, exclude_unset=True)),
        metadata=merge({}, command.metadata),
        app_metadata=merge({}, command.app_metadata),
        **imported,
    )


def _import(command: ImportUser) -> Decision:
    row = command.user
    known = row.updated_at
    """All that there is, happened by then."""
    linked = [IdentityLinked(each.provider, each.provider_id, each.linked_at or known) for each in row.identities]
    blocked = [UserBlocked(None, row.blocked_at or known)] if row.status == "BLOCKED" or row.blocked_at else []
    deactivated = [UserDeactivated(known)] if row.status == "DEACTIVATED" else []
    created = _created(
        row,
        created_at=row.created_at,
        updated_at=row.updated_at,
        imported=True,
        require_change=row.password_change_required,
    )
    return [created, *linked, *blocked, *deactivated]


def _register(command: m.Register, facts: Facts) -> Decision:
    """In the discreet setting the code goes out at once: who registers is not told that he was let in."""
    profile = command.profile.model_dump(by_alias=True, exclude_unset=True)
    created = UserCreated(command.email, limits.email_key(command.email), False, None, merge({}, profile), {}, {})
    return [created, EmailVerificationRequested(None, None)] if facts.drawn else [created]


def _update(user: User, command: m.UpdateUser, _: Facts) -> Decision:
    external_id = None
    if "external_id" in command.model_fields_set and command.external_id != user.external_id:
        external_id = (command.external_id,)
    event = UserUpdated(
        profile=_changes(user.profile, command.profile.model_dump(by_alias=True, exclude_unset=True)),
        metadata=_changes(user.metadata, command.metadata),
        app_metadata=_changes(user.app_metadata, command.app_metadata),
        external_id=external_id,
    )
    if not (event.profile or event.metadata or event.app_metadata or event.external_id):
        return []
    for field, old, new in (
        ("metadata", user.metadata, event.metadata),
        ("appMetadata", user.app_metadata, event.app_metadata),
    ):
        if new and (fault := limits.metadata_fault(merge(old, new))):
            return Refusal("validation_failed", fault, field=field)
    return [event]


def _changes(old: Json, new: Json) -> Json:
    """Those keys of `new` that would change `old`. Compared as JSON, where 1, 1.0 and true are three values."""
    return {key: value for key, value in new.items() if orjson.dumps(old.get(key)) != orjson.dumps(value)}


def _block(user: User, command: m.BlockUser, _: Facts) -> Decision:
    return [] if user.status == "BLOCKED" else [UserBlocked(command.reason)]


def _unblock(user: User, _: m.UnblockUser, __: Facts) -> Decision:
    return [UserUnblocked()] if "BLOCKED" in user.holds else Refusal("invalid_transition", "the user is not blocked")


def _deactivate(user: User, _: m.DeactivateUser, __: Facts) -> Decision:
    return [] if user.status == "DEACTIVATED" else [UserDeactivated()]


def _reactivate(user: User, _: m.ReactivateUser, __: Facts) -> Decision:
    if "DEACTIVATED" not in user.holds:
        return Refusal("invalid_transition", "the user is not deactivated")
    return [UserReactivated()]


def _delete(_: User, __: m.DeleteUser, ___: Facts) -> Decision:
    return [UserDeleted()]


_DECISIONS: dict[type[Command], Callable[[User, Any, Facts], Decision]] = {
    m.UpdateUser: _update,
    m.BlockUser: _block,
    m.UnblockUser: _unblock,
    m.DeactivateUser: _deactivate,
    m.ReactivateUser: _reactivate,
    m.DeleteUser: _delete,
    **credentials.DECISIONS,
    **identities.DECISIONS,
}
