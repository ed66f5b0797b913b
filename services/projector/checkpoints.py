"""Checkpoints of projections, and the step that applies a batch of events and moves them."""

from collections.abc import Mapping, Sequence

import orjson
import psycopg.sql
from psycopg.errors import UniqueViolation

from projections import Projection
from services.domain.streams import StoredEvent
from services.eventstore.migrations import projection_forms
from services.platform import sql
from services.platform.database import Connection

_PACKAGE = "services.projector"


class CheckpointMoved(Exception):
    """Another projector has applied these events, or a rebuild has put other tables in place."""


class ProjectionNewer(Exception):
    """The tables were made by a later version of Denizen."""


async def prepare(connection: Connection, projections: Sequence[Projection]) -> dict[str, int]:
    """Make the tables on an empty log; returns the positions as `read` does. Raises ProjectionNewer.

    Those that are missing on another log, or of an earlier version, are a rebuild's to make.
    """
    async with connection.transaction():
        stored = await _stored(connection)
        ((empty,),) = await (await connection.execute(sql.load(_PACKAGE, "log_is_empty"))).fetchall()
        for projection in projections:
            if empty and projection.name not in stored:
                for statement in making(projection):
                    await connection.execute(statement)
                await connection.execute(sql.load(_PACKAGE, "swap_projection"), [projection.name, projection.version])
                await connection.execute(sql.load(_PACKAGE, "add_checkpoint"), [projection.name, projection.version])
        return await read(connection, projections)


def making(projection: Projection) -> list[psycopg.sql.Composed]:
    """The statements that make a projection in the scratch schema: the first one its tables, the others their indexes.

    They call a function of the owner, who owns the tables (migrations/projection_forms.py).
    """
    call = psycopg.sql.SQL(sql.load(_PACKAGE, "make_projection"))
    steps = range(1, len(projection_forms.steps(projection)) + 1)
    return [call.format(name=projection.name, version=projection.version, step=step) for step in steps]


async def read(connection: Connection, projections: Sequence[Projection]) -> dict[str, int]:
    """The position of each projection whose tables are of its version. Raises ProjectionNewer."""
    stored = await _stored(connection)
    for projection in projections:
        if stored.get(projection.name, (0, 0))[0] > projection.version:
            raise ProjectionNewer(projection.name)
    return {p.name: stored[p.name][1] for p in projections if stored.get(p.name, (0, 0))[0] == p.version}


async def _stored(connection: Connection) -> dict[str, tuple[int, int]]:
    """Version and position of every projection that there is."""
    cursor = await connection.execute(sql.load(_PACKAGE, "read_checkpoints"))
    return {name: (version, position) for name, version, position in await cursor.fetchall()}


async def advance(
    connection: Connection,
    projections: Sequence[Projection],
    positions: Mapping[str, int],
    events: Sequence[StoredEvent],
) -> dict[str, int]:
    """Apply events to each projection that has a position and has not seen them, in one transaction.

    Returns the new positions. Raises CheckpointMoved, nothing applied.
    """
    try:
        return await _advance(connection, projections, positions, events)
    except UniqueViolation:
        # By COPY: another projector put the same rows in, and we waited for its commit.
        now = await read(connection, projections)
        if all(now.get(name) == position for name, position in positions.items()):
            raise
        raise CheckpointMoved from None


async def _advance(
    connection: Connection,
    projections: Sequence[Projection],
    positions: Mapping[str, int],
    events: Sequence[StoredEvent],
) -> dict[str, int]:
    last = events[-1].position
    behind = [p for p in projections if p.name in positions and positions[p.name] < last]
    async with connection.transaction():
        for projection in behind:
            unseen = [event for event in events if event.position > positions[projection.name]]
            await projection.apply(connection, unseen)
        # Last: a process that stops in between locks no other out of these rows.
        moves = [{"name": p.name, "version": p.version, "from": positions[p.name]} for p in behind]
        moved = await connection.execute(
            sql.load(_PACKAGE, "move_checkpoints"), {"to": last, "moves": orjson.dumps(moves).decode()}
        )
        if moved.rowcount != len(behind):
            raise CheckpointMoved
    return {**positions, **dict.fromkeys((p.name for p in behind), last)}
