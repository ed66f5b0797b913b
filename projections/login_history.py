"""Each attempt to sign in: when, with what outcome, from where; and how often the user had signed in by then."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import orjson

from projections.projection import Projection, ProjectorConnection, sql
from services.domain.streams import FoldedEvent

_DELETE = sql("login_history_delete")
_INSERT = sql("login_history_insert")


async def apply(connection: ProjectorConnection, events: Sequence[FoldedEvent]) -> None:
    """A row an attempt; none of a deleted user, after whose end there are no more."""
    rows = [_row(event) for event in events if event.type in ("LoginSucceeded", "LoginFailed")]
    deleted = [event.user_id for event in events if event.type == "UserDeleted"]
    if rows:
        await connection.execute(_INSERT, [orjson.dumps(rows).decode()])
    if deleted:
        await connection.execute(_DELETE, [deleted])


def _row(event: FoldedEvent) -> dict[str, Any]:
    private = event.private or {}
    return {
        "user_id": event.user_id,
        "position": event.position,
        "time": event.recorded_at.astimezone(UTC),
        "outcome": event.public.get("reason", "succeeded"),
        "ip": private.get("ip"),
        "user_agent": private.get("userAgent"),
    }


LOGIN_HISTORY = Projection(
    "login_history",
    2,
    ("login_history",),
    sql("login_history_create"),
    apply,
    index=(sql("login_history_index"),),
)
