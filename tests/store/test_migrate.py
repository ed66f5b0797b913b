"""The schema is made once, however many begin at once."""

import os
import subprocess
import sys
from itertools import count

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from services.embedded.postgres import Postgres
from services.eventstore.migrations.migrate import migrate
from tests.support.servers import REPOSITORY

_NUMBERS = count()


def empty_database(postgres: Postgres) -> str:
    """The owner's address of a database without any cell; it goes with the server."""
    name = f"empty_{next(_NUMBERS)}"
    with psycopg.connect(make_conninfo(postgres.url, dbname="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return postgres.url.removesuffix("/denizen") + f"/{name}"


def tables(url: str, cell: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("select tablename from pg_tables where schemaname = %s", [cell]).fetchall()
    return {name for (name,) in rows}


def test_concurrent_migrations_of_a_new_cell_succeed(postgres: Postgres) -> None:
    """Schema, tables and the role of the services are all new."""
    url = empty_database(postgres)
    environment = {**os.environ, "DENIZEN_DATABASE_URL": url, "DENIZEN_CELL": "twice"}
    command = [sys.executable, "-m", "services.cli", "migrate"]
    processes = [
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert tables(url, "twice") >= {"events", "log_head", "claims", "data_keys", "commands", "key_checks"}
    with psycopg.connect(url, options="-c search_path=twice -c role=twice_app") as connection:
        assert connection.execute("select position from log_head").fetchall() == [(0,)]


def test_repeated_migration_changes_nothing(postgres: Postgres) -> None:
    url = empty_database(postgres)
    migrate(url, "again")
    with psycopg.connect(url, options="-c search_path=again") as connection:
        connection.execute("update log_head set position = 7")
    migrate(url, "again")
    with psycopg.connect(url, options="-c search_path=again") as connection:
        assert connection.execute("select position from log_head").fetchall() == [(7,)]


def test_cells_in_one_database_are_separate(postgres: Postgres) -> None:
    url = empty_database(postgres)
    migrate(url, "one")
    migrate(url, "two")
    with psycopg.connect(url, options="-c role=two_app") as connection:
        assert connection.execute("select has_schema_privilege('one', 'usage')").fetchall() == [(False,)]
        assert connection.execute("select position from two.log_head").fetchall() == [(0,)]


def test_lock_of_a_dead_migration_is_ignored(postgres: Postgres) -> None:
    """The lock table of yoyo would block every migration for ever."""
    url = empty_database(postgres)
    migrate(url, "dead")
    with psycopg.connect(url, options="-c search_path=dead") as connection:
        connection.execute("insert into yoyo_lock (locked, ctime, pid) values (1, now(), 999999)")
    migrate(url, "dead")


def test_cell_migrated_by_a_newer_version_is_refused(postgres: Postgres) -> None:
    url = empty_database(postgres)
    migrate(url, "newer")
    with psycopg.connect(url, options="-c search_path=newer") as connection:
        connection.execute(
            "insert into _yoyo_migration (migration_hash, migration_id, applied_at_utc)"
            " values ('x', '9999.future', now())"
        )
    command = [sys.executable, "-m", "services.cli", "migrate"]
    environment = {**os.environ, "DENIZEN_DATABASE_URL": url, "DENIZEN_CELL": "newer"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "a newer version of Denizen has migrated newer (9999.future), and this one cannot use it: "
        "run the newer version, or restore the backup of before its migration"
    )
