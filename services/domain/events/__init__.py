"""The events of a user, one module for each noun, and their form in the log.

Each event class says what of it is private, what is published, how it changes the user that commands are decided on,
and how it changes the document that queries show.

Imports `domain.streams`, `domain.user` and `domain.values`.
"""

from collections.abc import Mapping
from typing import get_args
from uuid import UUID

from denizen.messages import Status

from services.domain.events.base import DomainEvent as DomainEvent
from services.domain.events.credentials import *
from services.domain.events.credentials import CredentialEvent
from services.domain.events.identities import *
from services.domain.events.identities import LinkEvent
from services.domain.events.lifecycle import *
from services.domain.events.lifecycle import LifecycleEvent
from services.domain.events.logins import *
from services.domain.events.logins import LoginEvent
from services.domain.events.profile import *
from services.domain.events.profile import ProfileEvent
from services.domain.streams import NewEvent, StoredEvent
from services.domain.values import Json

UserEvent = LifecycleEvent | ProfileEvent | LinkEvent | CredentialEvent
"""Events of a user's own stream, from which the user is folded."""
AnyEvent = UserEvent | LoginEvent

TYPES: Mapping[str, type[AnyEvent]] = {kind.__name__: kind for kind in get_args(AnyEvent)}
"""Every kind of event, by the name that it has in the log."""
SCHEMA_VERSION: Mapping[type[AnyEvent], int] = {kind: kind.schema_version for kind in TYPES.values()}
"""The form in which each kind is stored today."""


def encode(event: AnyEvent, user_id: str, version: int, status: Status, event_id: UUID) -> NewEvent:
    """The event as it is stored; `version` and `status` are the user's after it."""
    public: Json = {"userId": user_id, "version": version, "status": status, "changed": event.changed()}
    public.update(event.published())
    return NewEvent(type(event).__name__, event.schema_version, public, event.private() or None, event_id)


def decode(event: StoredEvent) -> AnyEvent:
    """The event that was stored, which the event store has upcast (services/domain/upcasting.py).

    Raises ValueError, which names nothing personal, where this version cannot read it.
    """
    kind = TYPES.get(event.type)
    if kind is None:
        raise ValueError(f"event {event.event_id} has a type that this version does not know: {event.type}")
    if event.schema_version > kind.schema_version:
        raise ValueError(f"event {event.event_id} has a newer form of {event.type} than this version knows")
    return kind.read(event.private or {}, event.public)
