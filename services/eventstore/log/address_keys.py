"""Replaces the claims of addresses whose keys were coarser in earlier versions of Denizen, once (email_address.py).

Only a service that has the claim key can. It does so before it serves, and goes on where another one, or an earlier
start, has stopped.
"""

import logging
from typing import LiteralString

from services.domain import email_address
from services.domain.streams import StoredEvent
from services.eventstore.keys.cache import DataKeyCache
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.log import arrays, rows
from services.platform import sql
from services.platform.database import Connection, Database
from services.platform.settings import Settings

log = logging.getLogger(__name__)

_BATCH = 1000


def _sql(name: str) -> LiteralString:
    return sql.load("services.eventstore.log", name)


async def renew(settings: Settings, ring: KeyRing, service: str) -> int:
    """Give every address the claim of today; how many had another. Raises DatabaseUnavailable."""
    database = Database(settings, f"{service} address keys", role=service)
    keys = DataKeyCache(ring, 1)
    moved = 0
    try:
        while found := await database.fetch(_sql("address_keys_position"), []):
            ((after,),) = found
            batch = await database.fetch(_sql("read_addresses"), [after, _BATCH], binary=True)
            events = [rows.event(row, keys) for row in batch]
            async with database.connection() as connection:
                for user_id in dict.fromkeys(event.user_id for event in events if _old_key(event) is not None):
                    moved += await _move(connection, ring, user_id)
                if events:
                    await connection.execute(_sql("address_keys_advance"), [events[-1].position])
                else:
                    await connection.execute(_sql("address_keys_done"))
    finally:
        await database.close()
    if moved:
        log.info("address_keys_renewed", extra={"users": moved})
    return moved


async def _move(connection: Connection, ring: KeyRing, user_id: str) -> bool:
    """From the old key of the user's present address to its key of today, if the user holds the old one still."""
    async with connection.transaction():
        await connection.execute(_sql("lock_head"))  # The address stays as it is read.
        cursor = await connection.execute(_sql("newest_address"), [user_id], binary=True)
        (address,) = [rows.event(row, DataKeyCache(ring, 1)) for row in await cursor.fetchall()]
        old = _old_key(address)
        if old is None or address.private is None:
            return False
        held = await connection.execute(_sql("give_up_claim"), [ring.claim("email", old), user_id])
        if held.rowcount == 0:
            return False
        claim = ring.claim("email", address.private["emailKey"])
        await connection.execute(_sql("take_claims"), [arrays.octets([claim]), arrays.texts([user_id])], binary=True)
        return True


def _old_key(event: StoredEvent) -> str | None:
    """The key of the address in an event where it was another one; None where it was the same."""
    private = event.private
    if not private or "emailKey" not in private:
        return None
    try:
        old = email_address.coarse(private["email"])
    except email_address.InvalidEmail:
        return None
    return None if old == private["emailKey"] else old
