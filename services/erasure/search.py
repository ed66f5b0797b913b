"""Searches tables, streams and files for an erased user, for `denizen erasure verify`."""

import asyncio
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import psycopg
from denizen.errors import NoAnswer
from denizen.transport import Transport

from services.erasure import files, log, streams, tables
from services.erasure.forms import Forms
from services.erasure.receipt import Place, Receipt, Tombstone
from services.eventstore.keys import data_keys as keys
from services.eventstore.keys.data_keys import KeyRing, KeysMissing
from services.platform.settings import Settings

_FOLLOW_SECONDS = 5.0
"""How long the projections may take to drop what was deleted just now."""
_PAUSE_SECONDS = 0.2
_CONNECT_SECONDS = 5.0

_ALWAYS_LEFT = (
    "PostgreSQL's own files: pages until `denizen projections rebuild`, write-ahead log (docs/explanation/erasure.md)",
    "backups: what they hold of the log is unreadable once the key epoch is rotated (`denizen keys rotate`)",
    "mails that were sent, and whatever other services keep: the address is not known here any more",
)
_NO_HOME = "logs and mails: there is no DENIZEN_HOME here, they are where you send them"


def search(conninfo: str, settings: Settings, user_id: str, progress: Callable[[str], None]) -> Receipt:
    """Look for a user everywhere. `progress` is told where.

    Blocks; the projections are given some seconds to catch up. Raises psycopg.Error.
    """
    receipt, forms, ring = Receipt(user_id, not_searched=_ALWAYS_LEFT), Forms.of(user_id), _ring(settings)
    progress("the log")
    with _connected(conninfo, settings) as connection:
        newest = log.newest(connection, user_id)
    receipt.tombstone = stone = log.tombstone(newest)
    if stone is None:
        says = "the user is not deleted" if newest else "no user of this id has ever been in this log"
        receipt.places.append(Place("the log", faults=[says]))
        return receipt
    progress("tables")
    receipt.places += _tables(conninfo, settings, forms)
    with _connected(conninfo, settings) as connection:
        receipt.places.append(log.examine(connection, user_id, stone, ring))
    progress("streams")
    receipt.places += asyncio.run(_streams(settings, forms, stone))
    if (settings.home / "log").is_dir():
        progress("files")
        receipt.places += files.search(settings.home, forms)
    else:
        receipt.not_searched = (*_ALWAYS_LEFT, _NO_HOME)
    return receipt


def _ring(settings: Settings) -> KeyRing | None:
    try:
        return keys.load(settings)
    except KeysMissing:
        return None


def _connected(conninfo: str, settings: Settings) -> psycopg.Connection:
    """A connection that sees one state of the database in each of its transactions, and changes nothing."""
    options = f"-c search_path={settings.cell} -c timezone=UTC"
    connection = psycopg.connect(conninfo, options=options)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def _tables(conninfo: str, settings: Settings, forms: Forms) -> Sequence[Place]:
    until = time.monotonic() + _FOLLOW_SECONDS
    while True:
        with _connected(conninfo, settings) as connection:
            places = tables.search(connection, settings.cell, forms)
        if not any(place.faults for place in places) or time.monotonic() > until:
            return places
        time.sleep(_PAUSE_SECONDS)


async def _streams(settings: Settings, forms: Forms, stone: Tombstone) -> Sequence[Place]:
    if settings.nats_url is None:
        return [Place("NATS", faults=["DENIZEN_NATS_URL is not set, and no `denizen up` runs on DENIZEN_HOME"])]
    servers = settings.nats_url.split(",")
    operator = settings.home / "keys" / "nats-operator"
    options: dict[str, str] = {}
    if urlsplit(servers[0]).username is None and operator.exists():
        # The embedded server's: it may look at every stream, which a back end may not.
        options = {"user": "operator", "password": operator.read_text("ascii").strip()}
    transport = Transport(servers, _CONNECT_SECONDS, options)
    try:
        return await streams.search(await transport.connection(), forms, stone)
    except NoAnswer as error:
        return [Place("NATS", faults=[str(error)])]
    finally:
        await transport.close()
