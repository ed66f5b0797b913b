"""The database itself refuses to change the log (issue line 5), and services may do no more than they must."""

from typing import LiteralString

import psycopg
import pytest

from tests.store.conftest import OpenStore
from tests.support.log import append, user_id

CHANGES: dict[str, LiteralString] = {
    "update": "update events set type = 'UserUnblocked'",
    "update of no row": "update events set type = 'UserUnblocked' where position = -1",
    "delete": "delete from events",
    "delete of no row": "delete from only events where false",
    "truncate": "truncate events",
    "truncate, with all others": "truncate events, log_head cascade",
    "merge": "merge into events e using log_head on true when matched then delete",
    "upsert": """
        insert into events
            (position, event_id, stream, version, type, schema_version, public, private, metadata, recorded_at, hash)
        select position, event_id, stream, version, type, schema_version, public, private, metadata, recorded_at, hash
        from events on conflict (position) do update set public = '{}'
    """,
}


@pytest.fixture
async def log_url(open_store: OpenStore, database_url: str) -> str:
    """A log with two events."""
    await open_store().append([append(user_id(), 0, 2)])
    return database_url


def connect(url: str, role: str) -> psycopg.Connection:
    return psycopg.connect(url, options=f"-c search_path=denizen -c role={role}", autocommit=True)


@pytest.mark.parametrize("role", ["denizen", "denizen_app"])
@pytest.mark.parametrize("change", CHANGES)
async def test_change_of_the_log_is_refused(log_url: str, change: str, role: str) -> None:
    with connect(log_url, role) as connection:
        before = connection.execute("select * from events order by position").fetchall()
        assert len(before) == 2
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute(CHANGES[change])
        assert connection.execute("select * from events order by position").fetchall() == before
    # The owner is stopped by the trigger, the services by their grants already.
    assert ("append-only" in str(caught.value)) == (role == "denizen")


@pytest.mark.parametrize(
    "statement",
    [
        "set session_replication_role = replica",
        "alter table events disable trigger append_only",
        "drop trigger append_only on events",
        "drop table events",
        "alter table events drop column hash",
        "create or replace function refuse_change() returns trigger language plpgsql as 'begin return new; end'",
        "delete from log_head",
        "insert into log_head values (false, 0)",
        "truncate log_head",
        "update claims set user_id = ''",
        "truncate claims",
        "update key_checks set value = ''",
        "delete from key_checks",
        "set role none; update events set type = ''",
    ],
)
async def test_service_role_has_no_further_rights(log_url: str, statement: LiteralString) -> None:
    with connect(log_url, "denizen_app") as connection:
        # Services connect as a role that may only be <cell>_app; the tests' own is a superuser who became it.
        if statement.startswith("set role none"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                connection.execute(statement)
        else:
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)):
                connection.execute(statement)


async def test_insert_needs_a_new_version(open_store: OpenStore, database_url: str) -> None:
    store, user = open_store(), user_id()
    await store.append([append(user)])
    with connect(database_url, "denizen_app") as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(
            "insert into events (position, event_id, stream, version, type, schema_version, public, private, metadata,"
            " recorded_at, hash) select position + 1, event_id, stream, version, type, schema_version, public, private,"
            " metadata, recorded_at, hash from events"
        )
