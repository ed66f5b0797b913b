"""Rows of the log as events and snapshots, and columns of rows to insert."""

from collections.abc import Iterable, Sequence

import orjson
from cryptography.exceptions import InvalidTag

from services.domain.snapshots import FORM, Snapshot
from services.domain.streams import ReplayedEvent, StoredEvent, user_of
from services.domain.upcasting import upcast
from services.domain.values import Json
from services.eventstore.keys.cache import DataKeyCache
from services.eventstore.keys.data_keys import DataKey
from services.eventstore.log import arrays
from services.eventstore.log.tails import PAGE, Tail
from services.platform.database import ResultRow


def bound_to(stream: str, version: int, type: str) -> str:
    """What the `private` of an event is bound to: moved to another row, it cannot be decrypted."""
    return f"{stream}\0{version}\0{type}"


def snapshot_bound_to(user_id: str, version: int) -> str:
    """What a snapshot is bound to."""
    return f"{user_id}\0{version}\0snapshot {FORM}"


def fill(tails: Sequence[Tail], found: Iterable[ResultRow], keys: DataKeyCache) -> list[tuple[str, int]]:
    """Put rows of load_streams.sql into the tails that they belong to.

    Returns the snapshots, by stream and version, that cannot be read: what follows them is of no use.
    """
    unreadable: list[tuple[str, int]] = []
    for row in found:
        number: int = row[0]
        tail = tails[number - 1]
        if row[5] is not None:
            tail.events.append(event(row[1:], keys))
            tail.erased = row[-2] is None
        elif (read := _snapshot(tail.stream, row, keys)) is not None:
            tail.snapshot = read
        else:
            unreadable.append((tail.stream, row[4]))
    for tail in tails:
        tail.whole = len(tail.events) < PAGE
    return unreadable


def _snapshot(stream: str, row: ResultRow, keys: DataKeyCache) -> Snapshot | None:
    _, position, _, _, version, _, _, _, ciphertext, _, recorded_at, epoch, wrapped = row
    try:
        state = keys.unwrap(stream, epoch, wrapped).decrypt(ciphertext, snapshot_bound_to(stream, version))
    except (InvalidTag, orjson.JSONDecodeError):
        return None
    return Snapshot(version, position, recorded_at, state)


def kept(stream: str, snapshots: Iterable[Snapshot], key: DataKey) -> list[ResultRow]:
    """Snapshots of a user as rows for `snapshot_columns`."""
    return [
        (
            *(stream, FORM, each.version, each.position, each.recorded_at),
            key.encrypt(each.state, snapshot_bound_to(stream, each.version)),
        )
        for each in snapshots
    ]


def snapshot_columns(snapshots: Sequence[ResultRow]) -> list[arrays.Array]:
    """Snapshots for put_snapshots.sql."""
    user_id, form, version, position, recorded_at, private = zip(*snapshots, strict=True)
    return [
        arrays.texts(user_id),
        arrays.smallints(form),
        arrays.integers(version),
        arrays.bigints(position),
        arrays.times(recorded_at),
        arrays.octets(private),
    ]


def event(row: ResultRow, keys: DataKeyCache) -> StoredEvent:
    """A row of load_streams.sql, without its number, or of read_log.sql; `private` is None where the user's data key is
    gone.
    """
    position, id, stream, version, type, schema_version, public, ciphertext, metadata, recorded_at, epoch, wrapped = row
    private = None
    if epoch is None:
        keys.drop(user_of(stream))
    elif ciphertext is not None:
        key = keys.unwrap(user_of(stream), epoch, wrapped)
        private = upcast(type, schema_version, key.decrypt(ciphertext, bound_to(stream, version, type)))
    return StoredEvent(position, id, stream, version, type, schema_version, public, private, metadata, recorded_at)


def replayed(row: ResultRow, keys: DataKeyCache) -> ReplayedEvent | None:
    """A row of read_users.sql; None where the user was erased."""
    position, stream, version, type, schema_version, public, ciphertext, recorded_at, epoch, wrapped = row
    user_id = user_of(stream)
    if epoch is None:
        keys.drop(user_id)
        return None
    private = None
    if ciphertext is not None:
        key = keys.unwrap(user_id, epoch, wrapped)
        private = upcast(type, schema_version, key.decrypt(ciphertext, bound_to(stream, version, type)))
    return ReplayedEvent(position, stream, user_id, version, type, orjson.loads(public), private, recorded_at)


def claim_columns(takes: list[tuple[bytes, str]]) -> list[arrays.Array]:
    """Claims for take_claims.sql, in its order."""
    keys, user_ids = zip(*sorted(takes), strict=True)
    return [arrays.octets(keys), arrays.texts(user_ids)]


def key_columns(data_keys: list[tuple[str, int, bytes]]) -> list[arrays.Array]:
    """Data keys for insert_data_keys.sql."""
    user_ids, epochs, wrapped = zip(*data_keys, strict=True)
    return [arrays.texts(user_ids), arrays.smallints(epochs), arrays.octets(wrapped)]


def text_columns(texts: Sequence[tuple[str, ...]]) -> list[arrays.Array]:
    """Rows of texts as columns."""
    return [arrays.texts(column) for column in zip(*texts, strict=True)]


def columns(events: Sequence[ResultRow]) -> list[arrays.Array]:
    """Rows of the log for insert_events.sql."""
    position, event_id, stream, version, type, schema_version, public, metadata, recorded_at, _, private, hash = zip(
        *events, strict=True
    )
    return [
        arrays.bigints(position),
        arrays.uuids(event_id),
        arrays.texts(stream),
        arrays.integers(version),
        arrays.texts(type),
        arrays.integers(schema_version),
        arrays.jsons(public),
        arrays.octets(private),
        arrays.jsons(metadata),
        arrays.times(recorded_at),
        arrays.octets(hash),
    ]


def dumps(rows: list[Json]) -> str:
    """Rows for json_to_recordset."""
    return orjson.dumps(rows).decode()
