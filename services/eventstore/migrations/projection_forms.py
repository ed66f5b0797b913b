"""The statements that make the tables of the projections, stored where the functions of the owner find them.

The projector calls those functions (steps/0018.projection_tables.sql) and has no right to make a table itself.
"""

import psycopg
from psycopg import sql

import projections
from projections import Projection


def steps(projection: Projection) -> list[str]:
    """The statements by their numbers, from 1 on: the tables first, then their indexes."""
    return [projection.create, *projection.index]


def store(connection: psycopg.Connection, cell: str) -> None:
    """Replace what another version of Denizen stored. The connection is the owner's, in autocommit mode."""
    table = sql.Identifier(cell, "projection_forms")
    insert = sql.SQL("insert into {} (name, version, tables, steps) values (%s, %s, %s, %s)").format(table)
    with connection.transaction():
        connection.execute(sql.SQL("delete from {}").format(table))
        for each in projections.ALL:
            connection.execute(insert, [each.name, each.version, list(each.tables), steps(each)])
