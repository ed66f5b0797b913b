"""Threat 31: what a service's login of PostgreSQL and its environment let a thief do, on a running `denizen up`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from services.embedded.home import Home
from services.eventstore.keys import data_keys
from services.eventstore.migrations.roles import GRANTS, SERVICES
from tests.support.servers import Denizen, eventually

SERVERS = ("postgres", "nats", "smtp")
FOR_ALL = {
    *("DENIZEN_HOME", "DENIZEN_NATS_PORT", "DENIZEN_NATS_URL", "DENIZEN_DATABASE_URL"),
    *("DENIZEN_NATS_WEBSOCKET", "DENIZEN_NATS_WEBSOCKET_ORIGINS"),
}
SIGNAL, RESPONDER = "DENIZEN_NATS_SIGNAL_PASSWORD", "DENIZEN_NATS_RESPONDER_PASSWORD"
KNOWN: Mapping[str, set[str]] = {
    "postgres": set(),
    "smtp": set(),
    "nats": {
        f"DENIZEN_NATS_{user}_PASSWORD"
        for user in (
            *("SYSTEM", "RESPONDER", "REGISTRAR", "SIGNAL", "RELAY", "REVOKER"),
            *("BACKEND", "FRONTEND", "SUBSCRIBER", "OPERATOR"),
        )
    },
    "accounts": {*FOR_ALL, SIGNAL, RESPONDER, "DENIZEN_NATS_REVOKER_PASSWORD"},
    "directory": {*FOR_ALL, SIGNAL, RESPONDER},
    "transfer": {*FOR_ALL, SIGNAL, RESPONDER},
    "projector": {*FOR_ALL, SIGNAL},
    "relay": {*FOR_ALL, SIGNAL, "DENIZEN_NATS_RELAY_PASSWORD", "DENIZEN_NATS_REGISTRAR_PASSWORD"},
    "mailer": {*FOR_ALL, SIGNAL, "DENIZEN_SMTP_URL"},
}
"""By child: the variables DENIZEN_… that it has, where the keys are files."""
KEYS = {"DENIZEN_KEY_ENCRYPTION_KEYS", "DENIZEN_CLAIM_KEY"}
ITS_KEYS: Mapping[str, set[str]] = {
    "accounts": KEYS,
    "directory": KEYS,
    "transfer": KEYS,
    "projector": {"DENIZEN_KEY_ENCRYPTION_KEYS"},
    "mailer": {"DENIZEN_KEY_ENCRYPTION_KEYS"},
}

OWNERS: tuple[LiteralString, ...] = (
    "set role none; update events set type = ''",
    "set role none; delete from events",
    "set role denizen",
    "set role denizen_app",
    "set session authorization denizen",
    "reset session authorization; alter table events disable trigger append_only",
    "alter table events disable trigger all",
    "alter table events add column canary text",
    "alter table data_keys owner to current_user",
    "drop trigger append_only on events",
    "drop table events",
    "create or replace function refuse_change() returns trigger language plpgsql as 'begin return new; end'",
    "set session_replication_role = replica",
    "delete from events",
    "update events set public = '{}'",
    "truncate events",
    "update log_head set singleton = false",
    "delete from log_head",
    "delete from retired_epochs",
    "create role canary",
    "alter role current_user superuser",
    "alter role denizen password 'canary'",
    "select rolpassword from pg_authid",
    "select pg_read_file('/proc/self/environ')",
    "copy (select 1) to program 'true'",
    "create extension dblink",
    "create table canary ()",
    "create table denizen_rebuild.canary ()",
    "create function canary() returns int return 1",
    "alter table users add column canary text",
    "create policy canary on users using (true)",
    "truncate users",
    "drop table users",
)
"""What only an owner or superuser may do: refused to each service."""

UNNEEDED: Mapping[str, tuple[LiteralString, ...]] = {
    "directory": (
        *("select hash from passwords", "select digest from codes", "select key from claims"),
        *("select wrapped from server_keys", "select generation from sessions", "select salt from sessions"),
        *("select private from mails", "select refusal from commands", "select first from import_ids"),
        *("delete from sessions", "delete from data_keys", "update log_head set position = 0"),
        "insert into passwords values ('user_canary', 'canary')",
    ),
    "transfer": (
        *("select private from mails", "select key from throttles", "update data_keys set wrapped = wrapped"),
        *("insert into sessions select * from sessions", "delete from commands", "delete from events"),
    ),
    "projector": (
        *("select hash from passwords", "select digest from codes", "select key from claims"),
        *("select wrapped from server_keys", "select salt from sessions", "select private from mails"),
        *("select refusal from commands", "delete from data_keys", "update log_head set position = 0"),
        "insert into events (position) values (1)",
    ),
    "relay": (
        *("select private from events", "select hash from events", "select wrapped from data_keys"),
        *("select hash from passwords", "select digest from codes", "select key from claims"),
        *("select wrapped from server_keys", "select salt from sessions", "select private from mails"),
        *("select refusal from commands", "select value from key_checks", "select doc from users"),
        *("insert into mails select * from mails", "update log_head set position = 0"),
        "insert into events (position) values (1)",
    ),
    "mailer": (
        *("select private from events", "select public from events", "select position from log_head"),
        *("select hash from passwords", "select digest from codes", "select key from claims"),
        *("select wrapped from server_keys", "select salt from sessions", "select doc from users"),
        *("select refusal from commands", "delete from data_keys", "insert into mails select * from mails"),
    ),
    "accounts": (
        *("select doc from users", "update mails set due_at = now()", "delete from key_checks"),
        "update server_keys set public = ''",
        "update claims set user_id = ''",
    ),
}
"""What a service does not need: refused to it."""


def environment(denizen: Denizen, child: str) -> dict[str, str]:
    """The variables of a child as the kernel has them."""

    def found() -> dict[str, str]:
        try:
            return psutil.Process(denizen.pids()[child]).environ()
        except (KeyError, psutil.NoSuchProcess):
            return {}

    return eventually(found, 30, child)


def logged_in(denizen: Denizen, service: str) -> psycopg.Connection[Any]:
    """A connection as the service makes its own, without the role that it takes on."""
    url = environment(denizen, service)["DENIZEN_DATABASE_URL"]
    return psycopg.connect(url, options="-c search_path=denizen", autocommit=True)


@pytest.mark.parametrize("service", SERVICES)
def test_service_logs_in_as_itself(denizen: Denizen, service: str) -> None:
    with logged_in(denizen, service) as connection:
        row = connection.execute(
            "select session_user, current_user, rolsuper, rolcreaterole, rolbypassrls from pg_roles"
            " where rolname = session_user"
        ).fetchone()
        assert row == (f"denizen_{service}", f"denizen_{service}", False, False, False)
        roles = connection.execute("select rolname from pg_roles where pg_has_role(oid, 'set')").fetchall()
        assert roles == [(f"denizen_{service}",)]


@pytest.mark.parametrize("service", SERVICES)
def test_service_login_lacks_the_rights_of_the_owner(denizen: Denizen, service: str) -> None:
    with logged_in(denizen, service) as connection:
        for statement in OWNERS:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
            connection.execute("reset role")


@pytest.mark.parametrize("service", SERVICES)
def test_service_login_reads_only_needed_secrets(denizen: Denizen, service: str) -> None:
    with logged_in(denizen, service) as connection:
        for statement in UNNEEDED[service]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


@pytest.mark.parametrize("service", SERVICES)
def test_service_login_has_declared_rights_only(denizen: Denizen, service: str) -> None:
    declared = {
        (table, word)
        for table, grants in GRANTS.items()
        for privileges, services in grants.items()
        for word in re.sub(r"\(.*?\)", "", privileges).replace(",", " ").split()
        if service in services
    }
    with logged_in(denizen, service) as connection:
        found = connection.execute(
            "select t, p from unnest(%s::text[]) t, unnest('{select,insert,update,delete,truncate,trigger,references}'"
            "::text[]) p where has_table_privilege(t, p)"
            " or p in ('select', 'insert', 'update', 'references') and has_any_column_privilege(t, p)",
            [list(GRANTS)],
        ).fetchall()
    assert set(found) == declared


@pytest.mark.embedded
@pytest.mark.parametrize("child", [*SERVERS, *SERVICES])
def test_child_environment_holds_its_own_variables(denizen: Denizen, child: str) -> None:
    variables = environment(denizen, child)
    assert {name for name in variables if name.startswith("DENIZEN_")} == KNOWN[child]
    owner = str(conninfo_to_dict(denizen.database_url)["password"])
    foreign = [owner, *(variable for name, variable in _secrets(denizen).items() if name not in KNOWN[child])]
    assert not [name for name, value in variables.items() for secret in foreign if secret in value]


def _secrets(denizen: Denizen) -> dict[str, str]:
    """What is in the files of keys/, the passwords of NATS by their variables."""
    return {
        f"DENIZEN_{path.name.upper().replace('-', '_')}_PASSWORD": path.read_text().strip()
        for path in (denizen.home / "keys").iterdir()
    }


@pytest.mark.embedded
def test_keys_in_the_environment_reach_only_their_services(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    data_keys.create_missing(home.path)
    keys = home.path / "keys"
    key_encryption, claims = (keys / "kek-1").read_text().strip(), (keys / "claims").read_text().strip()
    for name in ("kek-1", "claims"):
        (keys / name).unlink()
    given = {"DENIZEN_KEY_ENCRYPTION_KEYS": f"1:{key_encryption}", "DENIZEN_CLAIM_KEY": claims}
    extra = {"PGPASSWORD": "canary", "AWS_SECRET_ACCESS_KEY": "canary", "DENIZEN_UNKNOWN": "canary"}
    denizen = Denizen(home.path, **given, **extra)
    denizen.start()
    try:
        for child in (*SERVERS, *SERVICES):
            variables = environment(denizen, child)
            assert variables.keys() & KEYS == ITS_KEYS.get(child, set()), child
            assert "canary" not in variables.values(), child
            hidden = [key_encryption, claims][len(ITS_KEYS.get(child, ())) :]
            assert not [value for value in variables.values() for secret in hidden if secret in value], child
        with psycopg.connect(denizen.database_url) as owner:
            # As SQL shows them to a superuser: of the postmaster and of the server process itself.
            pid = denizen.pids()["postgres"]
            for path in (f"/proc/{pid}/environ", "/proc/self/environ"):
                row = owner.execute(sql.SQL("select pg_read_binary_file({})").format(path)).fetchone()
                assert row
                assert key_encryption.encode() not in bytes(row[0])
                assert b"DENIZEN" not in bytes(row[0])
    finally:
        assert denizen.stop() == 0
