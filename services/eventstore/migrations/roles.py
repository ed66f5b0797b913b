"""The roles of PostgreSQL that a cell's services log in as, and what each of them may do.

`<cell>_<service>` is the login of a service and the role that it works under. It has no rights of the owner, so `set
role none` gives it nothing. `<cell>_app` may do what all of them may: the operator's commands work under it, over the
owner's login. Applied after every migration: `GRANTS` is the whole truth, and what an earlier version granted goes.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from services.platform.settings import Settings

SERVICES = ("accounts", "directory", "transfer", "projector", "relay", "mailer")
PROJECTOR = "projector"
"""The service that changes the rows of the projections' tables. The owner owns the tables."""
READERS = ("directory", "transfer")
"""The services that read the tables of the projections."""
_CHANGES = "select, insert, update, delete, maintain"
_FUNCTIONS = ("make_projection", "swap_projection", "drop_scratch_tables")
"""What the projector has of the owner, to rebuild projections (steps/0018.projection_tables.sql)."""

_PUBLISHED = "select (position, event_id, user_id, stream, version, type, public, metadata, recorded_at)"
"""The columns that the relay reads; personal data and the hash chain are not among them."""
GRANTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "events": {
        "select, insert": ("accounts", "transfer"),
        "select": ("directory", "projector"),
        _PUBLISHED: ("relay",),
    },
    "log_head": {"select, update (position)": ("accounts", "transfer"), "select": ("directory", "projector")},
    "claims": {"select, insert, delete": ("accounts", "transfer")},
    "address_keys": {"select, update, delete": ("accounts", "transfer")},
    "data_keys": {
        "select, insert, delete": ("accounts", "transfer"),
        "select": ("directory", "projector", "mailer"),
    },
    "snapshots": {"select, insert, delete": ("accounts", "transfer"), "select, delete": ("directory",)},
    "retired_epochs": {"select": ("accounts", "transfer")},
    "key_checks": {"select, insert": ("accounts", "directory", "transfer", "projector", "mailer")},
    "commands": {
        "select, insert, update (digest), delete": ("accounts",),
        "select, insert, update (digest)": ("transfer",),
    },
    "passwords": {"select, insert, update, delete": ("accounts", "transfer")},
    "codes": {"select, insert, update, delete": ("accounts", "transfer")},
    "sessions": {
        "select, insert, update, delete": ("accounts",),
        "select, delete": ("transfer",),
        "select (session_id, user_id, created_at, refreshed_at, expires_at, private)": ("directory",),
    },
    "block_ends": {"select, insert, update, delete": ("accounts", "transfer")},
    "throttles": {"select, insert, update, delete": ("accounts",)},
    "mails": {
        "select, insert, delete": ("accounts",),
        # Not what is in them: it deletes those of a user whom the undo of an import erases.
        "select (user_id), insert, delete": ("transfer",),
        "select, update, delete": ("mailer",),
    },
    "server_keys": {
        "select, insert, update (wrapped), delete": ("accounts", "transfer"),
        # Not `wrapped`: with it and the key-encryption key the directory could sign tokens.
        "select (key_id, kind, epoch, public, created_at, retired_at, dropped_at)": ("directory",),
    },
    "import_chunks": {"select, delete": ("accounts",), "select, insert": ("transfer",)},
    "import_ids": {"select, delete": ("accounts",), "select, insert": ("transfer",)},
    "projections": {"select, insert, update": ("projector",), "select": READERS},
    "projection_forms": {},
    "_yoyo_migration": {"select": SERVICES},
}
"""By table and privileges: the services. A table that a migration adds needs an entry, or no service can use it."""


def role_of(cell: str, service: str) -> str:
    """The role of a service; `app` is the one of the operator's commands."""
    return f"{cell}_{service}"


def passwords_given(settings: Settings) -> dict[str, str]:
    """The passwords of logins that the settings name, by service."""
    given: dict[str, SecretStr | None] = {
        service: getattr(settings, f"postgres_{service}_password") for service in SERVICES
    }
    return {service: password.get_secret_value() for service, password in given.items() if password}


def login(owner: str, cell: str, service: str, password: str) -> str:
    """The address by which a service logs in: the owner's with another user and password."""
    return make_conninfo(owner, user=role_of(cell, service), password=password)


