"""The log's own part: the tombstone is the last of the user, and what stands before it cannot be read any more."""

from collections.abc import Iterable, Iterator

import orjson
from psycopg import Connection
from psycopg.rows import dict_row

from services.domain.values import Json
from services.erasure import thin
from services.erasure.receipt import Place, Tombstone
from services.eventstore.keys.data_keys import KeyRing, KeysMissing
from services.eventstore.log.chain import START, link
from services.platform import sql

_METADATA = {"actor", "commandId", "traceparent"}
_PAGE = 500
"""Events that are in the memory at a time."""


def newest(connection: Connection, user_id: str) -> Json | None:
    """The last event of the user's own stream."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql.load("services.erasure", "read_newest"), [user_id]).fetchone()


def tombstone(row: Json | None) -> Tombstone | None:
    """The last event of a user, if it is UserDeleted."""
    if row is None or row["type"] != "UserDeleted":
        return None
    return Tombstone(row["recorded_at"], row["position"], bytes(row["hash"]).hex())


def examine(connection: Connection, user_id: str, stone: Tombstone, ring: KeyRing | None) -> Place:
    """List the faults of an erased user's events. Reads them a page at a time, within a transaction."""
    place = Place("the user's events", 0, 0, _reason(ring))
    for row, linked in _linked(_rows(connection, user_id)):
        place.searched = place.kept = place.kept + 1
        if not linked:
            place.fault(f"position {row['position']} is not as it was written: run `denizen log verify`")
        if row["position"] > stone.position:
            place.fault(f"position {row['position']} comes after the tombstone")
        if row["metadata"].keys() - _METADATA:
            place.fault(f"position {row['position']}: metadata that is not on the list")
        for fault in thin.faults(row["public"], user_id):
            place.fault(f"position {row['position']}: {fault}")
        if row["private"] is not None and (fault := _readable(row, ring)):
            place.fault(f"position {row['position']}: {fault}")
        if row["private"] is not None and row["position"] == stone.position:
            place.fault("the tombstone has a private part")
    return place


def _rows(connection: Connection, user_id: str) -> Iterator[Json]:
    """Every event of a user, stream by stream, by a cursor of the server: a stream can be longer than the memory."""
    with connection.cursor("events_of_the_user", row_factory=dict_row) as cursor:
        cursor.itersize = _PAGE
        cursor.execute(sql.load("services.erasure", "read_streams"), {"user_id": user_id})
        yield from cursor


def _reason(ring: KeyRing | None) -> str:
    tried = "no key on the ring opens one" if ring else "no key ring is here to try"
    return f"the tombstone, thin bodies, and ciphertexts without their data key; {tried}"


def _linked(rows: Iterable[Json]) -> Iterator[tuple[Json, bool]]:
    """Each row, and whether it follows the one before it in its stream as it was written."""
    stream, version, previous = "", 0, START
    for row in rows:
        if row["stream"] != stream:
            stream, version, previous = row["stream"], 0, START
        stored = bytes(row["hash"])
        columns = {name: value for name, value in row.items() if name != "hash"}
        yield row, row["version"] == version + 1 and link(previous, columns) == stored
        version, previous = row["version"], stored


def _readable(row: Json, ring: KeyRing | None) -> str | None:
    """How a private part could be read, if it can. That there is no data key, the search of the tables tells."""
    ciphertext = bytes.fromhex(row["private"])
    try:
        orjson.loads(ciphertext)
    except orjson.JSONDecodeError:
        pass
    else:
        return "the private part is no ciphertext"
    for epoch in ring.epochs if ring else ():
        try:
            assert ring
            ring.unwrapped(f"{row['stream']}\0{row['version']}\0{row['type']}", epoch, ciphertext)
        except KeysMissing:
            continue
        return f"the key-encryption key of epoch {epoch} opens the private part"
    return None
