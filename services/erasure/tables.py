"""The tables of a cell: which of them name a user, and which of those may."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import psycopg
import psycopg.sql
from denizen.errors import BY_CODE
from psycopg import Connection

from services.erasure.forms import Forms
from services.erasure.receipt import Place
from services.platform import sql

_MAY: Mapping[str, frozenset[str]] = {
    "events": frozenset(
        {
            *("position", "event_id", "stream", "user_id", "version", "type", "schema_version"),
            *("public", "private", "metadata", "recorded_at", "hash"),
        }
    ),
    "commands": frozenset(
        {"command_id", "user_id", "version", "logins", "refusal", "operation", "digest", "recorded_at"}
    ),
}
"""Tables that may name a deleted user, and the columns that they had when that was judged."""
_REFUSAL = {"code", "message", "field", "details"}
_DETAIL = {"userId", "version", "field", "message"}


def _sql(name: str) -> LiteralString:
    return sql.load("services.erasure", name)


def search(connection: Connection, cell: str, forms: Forms) -> list[Place]:
    """Look through every row of every table, as text: a column of any type that holds the id shows it."""
    places: list[Place] = []
    for schema, name, columns in connection.execute(_sql("relations"), {"cell": cell}).fetchall():
        shown = name if schema == cell else f"{schema}.{name}"
        place = Place(f"table {shown}")
        places.append(place)
        try:
            with connection.transaction():
                if shown in _MAY:
                    _judged(place, _MAY[shown], columns)
                if shown == "events":
                    _events(connection, place, forms)
                else:
                    _rows(connection, place, psycopg.sql.Identifier(schema, name), forms)
                if shown == "commands":
                    _commands(connection, place, forms)
        except psycopg.errors.InsufficientPrivilege:
            place.fault("may not be read: look as the owner")
    return places


def _judged(place: Place, known: frozenset[str], columns: Sequence[str]) -> None:
    if new := set(columns) - known:
        place.fault(f"has columns that are not on the list: {', '.join(sorted(new))}")


def _rows(connection: Connection, place: Place, table: psycopg.sql.Identifier, forms: Forms) -> None:
    query = psycopg.sql.SQL("select count(*), count(*) filter (where t::text like any (%s)) from {} t").format(table)
    ((place.searched, found),) = connection.execute(query, [forms.patterns]).fetchall()
    if not found:
        return
    if place.place == "table commands":
        place.kept, place.reason = found, "ids of commands, of users, versions and codes of refusals, for 24 hours"
    else:
        place.fault(f"{found} rows name the user")


def _events(connection: Connection, place: Place, forms: Forms) -> None:
    parameters = {"user_id": forms.user_id, "patterns": forms.patterns}
    ((place.searched, others, place.kept),) = connection.execute(_sql("mentions"), parameters).fetchall()
    place.reason = "others' events whose metadata says that the user asked for them; the user's own are looked at below"
    if others:
        place.fault(f"{others} events of others name the user elsewhere than in their metadata")


def _commands(connection: Connection, place: Place, forms: Forms) -> None:
    for user_id, refusal, has_digest in connection.execute(_sql("read_commands"), [forms.patterns]).fetchall():
        if refusal is not None and not _is_thin(refusal):
            place.fault("a refusal holds more than codes and ids")
        if user_id == forms.user_id and has_digest:
            place.fault("a digest of what the user's command asked for is left")


def _is_thin(refusal: dict[str, Any]) -> bool:
    error: dict[str, Any] = refusal.get("error", {})
    details: Any = error.get("details", [])
    return (
        refusal.keys() == {"error"}
        and error.keys() <= _REFUSAL
        and error.get("code") in BY_CODE
        and all(isinstance(each, dict) and each.keys() <= _DETAIL for each in details)
    )
