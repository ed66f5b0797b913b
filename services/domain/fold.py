"""The two folds of a user's events: the user that commands are decided on, and the document that queries show.

What each kind of event does to either, its class says (services/domain/events).
"""

from datetime import datetime

from services.domain.events import TYPES, UserCreated, UserDeleted, UserEvent
from services.domain.streams import FoldedEvent
from services.domain.user import UserAggregate
from services.domain.values import Json, rfc3339


def evolve(user: UserAggregate | None, event: UserEvent, user_id: str, recorded: datetime) -> UserAggregate | None:
    """The user after an event that was recorded at a time; None where it deletes them.

    Raises ValueError where there is no user and the event creates none.
    """
    if type(event) is UserCreated:
        return event.user(user_id, recorded)
    if user is None:
        raise ValueError(f"the stream of {user_id} does not begin with UserCreated")
    if type(event) is UserDeleted:
        return None
    at = event.happened(recorded)
    after = user.copied()
    after.version += 1
    after.updated_at = max(user.updated_at, at)
    after.recorded_at = recorded
    event.change(after, at)
    return after


def show(document: Json | None, event: FoldedEvent) -> Json | None:
    """The document of a user after an event of the user's own stream; None where there is no such user.

    An erased user has none: the event that created them cannot be read any more. An event that is in the document
    already changes nothing.
    """
    if event.type == "UserDeleted":
        return None
    private = event.private or {}
    if event.type == "UserCreated":
        status, at = event.public["status"], rfc3339(event.recorded_at)
        return UserCreated.document(event.user_id, status, private, at) if event.private is not None else None
    if document is None or event.version <= document["version"]:
        return document
    document = dict(document)
    at = private["at"] if "at" in private else rfc3339(event.recorded_at)
    document["status"] = event.public["status"]
    document["version"] = event.version
    document["updatedAt"] = max(document["updatedAt"], at)
    if (kind := TYPES.get(event.type)) is not None:  # Else a newer version of Denizen wrote it, and rebuilds this.
        kind.show(document, private, at)
    return document


def show_login(document: Json, event: FoldedEvent) -> Json:
    """The document of a user after a successful sign-in."""
    document = dict(document)
    TYPES[event.type].show(document, event.private or {}, rfc3339(event.recorded_at))
    return document
