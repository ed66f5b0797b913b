"""The roles of a cell: made, handed over from the version before, and declared for every table."""

from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
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
from services.platform.database import Connection, Database
from services.platform.settings import Settings
from services.projector import checkpoints
from services.projector.rebuild import Rebuild
from tests.support.log import append, ring, settings, until, user_id
from tests.support.servers import PostgresServer

_NUMBERS = count()
_OWNERS_LOGIN = "0009"
"""The last migration of the version whose services logged in as the owner."""
_PROJECTORS_TABLES = "0017"
"""The last migration of the version whose projector's login owned the tables of the projections."""


@contextmanager
def _empty_database(postgres: PostgresServer) -> Generator[str]:
    """The owner's address of a database without any cell."""
    name = f"roles_{next(_NUMBERS)}"
    with psycopg.connect(make_conninfo(postgres.url, dbname="postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        yield make_conninfo(postgres.url, dbname=name)
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _migrate_to(url: str, cell: str, last: str) -> None:
    """Apply the migrations up to the number `last`, as `denizen migrate` of an earlier version did."""
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
            old = MigrationList([each for each in every if each.id[:4] <= last])
            backend.apply_migrations(backend.to_apply(old))
    finally:
        backend.connection.close()


def _as_service(url: str, cell: str, service: str) -> Settings:
    """The settings of a service that logs in by its own password."""
    login = roles.login(url, cell, service, "a secret")
    return settings(login).model_copy(update={"cell": cell})


async def _make_tables(connection: Connection) -> None:
    """Make the tables of the projections as the projector of an earlier version did, which then owned them."""
    await connection.execute(
        "create table if not exists projections (name text primary key, version integer not null,"
        " position bigint not null, applied_at timestamptz not null default now())"
    )
    for projection in projections.ALL:
        for statement in (projection.create, *projection.index):
            await connection.execute(statement)
        checkpoint = "insert into projections values (%s, %s, 0) on conflict do nothing"
        await connection.execute(checkpoint, [projection.name, projection.version])


async def test_migration_takes_over_tables_beside_earlier_services(postgres: PostgresServer) -> None:
    cell = "before"
    with _empty_database(postgres) as url:
        _migrate_to(url, cell, _OWNERS_LOGIN)
        old = settings(url).model_copy(update={"cell": cell})
        user = user_id()
        store, database = PostgresEventStore(old, ring(), "old"), Database(old, "old", use_seconds=30)
        async with database.connection() as connection:
            await _make_tables(connection)
        await store.append([append(user, 0, 3)])
        await store.check_keys()

        migrate(url, cell, dict.fromkeys(roles.SERVICES, "a secret"))
        migrate(url, cell)

        assert _owners(url, cell) == {("denizen",)}
        async with database.connection() as connection:
            await connection.execute("create table if not exists projections ()")
            await connection.execute("delete from users")
        await store.append([append(user, 3, 1)])
        await store.close()
        await database.close()

        reader = PostgresEventStore(_as_service(url, cell, "directory"), ring(), "directory", role="directory")
        assert [event.version for event in await reader.read(0, 10)] == [1, 2, 3, 4]
        await reader.close()
        assert await _rebuilt(url, cell) == 4
        with psycopg.connect(_as_service(url, cell, "directory").database_url.get_secret_value()) as directory:  # pyright: ignore[reportOptionalMemberAccess]
            assert directory.execute("select count(*) from before.users").fetchone() == (0,)


async def test_rebuild_under_way_at_the_migration_is_cleared_away(postgres: PostgresServer) -> None:
    """A rebuild of the version before, in the middle of a transaction."""
    cell = "under_way"
    with _empty_database(postgres) as url, ThreadPoolExecutor() as threads:
        _migrate_to(url, cell, _OWNERS_LOGIN)
        old = settings(url).model_copy(update={"cell": cell})
        live, rebuild = Database(old, "live"), Database(old, "rebuild", options={"search_path": f"{cell}_rebuild"})
        async with live.connection() as connection, rebuild.connection() as scratch:
            await _make_tables(connection)
            await scratch.execute(projections.ALL[1].create)
            async with scratch.transaction():
                await scratch.execute("insert into by_email values ('canary', 'canary')")
                migrating = threads.submit(migrate, url, cell, dict.fromkeys(roles.SERVICES, "a secret"))
                await until(lambda: _is_blocked(url), "the migration waits for the rebuild")
            migrating.result(30)
            for statement in (
                "create index more on by_email (email_key)",
                "drop table under_way.by_email",
                "alter table by_email set schema under_way",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    await scratch.execute(statement)
        await live.close()
        await rebuild.close()
        assert await _rebuilt(url, cell) == 0
        with psycopg.connect(url) as owner:
            assert owner.execute("select from pg_tables where schemaname = 'under_way_rebuild'").fetchone() is None
            assert owner.execute("select from under_way.by_email").fetchone() is None


async def _is_blocked(url: str) -> bool:
    with psycopg.connect(url) as owner:
        return owner.execute("select from pg_locks where not granted").fetchone() is not None


async def test_tables_made_by_the_projector_login_are_rebuilt(postgres: PostgresServer) -> None:
    """They may hold code of a thief, which the new version's readers would run."""
    cell = "planted"
    with _empty_database(postgres) as url:
        _migrate_to(url, cell, _PROJECTORS_TABLES)
        with psycopg.connect(url, autocommit=True) as owner:
            with suppress(psycopg.errors.DuplicateObject):
                owner.execute("create role planted_projector nologin")
            owner.execute("grant usage, create on schema planted, planted_rebuild to planted_projector")
        thief = Database(settings(url).model_copy(update={"cell": cell}), "thief", role="projector")
        async with thief.connection() as connection:
            await _make_tables(connection)
            await connection.execute(
                "create function run() returns boolean return true;"
                " alter table users enable row level security; create policy run on users using (run())"
            )
        await thief.close()

        migrate(url, cell, dict.fromkeys(roles.SERVICES, "a secret"))

        assert await _rebuilt(url, cell) == 0
        assert _owners(url, cell) == {("denizen",)}
        with psycopg.connect(url) as owner:
            assert owner.execute("select from pg_policy").fetchone() is None
            assert owner.execute("select from pg_proc where proname = 'run'").fetchone() is None


def test_migration_leaves_the_projector_login_its_rights_in_another_database(postgres: PostgresServer) -> None:
    """Roles belong to the server: a cell of this name in another of its databases has the same."""
    with _empty_database(postgres) as other, _empty_database(postgres) as url:
        migrate(other, "twin", dict.fromkeys(roles.SERVICES, "a secret"))
        name = sql.Identifier(str(conninfo_to_dict(other)["dbname"]))
        with psycopg.connect(other, autocommit=True) as owner:
            owner.execute(sql.SQL("revoke connect on database {} from public").format(name))
            owner.execute(sql.SQL("grant connect on database {} to twin_projector").format(name))

        migrate(url, "twin", dict.fromkeys(roles.SERVICES, "a secret"))

        with psycopg.connect(roles.login(other, "twin", "projector", "a secret")) as projector:
            assert projector.execute("select count(*) from twin.projections").fetchone() == (0,)


async def _rebuilt(url: str, cell: str) -> int:
    """The position up to which the projector's login has rebuilt all projections."""
    projector = _as_service(url, cell, "projector")
    store = PostgresEventStore(projector, ring(), "projector", role="projector")
    built = await Rebuild(projector, store).run(projections.ALL)
    await store.close()
    return built.position


def _owners(url: str, cell: str) -> set[tuple[Any, ...]]:
    """The owners of the tables of the projections."""
    names = ["projections", *(table for projection in projections.ALL for table in projection.tables)]
    with psycopg.connect(url) as owner:
        query = "select tableowner from pg_tables where schemaname = %s and tablename = any(%s)"
        return set(owner.execute(query, [cell, names]).fetchall())


async def test_role_of_a_connection_ignores_the_environment(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENIZEN_DATABASE_ROLE", "accounts")
    database = Database(settings(database_url), "relay", role="relay")
    assert await database.fetch("select current_user", []) == [("denizen_relay",)]
    await database.close()


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


CODE: tuple[LiteralString, ...] = (
    "create policy thief on users using (true)",
    "alter table users enable row level security",
    "create rule thief as on insert to users do also delete from words",
    "create trigger thief before insert on users execute function refuse_change()",
    "alter table users add column thief text default current_user",
    "create index thief on users (lower(name))",
    "alter table users rename to hidden",
    "drop table users",
    "create view thief as select 1",
    "create table thief ()",
    "create table thief_rebuild.users ()",
    "create function thief() returns boolean return true",
    "create domain thief as text",
    "update projection_forms set steps = '{}'",
    "create or replace function drop_scratch_tables() returns void begin atomic; end",
)
"""By which a thief of the projector's login would have others run code."""


async def test_projector_login_cannot_put_code_into_tables(postgres: PostgresServer) -> None:
    cell = "thief"
    with _empty_database(postgres) as url:
        migrate(url, cell, dict.fromkeys(roles.SERVICES, "a secret"))
        projector = Database(_as_service(url, cell, "projector"), "projector", role="projector")
        async with projector.connection() as connection:
            await checkpoints.prepare(connection, projections.ALL)
        assert await _rebuilt(url, cell) == 0
        async with projector.connection() as connection:
            for statement in CODE:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    await connection.execute(statement)
        await projector.close()
        with psycopg.connect(url) as owner:
            belongs = "select from pg_shdepend where refobjid = 'thief_projector'::regrole and deptype = 'o'"
            assert owner.execute(belongs).fetchone() is None, "nothing belongs to it"


READ: Mapping[str, set[str]] = {
    "passwords.hash": {"accounts", "transfer"},
    "codes.digest": {"accounts", "transfer"},
    "codes.long_digest": {"accounts", "transfer"},
    "sessions.salt": {"accounts", "transfer"},
    "sessions.private": {"accounts", "directory", "transfer"},
    "server_keys.wrapped": {"accounts", "transfer"},
    "mails.private": {"accounts", "mailer"},
    "data_keys.wrapped": {"accounts", "directory", "transfer", "projector", "mailer"},
    "events.private": {"accounts", "directory", "transfer", "projector"},
    "events.public": {"accounts", "directory", "transfer", "projector", "relay"},
    "snapshots.private": {"accounts", "directory", "transfer"},
    "claims.key": {"accounts", "transfer"},
    "commands.refusal": {"accounts", "transfer"},
    "throttles.key": {"accounts"},
    "users.doc": {"directory", "transfer", "projector"},
    "login_history.ip": {"directory", "transfer", "projector"},
}
"""By column with secrets or personal data: the services that read it."""
CHANGED: Mapping[str, Mapping[str, set[str]]] = {
    "events": {"insert": {"accounts", "transfer"}, "update": set(), "delete": set()},
    "log_head": {"insert": set(), "update": {"accounts", "transfer"}, "delete": set()},
    "claims": {"insert": {"accounts", "transfer"}, "update": set(), "delete": {"accounts", "transfer"}},
    "data_keys": {"insert": {"accounts", "transfer"}, "update": set(), "delete": {"accounts", "transfer"}},
    "snapshots": {"insert": {"accounts", "transfer"}, "update": set(), "delete": {"accounts", "directory", "transfer"}},
    "key_checks": {
        "insert": {"accounts", "directory", "transfer", "projector", "mailer"},
        "update": set(),
        "delete": set(),
    },
    "passwords": {name: {"accounts", "transfer"} for name in ("insert", "update", "delete")},
    "block_ends": {name: {"accounts", "transfer"} for name in ("insert", "update", "delete")},
    "sessions": {"insert": {"accounts"}, "update": {"accounts"}, "delete": {"accounts", "transfer"}},
    "commands": {"insert": {"accounts", "transfer"}, "update": {"accounts", "transfer"}, "delete": {"accounts"}},
    "mails": {"insert": {"accounts", "transfer"}, "update": {"mailer"}, "delete": {"accounts", "transfer", "mailer"}},
    "server_keys": {name: {"accounts", "transfer"} for name in ("insert", "update", "delete")},
    "projection_forms": {"insert": set(), "update": set(), "delete": set()},
    "projections": {"insert": {"projector"}, "update": {"projector"}, "delete": set()},
    "users": {name: {"projector"} for name in ("insert", "update", "delete")},
}
"""By table and privilege: the services that have it on any column."""


async def test_services_have_only_the_reviewed_rights(postgres: PostgresServer) -> None:
    """Written down apart from GRANTS: a right too many there, or one too few, is seen here."""
    with _empty_database(postgres) as url:
        migrate(url, "rights", dict.fromkeys(roles.SERVICES, "a secret"))
        assert await _rebuilt(url, "rights") == 0
        with psycopg.connect(url) as owner:
            for column, services in READ.items():
                table, _, name = column.partition(".")
                granted = "has_column_privilege('rights_' || service, %s, %s, 'select')"
                assert _services(owner, granted, f"rights.{table}", name) == services, column
            for table, changes in CHANGED.items():
                for privilege, services in changes.items():
                    granted = "has_table_privilege('rights_' || service, %s, %s)"
                    if privilege != "delete":
                        granted = "has_any_column_privilege('rights_' || service, %s, %s)"
                    assert _services(owner, granted, f"rights.{table}", privilege) == services, (table, privilege)


def _services(owner: psycopg.Connection[Any], granted: LiteralString, *values: str) -> set[str]:
    """The services of which an expression of SQL is true."""
    query = sql.SQL("select service from unnest(%s::text[]) service where ") + sql.SQL(granted)
    return {service for (service,) in owner.execute(query, [list(roles.SERVICES), *values]).fetchall()}


async def test_owner_functions_serve_the_projector_alone(postgres: PostgresServer) -> None:
    """They run as the owner: each is named here, with arguments that name a projection and are no SQL."""
    with _empty_database(postgres) as url:
        migrate(url, "owner", dict.fromkeys(roles.SERVICES, "a secret"))
        with psycopg.connect(url) as owner:
            found = owner.execute(
                "select p.oid::regprocedure::text, array(select service from unnest(%s::text[]) service"
                " where has_function_privilege('owner_' || service, p.oid, 'execute')) from pg_proc p"
                " where prosecdef and pronamespace = 'owner'::regnamespace order by 1",
                [list(roles.SERVICES)],
            ).fetchall()
        assert found == [
            ("owner.drop_scratch_tables()", ["projector"]),
            ("owner.make_projection(text,integer,integer)", ["projector"]),
            ("owner.swap_projection(text,integer)", ["projector"]),
        ]
        projector = Database(_as_service(url, "owner", "projector"), "projector", role="projector")
        for argument in ("users; drop table owner.events", "users'; drop table owner.events; --", "owner.events"):
            async with projector.connection() as connection:
                with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                    await connection.execute("select make_projection(%s, 5, 1)", [argument])
                with pytest.raises(psycopg.errors.NullValueNotAllowed):
                    await connection.execute("select swap_projection(%s, 5)", [argument])
        await projector.close()


async def test_owner_functions_run_no_code_of_their_caller(postgres: PostgresServer) -> None:
    """A temporary table in the place of one that is missing: its trigger would run as the owner."""
    cell = "caller"
    with _empty_database(postgres) as url:
        migrate(url, cell, dict.fromkeys(roles.SERVICES, "a secret"))
        projector = Database(_as_service(url, cell, "projector"), "projector", role="projector")
        async with projector.connection() as connection:
            await connection.execute(
                "create temporary table words (word text); create temporary table user_words (word text);"
                " insert into user_words values ('thief'); create temporary table ran (who text);"
                " create function pg_temp.run() returns trigger language plpgsql as"
                " $$ begin insert into pg_temp.ran values (current_user); return new; end $$;"
                " create trigger run before insert on words execute function pg_temp.run()"
            )
            for statement in checkpoints.making(projections.USERS):
                with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="temporary tables"):
                    await connection.execute(statement)
            assert await (await connection.execute("select who from ran")).fetchall() == []
        await projector.close()


async def test_projection_of_another_version_is_not_made(postgres: PostgresServer) -> None:
    cell = "another"
    with _empty_database(postgres) as url:
        migrate(url, cell, dict.fromkeys(roles.SERVICES, "a secret"))
        projector = Database(_as_service(url, cell, "projector"), "projector", role="projector")
        newer = replace(projections.USERS, version=projections.USERS.version + 1)
        async with projector.connection() as connection:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="run `denizen migrate`"):
                await checkpoints.prepare(connection, [newer])
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
        service = PostgresEventStore(_as_service(managed, "managed", "accounts"), ring(), "accounts", role="accounts")
        await service.append([append(user_id())])
        assert await service.head() == 2
        await service.close()
