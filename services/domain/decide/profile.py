"""The decision on a user's profile, metadata and external id."""

import orjson
from denizen import messages as m

from services.domain import fields, refusals
from services.domain.decision import Decision, Facts
from services.domain.events import UserUpdated
from services.domain.user import UserAggregate
from services.domain.values import Json, merge


def update(user: UserAggregate, command: m.UpdateUser, _: Facts) -> Decision:
    """Record what would change, and only that."""
    external_id = None
    if "external_id" in command.model_fields_set and command.external_id != user.external_id:
        external_id = (command.external_id,)
    return decide_change(
        user,
        UserUpdated(
            profile=changes(user.profile, command.profile.model_dump(by_alias=True, exclude_unset=True)),
            metadata=changes(user.metadata, command.metadata),
            app_metadata=changes(user.app_metadata, command.app_metadata),
            external_id=external_id,
        ),
    )


def decide_change(user: UserAggregate, event: UserUpdated) -> Decision:
    """Record the event, unless nothing changes with it or metadata would become too large."""
    if not (event.profile or event.metadata or event.app_metadata or event.external_id):
        return []
    for field, old, new in (
        ("metadata", user.metadata, event.metadata),
        ("appMetadata", user.app_metadata, event.app_metadata),
    ):
        if new and (fault := fields.metadata_fault(merge(old, new))):
            return refusals.invalid(fault, field)
    return [event]


def changes(old: Json, new: Json) -> Json:
    """Those keys of `new` that would change `old`. Compared as JSON, where 1, 1.0 and true are three values."""
    return {key: value for key, value in new.items() if orjson.dumps(old.get(key)) != orjson.dumps(value)}
