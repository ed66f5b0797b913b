"""The roles of a cell: made, handed over from the version before, and declared for every table."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import as_file, files
from itertools import count
from typing import Any, LiteralString

import psycopg
import pytest
import yoyo
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import MigrationList

import projections
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.migrations import roles
from services.eventstore.migrations.migrate import migrate
from services.platform.database import Database, DatabaseUnavailable
from services.platform.settings import Settings
from services.projector import checkpoints
from services.projector.rebuild import Rebuild
from tests.support.log import append, ring, settings, user_id
from tests.support.servers import PostgresServer

_NUMBERS = count()
_BEFORE = "0009"
"""The last migration of the version whose services logged in as the owner."""


@contextmanager
def _empty_database(postgres: PostgresServer) -> Generator[str]:
    """The owner's address of a database without any cell."""
    name = f"roles_{next(_NUMBERS)}"
    with psycopg.connect(make_conninfo(postgres.url, dbname="postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        yield make_conninfo(postgres.url, dbname=name)
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _migrate_as_before(url: str, cell: str) -> None:
    """What `denizen migrate` of the version before did."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(sql.SQL("create schema {}").format(sql.Identifier(cell)))
    args = {**conninfo_to_dict(url), "schema": cell}
    database = str(args.pop("dbname"))
    uri = DatabaseURI("postgresql+psycopg", None, None, None, None, database, args)
    backend = PostgresqlPsycopgBackend(uri, "_yoyo_migration")
    try:
        backend.init_database()
        with as_file(files("services.eventstore.migrations") / "steps") as directory:
            every: list[Any] = list(yoyo.read_migrations(str(directory)))
            old = MigrationList([each for each in every if each.id[:4] <= _BEFORE])
            backend.apply_migrations(backend.to_apply(old))
    finally:
        backend.connection.close()


def _as_service(url: str, cell: str, service: str) -> Settings:
    """The settings of a service that logs in by its own password."""
    login = roles.login(url, cell, service, "a secret")
    return settings(login).model_copy(update={"cell": cell}).acting_as(service)


async def test_database_of_the_version_before_is_handed_over(postgres: PostgresServer) -> None:
    cell = "before"
    with _empty_database(postgres) as url:
        _migrate_as_before(url, cell)
        old = settings(url).model_copy(update={"cell": cell})
        user = user_id()
        store, database = PostgresEventStore(old, ring(), "old"), Database(old, "old")
        async with database.connection() as connection:
            await checkpoints.prepare(connection, projections.ALL)
        await store.append([append(user, 0, 3)])
        await store.check_keys()

        migrate(url, cell, dict.fromkeys(roles.SERVICES, "a secret"))
        migrate(url, cell)

        assert _owners(url, cell) == {("before_projector",)}
        # Services of the version before may still run.
        async with database.connection() as connection:
            await checkpoints.prepare(connection, projections.ALL)
            await connection.execute("delete from users")
        await store.append([append(user, 3, 1)])
        await store.close()
        await database.close()

        reader = PostgresEventStore(_as_service(url, cell, "directory"), ring(), "directory")
        assert [event.version for event in await reader.read(0, 10)] == [1, 2, 3, 4]
        await reader.close()
        logged = PostgresEventStore(_as_service(url, cell, "projector"), ring(), "projector")
        built = await Rebuild(_as_service(url, cell, "projector"), logged).run(projections.ALL)
        assert built.position == 4
        await logged.close()
        assert _owners(url, cell) == {("before_projector",)}
        with psycopg.connect(_as_service(url, cell, "directory").database_url.get_secret_value()) as directory:  # pyright: ignore[reportOptionalMemberAccess]
            assert directory.execute("select count(*) from before.users").fetchone() == (0,)


def _owners(url: str, cell: str) -> set[tuple[Any, ...]]:
    """Who owns the tables of the projections."""
    names = ["projections", *(table for projection in projections.ALL for table in projection.tables)]
    with psycopg.connect(url) as owner:
        query = "select tableowner from pg_tables where schemaname = %s and tablename = any(%s)"
        return set(owner.execute(query, [cell, names]).fetchall())


def test_every_table_has_declared_grants(database_url: str) -> None:
    """A table of a new migration: add it to GRANTS in services/eventstore/migrations/roles.py."""
    with psycopg.connect(database_url) as owner:
        found = owner.execute("select tablename from pg_tables where schemaname = 'denizen'").fetchall()
    ours = {name for (name,) in found if "yoyo" not in name}
    assert ours | {"_yoyo_migration"} == set(roles.GRANTS)


def test_undeclared_grant_is_revoked_by_a_migration(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("grant select on denizen.passwords to denizen_relay")
        owner.execute("grant select (private) on denizen.events to denizen_relay")
    migrate(database_url, "denizen")
    with psycopg.connect(database_url, options="-c role=denizen_relay", autocommit=True) as relay:
        for statement in ("select hash from denizen.passwords", "select private from denizen.events"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                relay.execute(statement)


@pytest.mark.parametrize(
    "change",
    [
        """
        alter table projections enable row level security;
        alter table projections force row level security;
        create policy thief on projections using (run())
        """,
        """
        alter table projections rename to hidden;
        create view projections as select * from hidden where run();
        grant select on projections to public
        """,
    ],
    ids=["policy", "view"],
)
async def test_reader_runs_no_code_of_the_projector(postgres: PostgresServer, change: LiteralString) -> None:
    """As the owner, such code could make the projector's login a superuser."""
    cell = "thief"
    with _empty_database(postgres) as url:
        migrate(url, cell, dict.fromkeys(roles.SERVICES, "a secret"))
        projector = Database(_as_service(url, cell, "projector"), "projector")
        async with projector.connection() as connection:
            await checkpoints.prepare(connection, projections.ALL)
            await connection.execute("insert into projections values ('thief', 1, 1)")
            await connection.execute(
                "create sequence ran; grant usage on sequence ran to public;"
                " create function run() returns boolean language sql volatile as $$ select nextval('ran') > 0 $$"
            )
            await connection.execute(change)
        for reader in (settings(url).model_copy(update={"cell": cell}), _as_service(url, cell, "directory")):
            database = Database(reader, "reader")
            with pytest.raises((psycopg.Error, DatabaseUnavailable)):
                await database.fetch("select count(*) from projections", [])
            await database.close()
        assert await projector.fetch("select is_called from ran", []) == [(False,)]
        await projector.close()


def test_given_password_is_set_and_others_stay(postgres: PostgresServer) -> None:
    with _empty_database(postgres) as url:
        migrate(url, "word")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(roles.login(url, "word", "relay", "first"))
        for given, good in (({"relay": "first"}, "first"), ({}, "first"), ({"relay": "second"}, "second")):
            migrate(url, "word", given)
            with psycopg.connect(roles.login(url, "word", "relay", good)) as relay:
                assert relay.execute("select session_user").fetchone() == ("word_relay",)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(roles.login(url, "word", "relay", "first"))
        with psycopg.connect(url) as owner:
            stored = owner.execute("select rolpassword from pg_authid where rolname = 'word_relay'").fetchone()
        assert stored
        assert stored[0].startswith("SCRAM-SHA-256$")


async def test_owner_without_superuser_rights_can_migrate(postgres: PostgresServer) -> None:
    with _empty_database(postgres) as url:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("drop role if exists manager")
            admin.execute("create role manager login createrole password 'a secret'")
            name = conninfo_to_dict(url)["dbname"]
            admin.execute(sql.SQL("alter database {} owner to manager").format(sql.Identifier(str(name))))
            admin.execute("grant create on schema public to manager")
        managed = make_conninfo(url, user="manager", password="a secret")
        for _ in range(2):
            migrate(managed, "managed", dict.fromkeys(roles.SERVICES, "a secret"))
        store = PostgresEventStore(settings(managed).model_copy(update={"cell": "managed"}), ring(), "operator")
        await store.append([append(user_id())])
        await store.close()
        service = PostgresEventStore(_as_service(managed, "managed", "accounts"), ring(), "accounts")
        await service.append([append(user_id())])
        assert await service.head() == 2
        await service.close()
