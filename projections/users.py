"""The directory: each user as queries show him, as JSON, beside what lists are filtered, searched and sorted by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from projections import folding
from projections.projection import Connection, Event, Projection, sql

_SELECT = sql("users_select")
_UPSERT = sql("users_upsert")
_DELETE = sql("users_delete")
_BESIDE = ("LoginFailed", "SessionsRevoked")
"""Events that change nothing that is shown here."""

Json = dict[str, Any]


@dataclass(slots=True)
class _User:
    """A row: the document, and the position of the last login that is counted in it."""

    doc: Json
    login_position: int = 0


async def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Fold the events into the documents of their users: one read (of those not created here), one write."""
    created = {event.user_id for event in events if event.type == "UserCreated"}
    touched = {event.user_id for event in events if event.type not in _BESIDE} - created
    users: dict[str, _User] = {}
    if touched:
        cursor = await connection.execute(_SELECT, [list(touched)])
        users = {user_id: _User(doc, position) for user_id, doc, position in await cursor.fetchall()}
    deleted: list[str] = []
    for event in events:
        if event.type == "UserDeleted":
            deleted.append(event.user_id)
            users.pop(event.user_id, None)
        else:
            _apply(users, event)
    if deleted:
        await connection.execute(_DELETE, [deleted])
    rows = [_row(user_id, user) for user_id, user in users.items()]
    if rows:
        await connection.execute(_UPSERT, [orjson.dumps(rows).decode()])


def _row(user_id: str, user: _User) -> Json:
    folded = folding.folded(user.doc)
    return {
        "user_id": user_id,
        "status": user.doc["status"],
        "doc": user.doc,
        "login_position": user.login_position,
        "email": folded.email,
        "name": folded.name,
        "search": folded.search,
    }


def _apply(users: dict[str, _User], event: Event) -> None:
    user = users.get(event.user_id)
    if event.type == "LoginSucceeded":
        if user is not None and event.position > user.login_position:
            user.login_position = event.position
            ip = (event.private or {}).get("ip")
            count = user.doc["loginCount"] + 1
            user.doc |= {"loginCount": count, "lastLoginAt": _rfc3339(event.recorded_at), "lastLoginIp": ip}
    elif event.type not in _BESIDE:
        document = evolve(user.doc if user else None, event)
        if document is not None:
            users[event.user_id] = _User(document, user.login_position if user else 0)


def evolve(document: Json | None, event: Event) -> Json | None:
    """The document of a user after an event of his own stream; None where there is no such user.

    Who is erased has none: what made him cannot be read any more.
    """
    if event.type == "UserDeleted":
        return None
    if event.type == "UserCreated":
        return None if event.private is None else _created(event)
    if document is None or event.version <= document["version"]:
        return document
    document = dict(document)
    _change(document, event)
    return document


def _created(event: Event) -> Json:
    private = event.private or {}
    at = _rfc3339(event.recorded_at)
    return {
        "id": event.user_id,
        "externalId": private.get("externalId"),
        "email": private.get("email", ""),
        "emailVerified": private.get("emailVerified", False),
        "status": event.public["status"],
        "profile": private.get("profile", {}),
        "metadata": private.get("metadata", {}),
        "appMetadata": private.get("appMetadata", {}),
        "identities": [],
        "passwordChangeRequired": private.get("requireChange", False),
        "loginCount": 0,
        "lastLoginAt": None,
        "lastLoginIp": None,
        "createdAt": private.get("createdAt", at),
        "updatedAt": at,
        "blockedAt": None,
        "version": event.version,
    }


def _change(document: Json, event: Event) -> None:
    """What every event of a user has in common, and then what is its own."""
    at = _rfc3339(event.recorded_at)
    document |= {"status": event.public["status"], "updatedAt": at, "version": event.version}
    private = event.private or {}
    if event.type == "UserUpdated":
        for section in ("profile", "metadata", "appMetadata"):
            merged = {**document[section], **private.get(section, {})}
            document[section] = {key: value for key, value in merged.items() if value is not None}
        document["externalId"] = private.get("externalId", document["externalId"])
    elif event.type == "UserBlocked":
        document["blockedAt"] = at
    elif event.type == "UserUnblocked":
        document["blockedAt"] = None
    elif event.type == "EmailVerified":
        document["emailVerified"] = True
    elif event.type == "EmailChanged":
        document["email"] = private.get("email", "")
    elif event.type == "IdentityLinked":
        document["identities"] = [*document["identities"], {**private, "linkedAt": at}]
    elif event.type == "IdentityUnlinked":
        document["identities"] = [each for each in document["identities"] if not private.items() <= each.items()]
    elif event.type == "PasswordChanged":
        document["passwordChangeRequired"] = private.get("requireChange", False)


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


USERS = Projection("users", 3, ("users", "user_counts"), sql("users_create"), apply, sql("users_index"))
