"""Command ids of imports: an id is used for one request, also where another service ran the first one."""

import orjson

from services.domain import refusals
from services.endpoint.call import Call
from services.eventstore.keys.data_keys import KeyRing
from services.platform import sql
from services.platform.database import Database


class CommandIds:
    """Keeps the ids of commands that this service runs beside those of `accounts`, for 24 h."""

    def __init__(self, database: Database, ring: KeyRing) -> None:
        self._database = database
        self._ring = ring

    async def keep(self, call: Call, *asked: str | int | None) -> None:
        """Keep the id that the caller named, if any. `asked` tells this request from another one.

        Raises Refusal where the id was used for another request.
        """
        if not call.repeatable:
            return
        operation = call.operation.name
        digest = self._ring.digest(f"request/{call.operation.id}", orjson.dumps(asked))
        parameters = {"command_id": call.key, "operation": operation, "digest": digest}
        found = None
        while found is None:
            async with self._database.connection() as connection:
                cursor = await connection.execute(sql.load("services.transfer", "keep_id"), parameters)
                found = await cursor.fetchone()
        used_for, before = found
        if used_for != operation or before is None or bytes(before) != digest:
            raise refusals.command_id_used()
