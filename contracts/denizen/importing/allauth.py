"""Joins the users of Django's `dumpdata` with their addresses in the model of django-allauth, `account.emailaddress`.

These may stand before the users or behind them, so users are kept in a temporary database of SQLite until the file
ends, as those of a dump of PostgreSQL are (dumps.py).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

from denizen.importing.dumps import PRAGMAS
from denizen.importing.rows import BadRow, Json, LeftOutRow, Row

VERIFIED = "account.emailaddress"
"""The field that a user of allauth's gets: whether it has the address as a verified one of this user."""
_MODEL = ".emailaddress"
_SCHEMA = """
create table users (line integer, row text);
create table addresses (email text, owner text, verified integer);
"""
_OF_USER = "select email, owner, verified from addresses where email = ? or owner in (?, ?, ?)"
_Raw = tuple[int, Any] | Row | BadRow | LeftOutRow


def joined(rows: Iterator[_Raw]) -> Iterator[_Raw]:
    """The same rows. The users of a `dumpdata` come last, and know what allauth says of their addresses.

    Raises OSError where the temporary database cannot grow.
    """
    try:
        # The import reads one row after the other, but each in whichever thread is free.
        with closing(sqlite3.connect("", check_same_thread=False)) as spool:
            spool.executescript(PRAGMAS + _SCHEMA)
            for row in rows:
                fields = _fields(row)
                if fields is None:
                    yield row
                elif "password" in fields:
                    line, raw = cast(tuple[int, Any], row)
                    spool.execute("insert into users values (?, ?)", (line, json.dumps(raw)))
                else:
                    _note(spool, cast(tuple[int, Any], row)[1]["model"], fields)
                    yield row
            spool.execute("create index addresses_by_owner on addresses (owner)")
            spool.execute("create index addresses_by_email on addresses (email)")
            for line, text in spool.execute("select line, row from users order by rowid"):
                raw = json.loads(text)
                if (verified := _is_verified(spool, raw)) is not None:
                    raw["fields"][VERIFIED] = verified
                yield line, raw
    except sqlite3.Error as error:
        raise OSError(f"the temporary database for the file cannot be written ({error})") from error


def _fields(row: _Raw) -> Json | None:
    """The fields of an object of `dumpdata`; None for any other row."""
    if not isinstance(row, tuple) or not isinstance(row[1], dict):
        return None
    raw = cast(Json, row[1])
    model, fields = raw.get("model"), raw.get("fields")
    return cast(Json, fields) if isinstance(model, str) and isinstance(fields, dict) else None


def _note(spool: sqlite3.Connection, model: str, fields: Json) -> None:
    """Keep an object that is an address of allauth's."""
    email, owner = fields.get("email"), fields.get("user")
    if model.casefold().endswith(_MODEL) and isinstance(email, str) and "verified" in fields:
        keys = cast(list[Any], owner if isinstance(owner, list) else [owner])  # A natural key is a list.
        kept = email.casefold(), str(next(iter(keys), None)), fields["verified"] is True
        spool.execute("insert into addresses values (?, ?, ?)", kept)


def _is_verified(spool: sqlite3.Connection, raw: Json) -> bool | None:
    """None where allauth knows neither the user nor the address, such as of a user that an operator made."""
    fields = raw["fields"]
    email = str(fields.get("email")).casefold()
    theirs = (raw.get("pk"), fields.get("username"), fields.get("email"))
    names = [None if name is None else str(name) for name in theirs]
    found = spool.execute(_OF_USER, (email, *names)).fetchall()
    if not found:
        return None
    return any(address == email and owner in names and verified for address, owner, verified in found)
