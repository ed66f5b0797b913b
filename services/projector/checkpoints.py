"""How far each projection is, and the step that takes it further."""

from collections.abc import Sequence

import psycopg.sql

from projections import Projection
from services import sql
from services.database import Connection
from services.eventstore.event import Event

_PACKAGE = "services.projector"


class CheckpointMoved(Exception):
    """Another projector has applied these events."""


class ProjectionNewer(Exception):
    """The tables were made by a later version of Denizen."""


async def prepare(connection: Connection, projections: Sequence[Projection]) -> dict[str, int]:
    """Make what tables are missing, and anew those of an earlier version; returns the position of each projection.

    Raises ProjectionNewer.
    """
    await connection.execute(sql.load(_PACKAGE, "create_checkpoints"))
    for projection in projections:
        async with connection.transaction():
            await _prepare(connection, projection)
    cursor = await connection.execute(sql.load(_PACKAGE, "read_checkpoints"))
    stored = {name: position for name, _, position in await cursor.fetchall()}
    return {projection.name: stored[projection.name] for projection in projections}


async def _prepare(connection: Connection, projection: Projection) -> None:
    cursor = await connection.execute(sql.load(_PACKAGE, "lock_checkpoint"), [projection.name])
    row = await cursor.fetchone()
    version = row[0] if row else projection.version
    if version > projection.version:
        raise ProjectionNewer(projection.name)
    if version < projection.version:
        for table in projection.tables:
            await connection.execute(psycopg.sql.SQL("drop table {}").format(psycopg.sql.Identifier(table)))
        await connection.execute(sql.load(_PACKAGE, "reset_checkpoint"), [projection.version, projection.name])
    await connection.execute(projection.create)
    await connection.execute(sql.load(_PACKAGE, "add_checkpoint"), [projection.name, projection.version])


async def advance(
    connection: Connection, projections: Sequence[Projection], positions: dict[str, int], events: Sequence[Event]
) -> dict[str, int]:
    """Apply events to every projection that has not seen them, in one transaction; returns the new positions.

    Raises CheckpointMoved, nothing applied.
    """
    last = events[-1].position
    async with connection.transaction(), connection.pipeline() as pipeline:
        for projection in projections:
            unseen = [event for event in events if event.position > positions[projection.name]]
            if unseen:
                await projection.apply(connection, unseen)
        moves = [
            await connection.execute(
                sql.load(_PACKAGE, "move_checkpoint"), {"name": p.name, "from": positions[p.name], "to": last}
            )
            for p in projections
        ]
        await pipeline.sync()
        for move in moves:
            if move.rowcount != 1:
                raise CheckpointMoved
    return dict.fromkeys(positions, last)