def apply(connection: psycopg.Connection, cell: str, passwords: Mapping[str, str]) -> None:
    """Make the roles, grant what they may, and set the passwords of the services that have one here.

    The connection is the owner's, in autocommit mode. Raises psycopg.Error.
    """
    for service in (*SERVICES, "app"):
        _create(connection, role_of(cell, service))
    with connection.transaction():
        _grant_schemas(connection, cell)
    _take_over(connection, cell)
    with connection.transaction():
        _grant_tables(connection, cell)
        for service, password in passwords.items():
            _set_password(connection, role_of(cell, service), password)


def _create(connection: psycopg.Connection, role: str) -> None:
    """Make a role without a login where it is missing; and let the owner take it on."""
    name = sql.Identifier(role)
    if connection.execute("select from pg_roles where rolname = %s", [role]).fetchone() is None:
        # A migration of another database of this cluster may make it at this moment.
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            connection.execute(sql.SQL("create role {} nologin").format(name))
    # A superuser may do so anyway. An owner who made the role may not, unless they are granted it too.
    if connection.execute("select pg_has_role(%s, 'usage') and pg_has_role(%s, 'set')", [role, role]).fetchone() != (
        True,
    ):
        connection.execute(sql.SQL("grant {} to current_user with inherit true, set true").format(name))


def _grant_schemas(connection: psycopg.Connection, cell: str) -> None:
    schema, scratch = sql.Identifier(cell), sql.Identifier(f"{cell}_rebuild")
    projector, services = _roles(cell, [PROJECTOR]), _roles(cell, SERVICES)
    for statement in (
        sql.SQL("grant {} to {}").format(services, _roles(cell, ["app"])),
        sql.SQL("grant usage on schema {} to {}").format(schema, services),
        sql.SQL("grant usage on schema {} to {}").format(scratch, projector),
        sql.SQL("revoke create on schema {}, {} from {}").format(schema, scratch, services),
        sql.SQL("alter default privileges in schema {} grant {} on tables to {}").format(
            scratch, sql.SQL(_CHANGES), projector
        ),
        sql.SQL("alter default privileges in schema {} grant select on tables to {}").format(
            scratch, _roles(cell, READERS)
        ),
        *(
            sql.SQL("grant execute on function {} to {}").format(sql.Identifier(cell, name), projector)
            for name in _FUNCTIONS
        ),
    ):
        connection.execute(statement)


def _take_over(connection: psycopg.Connection, cell: str) -> None:
    """Make the owner the owner of tables that services of the version before made under <cell>_app.

    Each in a transaction of its own: such a service may run, and hold locks on several of them.
    """
    query = "select schemaname, tablename from pg_tables where schemaname in (%s, %s) and tableowner = %s"
    rows = connection.execute(query, [cell, f"{cell}_rebuild", role_of(cell, "app")]).fetchall()
    for schema, table in rows:
        with connection.transaction():
            name = sql.Identifier(schema, table)
            connection.execute(sql.SQL("alter table {} owner to current_user").format(name))
            _grant_projection(connection, cell, name)


def _grant_projection(connection: psycopg.Connection, cell: str, table: sql.Identifier) -> None:
    for privileges, services in ((sql.SQL(_CHANGES), [PROJECTOR]), (sql.SQL("select"), READERS)):
        connection.execute(sql.SQL("grant {} on {} to {}").format(privileges, table, _roles(cell, services)))


def _grant_tables(connection: psycopg.Connection, cell: str) -> None:
    services = _roles(cell, SERVICES)
    connection.execute(sql.SQL("revoke all on all tables in schema {} from {}").format(sql.Identifier(cell), services))
    for table, grants in GRANTS.items():
        for privileges, names in grants.items():
            statement = sql.SQL("grant {} on {} to {}")
            granted = sql.SQL(cast(LiteralString, privileges)), sql.Identifier(cell, table), _roles(cell, names)
            connection.execute(statement.format(*granted))
    forms = sql.SQL(
        "select tablename from pg_tables where schemaname = %s"
        " and tablename = any(select unnest(tables) from {}.projection_forms)"
    )
    for (table,) in connection.execute(forms.format(sql.Identifier(cell)), [cell]).fetchall():
        _grant_projection(connection, cell, sql.Identifier(cell, table))


def _roles(cell: str, services: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(role_of(cell, service)) for service in services)


def _set_password(connection: psycopg.Connection, role: str, password: str) -> None:
    """As its SCRAM verifier, made here: the statement may end up in the server's log."""
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("alter role {} login password {}").format(sql.Identifier(role), sql.Literal(verifier)))
