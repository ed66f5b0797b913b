"""The projection `by_email`: the user who has an address, by its canonical key."""

from collections.abc import Sequence

import orjson

from projections.projection import Projection, ProjectorConnection, sql
from services.domain.streams import FoldedEvent

_DELETE = sql("by_email_delete")
_UPSERT = sql("by_email_upsert")


async def apply(connection: ProjectorConnection, events: Sequence[FoldedEvent]) -> None:
    """Write each user's address. The old row is dropped first, so an address may go from one user to another."""
    held: dict[str, str | None] = {}
    changed: set[str] = set()
    for event in events:
        if event.type in ("UserCreated", "EmailChanged") and event.private:
            held[event.user_id] = event.private["emailKey"]
        elif event.type == "UserDeleted":
            held[event.user_id] = None
        if event.type in ("EmailChanged", "UserDeleted"):
            changed.add(event.user_id)
    if changed:
        await connection.execute(_DELETE, [list(changed)])
    rows = [{"email_key": key, "user_id": user_id} for user_id, key in held.items() if key is not None]
    if rows:
        await connection.execute(_UPSERT, [orjson.dumps(rows).decode()])


BY_EMAIL = Projection("by_email", 3, ("by_email",), sql("by_email_create"), apply)
