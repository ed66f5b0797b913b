"""Checks that a log was written under our keys, by the trace that its first service left in it."""

from typing import LiteralString

from services.eventstore.keys.data_keys import KeyRing, KeysMissing
from services.platform import sql
from services.platform.database import Connection


async def check_keys(connection: Connection, ring: KeyRing) -> None:
    """Raises KeysMissing where the log was written under another key than ours of that name."""
    for name, ours in ring.checks.items():
        await connection.execute(_sql("insert_key_check"), {"name": name, "value": ours})
        cursor = await connection.execute(_sql("read_key_check"), {"name": name})
        if (await cursor.fetchone()) != (ours,):
            raise KeysMissing(f"the key {name} is not the one that this log was written under")


def _sql(name: str) -> LiteralString:
    return sql.load("services.eventstore.keys", name)
