"""The projection `by_external_id`: the user who has an id of another system."""

from collections.abc import Sequence

import orjson

from projections.projection import Projection, ProjectorConnection, sql
from services.domain.streams import FoldedEvent

_DELETE = sql("by_external_id_delete")
_INSERT = sql("by_external_id_insert")


async def apply(connection: ProjectorConnection, events: Sequence[FoldedEvent]) -> None:
    """Write each user's external id. The old row is dropped first, so an id may go from one user to another."""
    held: dict[str, str | None] = {}
    changed: set[str] = set()
    for event in events:
        if event.private and "externalId" in event.private and event.type in ("UserCreated", "UserUpdated"):
            held[event.user_id] = event.private["externalId"]
            if event.type == "UserUpdated":
                changed.add(event.user_id)
        elif event.type == "UserDeleted":
            held[event.user_id] = None
            changed.add(event.user_id)
    if changed:
        await connection.execute(_DELETE, [list(changed)])
    rows = [{"external_id": external_id, "user_id": user_id} for user_id, external_id in held.items() if external_id]
    if rows:
        await connection.execute(_INSERT, [orjson.dumps(rows).decode()])


BY_EXTERNAL_ID = Projection("by_external_id", 1, ("by_external_id",), sql("by_external_id_create"), apply)
