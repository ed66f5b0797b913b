"""Brings the schema of a cell up to date, by the raw SQL files in migrations/, and then its roles (roles.py)."""

from collections.abc import Mapping
from importlib.resources import as_file, files

import psycopg
import yoyo
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI

from services.eventstore import roles, schema

_ADVISORY_LOCK = 0x64656E697A656E  # "denizen"


def migrate(owner_url: str, cell: str, passwords: Mapping[str, str] | None = None) -> None:
    """Create the cell's schema if it is missing, apply the migrations that it lacks, and set the roles of the services.

    `passwords`: of services whose logins are to have another one from now on; the others keep theirs. Any number may
    run at once: they take turns by an advisory lock, which, unlike the lock table of yoyo, dies with its holder. Raises
    psycopg.Error where the database is out of reach or the role may not do it, and schema.SchemaTooNew.
    """
    with psycopg.connect(owner_url, autocommit=True) as turn:
        turn.execute("select pg_advisory_lock(%s)", [_ADVISORY_LOCK])
        turn.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(cell)))
        args = {**conninfo_to_dict(owner_url), "schema": cell}
        database = str(args.pop("dbname", ""))
        backend = PostgresqlPsycopgBackend(
            DatabaseURI("postgresql+psycopg", None, None, None, None, database, args), "_yoyo_migration"
        )
        try:
            backend.init_database()
            backend.break_lock()
            backend.ensure_internal_schema_updated()
            with as_file(files("services.eventstore") / "migrations") as directory:
                schema.is_current(cell, _applied(turn, cell))
                backend.apply_migrations(backend.to_apply(yoyo.read_migrations(str(directory))))
        finally:
            backend.connection.close()
        roles.apply(turn, cell, passwords or {})


def _applied(connection: psycopg.Connection, cell: str) -> list[str]:
    query = sql.SQL("select migration_id from {}._yoyo_migration").format(sql.Identifier(cell))
    return [str(name) for (name,) in connection.execute(query)]
