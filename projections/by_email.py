"""Who has an address: its canonical key, and the user."""

from collections.abc import Sequence

import orjson

from projections.projection import Connection, Event, Projection, sql

_UPSERT = sql("by_email_upsert")


async def apply(connection: Connection, events: Sequence[Event]) -> None:
    """The newest holder of each key."""
    holders = {
        event.private["emailKey"]: event.user_id for event in events if event.type == "UserCreated" and event.private
    }
    if holders:
        rows = [{"email_key": key, "user_id": user_id} for key, user_id in holders.items()]
        await connection.execute(_UPSERT, [orjson.dumps(rows).decode()])


BY_EMAIL = Projection("by_email", 1, sql("by_email_create"), apply)
