"""How far each projection is, and the step that takes it further."""

from collections.abc import Sequence

from projections import Projection
from services import sql
from services.database import Connection
from services.eventstore.event import Event

_PACKAGE = "services.projector"


class CheckpointMoved(Exception):
    """Another projector has applied these events."""


class ProjectionOutdated(Exception):
    """The tables were made by another version of the projection, and must be rebuilt."""


async def prepare(connection: Connection, projections: Sequence[Projection]) -> dict[str, int]:
    """Make what tables are missing; returns the position of each projection. Raises ProjectionOutdated."""
    await connection.execute(sql.load(_PACKAGE, "create_checkpoints"))
    for projection in projections:
        await connection.execute(projection.create)
        await connection.execute(sql.load(_PACKAGE, "add_checkpoint"), [projection.name, projection.version])
    cursor = await connection.execute(sql.load(_PACKAGE, "read_checkpoints"))
    stored = {name: (version, position) for name, version, position in await cursor.fetchall()}
    for projection in projections:
        if stored[projection.name][0] != projection.version:
            raise ProjectionOutdated(projection.name)
    return {projection.name: stored[projection.name][1] for projection in projections}


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
