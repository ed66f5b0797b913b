"""The state of a user in a snapshot (services/eventstore/log/snapshots.py), for queries and for decisions."""

from datetime import datetime

from services.accounts.user import Identity, User
from services.eventstore.log.event import Json
from services.eventstore.log.snapshots import Snapshot, is_due


def due(before: int, user: User | None) -> Json | None:
    """The state to keep after the events after version `before` of a user; None where none is due."""
    return state(user) if user is not None and is_due(before, user.version) else None


def state(user: User) -> Json:
    """All that there is to a user."""
    return {
        "shown": user.body() | {"loginCount": 0},
        "deciding": {
            "emailKey": user.email_key,
            "holds": user.holds,
            "wantedEmail": user.wanted_email,
            "passwordVersion": user.password_version,
            "codeVersion": user.code_version,
            "tokenVersion": user.token_version,
        },
    }


def restored(snapshot: Snapshot) -> User:
    """The user of a snapshot."""
    shown, deciding = snapshot.state["shown"], snapshot.state["deciding"]
    email, wanted_key = deciding["wantedEmail"] or (None, "")
    return User(
        id=shown["id"],
        email=shown["email"],
        email_key=deciding["emailKey"],
        email_verified=shown["emailVerified"],
        external_id=shown["externalId"],
        profile=shown["profile"],
        metadata=shown["metadata"],
        app_metadata=shown["appMetadata"],
        holds=tuple(deciding["holds"]),
        created_at=datetime.fromisoformat(shown["createdAt"]),
        updated_at=datetime.fromisoformat(shown["updatedAt"]),
        blocked_at=None if shown["blockedAt"] is None else datetime.fromisoformat(shown["blockedAt"]),
        version=shown["version"],
        recorded_at=snapshot.recorded_at,
        wanted_email=None if email is None else (email, wanted_key),
        identities=tuple(
            Identity(each["provider"], each["providerId"], datetime.fromisoformat(each["linkedAt"]))
            for each in shown["identities"]
        ),
        password_change_required=shown["passwordChangeRequired"],
        password_version=deciding["passwordVersion"],
        code_version=deciding["codeVersion"],
        token_version=deciding["tokenVersion"],
    )
