"""The directory: each user as queries show him, as JSON, beside the columns by which lists are filtered."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from projections.projection import Connection, Event, Projection, sql

_SELECT = sql("users_select")
_UPSERT = sql("users_upsert")

Json = dict[str, Any]


async def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Fold the events into the documents of their users: one read (of those not created here), one write."""
    created = {event.user_id for event in events if event.type == "UserCreated"}
    touched = {event.user_id for event in events} - created
    documents: dict[str, Json] = {}
    if touched:
        cursor = await connection.execute(_SELECT, [list(touched)])
        documents = dict(await cursor.fetchall())
    for event in events:
        document = documents.get(event.user_id)
        if event.type == "UserCreated":
            documents[event.user_id] = _created(event)
        elif document is not None and event.version > document["version"]:
            _change(document, event)
    rows = [{"user_id": user_id, "status": doc["status"], "doc": doc} for user_id, doc in documents.items()]
    if rows:
        await connection.execute(_UPSERT, [orjson.dumps(rows).decode()])


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
        "passwordChangeRequired": False,
        "loginCount": 0,
        "lastLoginAt": None,
        "lastLoginIp": None,
        "createdAt": at,
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


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


USERS = Projection("users", 1, sql("users_create"), apply)
