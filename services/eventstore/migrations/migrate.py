"""Brings the schema of a cell up to date by the raw SQL files in steps/, and then its roles (roles.py)."""

from collections.abc import Mapping
from importlib.resources import as_file, files

import psycopg
import yoyo
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI

from services.eventstore.keys.encryption import KeysMissing
from services.eventstore.migrations import projection_forms, roles, schema

_ADVISORY_LOCK = 0x64656E697A656E  # "denizen"


def migrate(
    owner_url: str, cell: str, passwords: Mapping[str, str] | None = None, checks: Mapping[str, bytes] | None = None
) -> None:
    """Create the cell's schema if it is missing, apply the migrations that it lacks, and set the roles of the services.

    `passwords`: of services whose logins are to have another one from now on; the others keep theirs. `checks`: of the
    keys (KeyRing.checks) that the services will have. Any number may run at once: they take turns by an advisory lock,
    which, unlike the lock table of yoyo, dies with its holder. Raises psycopg.Error where the database is out of reach
    or the role may not do it, schema.SchemaTooNew, and KeysMissing where the log was written under other keys.
    """
    with psycopg.connect(owner_url, autocommit=True) as turn:
        turn.execute("select pg_advisory_lock(%s)", [_ADVISORY_LOCK])
        _refuse_other_keys(turn, cell, checks or {})
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
            with as_file(files("services.eventstore.migrations") / "steps") as directory:
                schema.is_current(cell, _applied(turn, cell))
                backend.apply_migrations(backend.to_apply(yoyo.read_migrations(str(directory))))
        finally:
            backend.connection.close()
        projection_forms.store(turn, cell)
        roles.apply(turn, cell, passwords or {})


def _applied(connection: psycopg.Connection, cell: str) -> list[str]:
    query = sql.SQL("select migration_id from {}._yoyo_migration").format(sql.Identifier(cell))
    return [str(name) for (name,) in connection.execute(query)]


def _refuse_other_keys(connection: psycopg.Connection, cell: str, checks: Mapping[str, bytes]) -> None:
    """Before anything is changed: the passwords of another log would lock its services out."""
    table = sql.Identifier(cell, "key_checks")
    if connection.execute("select to_regclass(%s)", [table.as_string(connection)]).fetchone() == (None,):
        return
    for name, value in connection.execute(sql.SQL("select name, value from {}").format(table)):
        if bytes(value) != checks.get(name, bytes(value)):
            raise KeysMissing(f"the key {name} is not the one that this log was written under")
