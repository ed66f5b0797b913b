"""Snapshots: what a user's stream had come to at a version, so that it need not be folded from the beginning.

They are a cache. One that is missing, of another form or unreadable costs time and nothing else.
"""

from dataclasses import dataclass
from datetime import datetime

from services.domain.user import UserAggregate, UserIdentity
from services.domain.values import Json

FORM = 2
"""Of `Snapshot.state`: `shown` is the user as queries show them, without logins; `deciding` is what else commands are
decided on. Raised with every change of either: older ones are ignored from then on."""
EVERY = 16
"""Versions from one snapshot to the next. A command reads half as many events on average, of 35 KB each at most."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a stream after the event of a version, with the position and time of that event."""

    version: int
    position: int
    recorded_at: datetime
    state: Json


def is_due(before: int, after: int) -> bool:
    """Whether events that take a stream from one version to another are followed by a snapshot."""
    return after // EVERY > before // EVERY


def due(before: int, user: UserAggregate | None) -> Json | None:
    """The state to keep after the events that follow version `before` of a user; None where none is due."""
    return state_of(user) if user is not None and is_due(before, user.version) else None


def state_of(user: UserAggregate) -> Json:
    """All that is known of a user: what queries show, and what else decisions need."""
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


def restored(snapshot: Snapshot) -> UserAggregate:
    """The user of a snapshot."""
    shown, deciding = snapshot.state["shown"], snapshot.state["deciding"]
    email, wanted_key = deciding["wantedEmail"] or (None, "")
    return UserAggregate(
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
            UserIdentity(each["provider"], each["providerId"], datetime.fromisoformat(each["linkedAt"]))
            for each in shown["identities"]
        ),
        password_change_required=shown["passwordChangeRequired"],
        password_version=deciding["passwordVersion"],
        code_version=deciding["codeVersion"],
        token_version=deciding["tokenVersion"],
        blocked_until=None if shown["blockedUntil"] is None else datetime.fromisoformat(shown["blockedUntil"]),
    )
