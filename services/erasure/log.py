"""The log's own part: the tombstone is the last of the user, and what stands before it cannot be read any more."""

from collections.abc import Iterable, Sequence

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


def rows_of(connection: Connection, user_id: str) -> list[Json]:
    """Every event of a user, stream by stream."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql.load("services.erasure", "read_streams"), {"user_id": user_id}).fetchall()


def tombstone(rows: Sequence[Json], user_id: str) -> Tombstone | None:
    """The last event of the user's own stream, if it is UserDeleted."""
    own = [row for row in rows if row["stream"] == user_id]
    if not own or own[-1]["type"] != "UserDeleted":
        return None
    return Tombstone(own[-1]["recorded_at"], own[-1]["position"], bytes(own[-1]["hash"]).hex())


def examine(rows: Sequence[Json], user_id: str, stone: Tombstone, ring: KeyRing | None) -> Place:
    """What is wrong with the events of an erased user."""
    place = Place("the user's events", len(rows), len(rows), _reason(ring))
    for fault in _chain_faults(rows):
        place.fault(fault)
    for row in rows:
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


def _reason(ring: KeyRing | None) -> str:
    tried = "no key on the ring opens one" if ring else "no key ring is here to try"
    return f"the tombstone, thin bodies, and ciphertexts without their data key; {tried}"


def _chain_faults(rows: Iterable[Json]) -> Iterable[str]:
    stream, version, previous = "", 0, START
    for row in rows:
        if row["stream"] != stream:
            stream, version, previous = row["stream"], 0, START
        stored = bytes(row["hash"])
        columns = {name: value for name, value in row.items() if name != "hash"}
        if row["version"] != version + 1 or link(previous, columns) != stored:
            yield f"position {row['position']} is not as it was written: run `denizen log verify`"
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
