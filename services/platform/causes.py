"""Explains errors to operators: one sentence on what is wrong and what to do next."""

import re
from typing import cast

import psycopg
from denizen.errors import DenizenError

_URL = "in DENIZEN_DATABASE_URL"
READ_ONLY = (
    "PostgreSQL takes no changes: it is a standby, or default_transaction_read_only is on; "
    "name the primary in DENIZEN_DATABASE_URL"
)
_REFUSED = (
    (
        r"password authentication failed|no password supplied|role \"[^\"]*\" is not permitted to log in",
        f"compare user and password {_URL}",
    ),
    (r"database \"[^\"]*\" does not exist", f"create it, or correct the name {_URL}"),
    (r"no pg_hba\.conf entry|permission denied", "have PostgreSQL let this login in from here (pg_hba.conf, grants)"),
    (r"certificate|\bSSL\b|invalid sslmode value", f"compare sslmode and sslrootcert {_URL}"),
    (r"invalid \w+ value", f"correct that option {_URL}"),
)
"""What PostgreSQL says that does not pass by itself, and what to do."""


def of_connecting(error: psycopg.OperationalError) -> tuple[str, bool]:
    """Why PostgreSQL cannot be connected to, and whether that may pass by itself."""
    said = _first_line(error)
    if re.search(r'FATAL: +role "[^"]*" does not exist', str(error)):
        return f"PostgreSQL has not all roles yet ({said}): run `denizen migrate`, or compare the user {_URL}", True
    for pattern, advice in _REFUSED:
        if re.search(pattern, str(error)):
            return f"PostgreSQL refuses the connection: {said}; {advice}", False
    return f"PostgreSQL is not reachable: {said}", True


def sentence(error: BaseException) -> str:
    """Explain why a program failed. Other programs' messages are quoted only where they hold no data."""
    if isinstance(error, BaseExceptionGroup):
        return sentence(cast(BaseException, error.exceptions[0]))
    if isinstance(error, DenizenError):
        return error.message
    if type(error).__module__.startswith("services."):
        return str(error)
    if isinstance(error, psycopg.Error):
        return of_postgres(error) or f"an unexpected {type(error).__name__} of PostgreSQL; the log says where"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
    return f"an unexpected {type(error).__name__}; the log says where"


def of_postgres(error: psycopg.Error) -> str | None:
    """Explain what PostgreSQL said; None where its message may hold data."""
    match error:
        case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn() | psycopg.errors.UndefinedFunction():
            return f"the schema is not the one of this version ({_first_line(error)}): run `denizen migrate`"
        case psycopg.errors.InsufficientPrivilege():
            return f"PostgreSQL does not let this login do its work: {_first_line(error)}; run `denizen migrate`"
        case psycopg.errors.DiskFull():
            return "the disk of PostgreSQL is full: make room"
        case psycopg.errors.ReadOnlySqlTransaction():
            return READ_ONLY
        case psycopg.OperationalError():
            return of_connecting(error)[0]
        case _:
            return None


def _first_line(error: psycopg.Error) -> str:
    """The lines behind it may quote a row."""
    return str(error).strip().partition("\n")[0]
