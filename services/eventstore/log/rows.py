"""Appends as rows of the tables, and rows of the log as events."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from cryptography.exceptions import InvalidTag

from services.domain.claim_kinds import ClaimKind
from services.domain.sessions import place
from services.domain.snapshots import FORM, Snapshot
from services.domain.streams import ReplayedEvent, StoredEvent, logins_of, user_of
from services.domain.upcasting import upcast
from services.domain.values import Json
from services.eventstore.credentials.rows import Secrets
from services.eventstore.keys.data_keys import DataKey, KeyRing
from services.eventstore.log import arrays
from services.eventstore.log.chain import START, link
from services.eventstore.log.store import Append, Appended, ClaimTaken, Repeated, Result, VersionConflict
from services.eventstore.log.tails import PAGE, Tail
from services.platform.database import Row

_NEW = 0, START
"""Version and hash of a stream without events."""
_CACHED_KEYS = 4_000
"""Data keys kept unwrapped in a process: about 10 MB."""


class Rejected(Exception):
    """Some appends of a transaction cannot be stored; nothing of it was."""

    def __init__(self, results: Mapping[int, Result]) -> None:
        super().__init__()
        self.results = results


class DataKeys:
    """Unwrapped data keys of the users seen last."""

    def __init__(self, ring: KeyRing, size: int = _CACHED_KEYS) -> None:
        self.ring = ring
        self._size = size
        self._cache: OrderedDict[str, DataKey] = OrderedDict()

    def get(self, user_id: str) -> DataKey | None:
        return self._cache.get(user_id)

    def drop(self, user_id: str) -> None:
        """Forget the data key of an erased user."""
        self._cache.pop(user_id, None)

    def put(self, user_id: str, key: DataKey) -> None:
        self._cache[user_id] = key
        if len(self._cache) > self._size:
            self._cache.popitem(last=False)

    def unwrap(self, user_id: str, epoch: int, wrapped: bytes) -> DataKey:
        key = self._cache.get(user_id)
        if key is None:
            key = self.ring.unwrap(user_id, epoch, wrapped)
            self.put(user_id, key)
        return key


@dataclass(slots=True)
class Batch:
    """The appends of one transaction, as rows. `positions` and hashes come under the lock of the head.

    `new_keys` are of users who are new if they are stored: only then are they theirs. `snapshots` are ciphertexts by
    the index of their append, and `kept` the rows that they become.
    """

    appends: Mapping[int, Append]
    commands: list[Json] = field(default_factory=list[Json])
    takes: list[tuple[bytes, str]] = field(default_factory=list[tuple[bytes, str]])
    releases: list[Json] = field(default_factory=list[Json])
    data_keys: list[tuple[str, int, bytes]] = field(default_factory=list[tuple[str, int, bytes]])
    new_keys: dict[str, DataKey] = field(default_factory=dict[str, DataKey])
    secrets: Secrets = field(default_factory=Secrets)
    ciphertexts: dict[int, list[bytes | None]] = field(default_factory=dict[int, list[bytes | None]])
    snapshots: dict[int, bytes] = field(default_factory=dict[int, bytes])
    kept: list[Row] = field(default_factory=list[Row])
    wanted: dict[bytes, tuple[int, ClaimKind]] = field(default_factory=dict[bytes, tuple[int, ClaimKind]])

    @property
    def streams(self) -> list[str]:
        based = {append.stream for append in self.appends.values() if append.stream}
        based |= {append.user_id for append in self.appends.values() if append.requires is not None}
        return list(based | {logins_of(append.stream) for append in self.appends.values() if append.logins is not None})

    def taken(self, keys: Iterable[Row]) -> dict[int, Result]:
        """The appends that lost a claim to another user; `keys` are the claims that the database granted."""
        lost = self.wanted.keys() - {bytes(key) for (key,) in keys}
        # Of several the first kind by name, as in every store.
        by_kind = sorted((self.wanted[key] for key in lost), key=lambda wanted: wanted[1], reverse=True)
        return {index: ClaimTaken(kind) for index, kind in by_kind}

    def repeated(self, command_ids: Iterable[Row]) -> dict[int, Result]:
        """The appends whose command id was used before; `command_ids` are the new ones."""
        new = {command_id for (command_id,) in command_ids}
        return {
            i: Repeated() for i, append in self.appends.items() if append.command_id and append.command_id not in new
        }


def prepare(appends: Mapping[int, Append], keys: DataKeys) -> Batch:
    """All that can be done before the lock of the head: rows, keys, ciphertexts.

    A user whose data key is neither new nor in `keys` was erased: their appends are rejected.
    """
    batch = Batch(appends)
    for index, append in appends.items():
        if append.command_id:
            batch.commands.append(_command_row(append))
            if isinstance(append.about, tuple):
                batch.commands[-1]["lost"] = keys.ring.claim(*append.about).hex()
        for kind, value in append.take:
            key = keys.ring.claim(kind, value)
            batch.wanted[key] = index, kind
            batch.takes.append((key, append.stream))
        for kind, value in append.release:
            batch.releases.append({"key": keys.ring.claim(kind, value).hex(), "user_id": append.stream})
        user_id = append.user_id
        is_new = append.expected == 0 and user_id == append.stream and bool(append.events)
        if is_new and user_id not in batch.new_keys:
            batch.new_keys[user_id], wrapped = keys.ring.new_data_key(user_id)
            batch.data_keys.append((user_id, keys.ring.epoch, wrapped))
        key = batch.new_keys.get(user_id) or keys.get(user_id)
        batch.ciphertexts[index] = _encrypt(index, append, key)
        if append.snapshot is not None and key is not None:
            version = append.expected + len(append.events)
            batch.snapshots[index] = key.encrypt(append.snapshot, _snapshot_bound_to(append.stream, version))
        if append.effects:
            if key is None:
                raise Rejected({index: VersionConflict()})
            logins = append.expected + len(append.events)
            batch.secrets.add(user_id, append.effects, key, place(append.requires or 0, logins))
    return batch


def _encrypt(index: int, append: Append, key: DataKey | None) -> list[bytes | None]:
    result: list[bytes | None] = []
    for version, event in enumerate(append.events, append.expected + 1):
        if event.private is None:
            result.append(None)
        elif key is None:
            raise Rejected({index: VersionConflict()})
        else:
            result.append(key.encrypt(event.private, _bound_to(append.stream, version, event.type)))
    return result


def _bound_to(stream: str, version: int, type: str) -> str:
    return f"{stream}\0{version}\0{type}"


def _snapshot_bound_to(user_id: str, version: int) -> str:
    return f"{user_id}\0{version}\0snapshot {FORM}"


def _command_row(append: Append) -> Json:
    refused = append.refusal is not None
    after = append.expected + len(append.events)
    logins = after if append.requires is not None and append.events else None
    return {
        "command_id": append.command_id,
        "user_id": append.user_id or (append.about if isinstance(append.about, str) else None),
        "version": None if refused else after if append.requires is None else append.requires,
        "logins": None if refused else logins,
        "refusal": append.refusal,
        "operation": append.operation,
        "digest": append.digest and append.digest.hex(),
        "recorded_at": append.at,
    }


def chain(batch: Batch, head: int, tips: Iterable[Row]) -> tuple[list[Row], dict[int, Result]]:
    """Rows of the log with their positions and hashes, under the lock of the head.

    Raises Rejected where a stream has moved on.
    """
    tip: dict[str, tuple[int, bytes]] = {stream: (version, bytes(hash)) for stream, version, hash in tips}
    events: list[Row] = []
    results: dict[int, Result] = {}
    rejected: dict[int, Result] = {}
    for index, append in batch.appends.items():
        version, previous = tip.get(append.stream, _NEW)
        if (
            (append.stream and version != append.expected)
            or (append.requires is not None and tip.get(append.user_id, _NEW)[0] != append.requires)
            or (append.logins is not None and tip.get(logins_of(append.stream), _NEW)[0] != append.logins)
        ):
            rejected[index] = VersionConflict()
            continue
        for new, ciphertext in zip(append.events, batch.ciphertexts[index], strict=True):
            version += 1
            row = {
                "position": head + len(events) + 1,
                "event_id": new.event_id,
                "stream": append.stream,
                "version": version,
                "type": new.type,
                "schema_version": new.schema_version,
                "public": new.public,
                "metadata": append.metadata,
                "recorded_at": append.at,
                "private": ciphertext and ciphertext.hex(),
            }
            previous = link(previous, row)
            events.append((*row.values(), ciphertext, previous))
        tip[append.stream] = version, previous
        results[index] = Appended(head + len(events) if append.events else 0)
        if index in batch.snapshots:
            row = append.stream, FORM, version, head + len(events), append.at, batch.snapshots[index]
            batch.kept.append(row)
    if rejected:
        raise Rejected(rejected)
    return events, results


def fill(tails: Sequence[Tail], found: Iterable[Row], keys: DataKeys) -> list[tuple[str, int]]:
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


def _snapshot(stream: str, row: Row, keys: DataKeys) -> Snapshot | None:
    _, position, _, _, version, _, _, _, ciphertext, _, recorded_at, epoch, wrapped = row
    try:
        state = keys.unwrap(stream, epoch, wrapped).decrypt(ciphertext, _snapshot_bound_to(stream, version))
    except (InvalidTag, orjson.JSONDecodeError):
        return None
    return Snapshot(version, position, recorded_at, state)


def kept(stream: str, snapshots: Iterable[Snapshot], key: DataKey) -> list[Row]:
    """Snapshots of a user as rows for `snapshot_columns`."""
    return [
        (
            *(stream, FORM, each.version, each.position, each.recorded_at),
            key.encrypt(each.state, _snapshot_bound_to(stream, each.version)),
        )
        for each in snapshots
    ]


def snapshot_columns(snapshots: Sequence[Row]) -> list[arrays.Array]:
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


def event(row: Row, keys: DataKeys) -> StoredEvent:
    """A row of load_streams.sql, without its number, or of read_log.sql; `private` is None where the user's data key is
    gone.
    """
    position, id, stream, version, type, schema_version, public, ciphertext, metadata, recorded_at, epoch, wrapped = row
    private = None
    if epoch is None:
        keys.drop(user_of(stream))
    elif ciphertext is not None:
        key = keys.unwrap(user_of(stream), epoch, wrapped)
        private = upcast(type, schema_version, key.decrypt(ciphertext, _bound_to(stream, version, type)))
    return StoredEvent(position, id, stream, version, type, schema_version, public, private, metadata, recorded_at)


def replayed(row: Row, keys: DataKeys) -> ReplayedEvent | None:
    """A row of read_users.sql; None where the user was erased."""
    position, stream, version, type, schema_version, public, ciphertext, recorded_at, epoch, wrapped = row
    user_id = user_of(stream)
    if epoch is None:
        keys.drop(user_id)
        return None
    private = None
    if ciphertext is not None:
        key = keys.unwrap(user_id, epoch, wrapped)
        private = upcast(type, schema_version, key.decrypt(ciphertext, _bound_to(stream, version, type)))
    return ReplayedEvent(position, stream, user_id, version, type, orjson.loads(public), private, recorded_at)


def claim_columns(takes: list[tuple[bytes, str]]) -> list[arrays.Array]:
    """Claims for take_claims.sql, in its order."""
    keys, user_ids = zip(*sorted(takes), strict=True)
    return [arrays.octets(keys), arrays.texts(user_ids)]


def key_columns(data_keys: list[tuple[str, int, bytes]]) -> list[arrays.Array]:
    """Data keys for insert_data_keys.sql."""
    user_ids, epochs, wrapped = zip(*data_keys, strict=True)
    return [arrays.texts(user_ids), arrays.smallints(epochs), arrays.octets(wrapped)]


def columns(events: Sequence[Row]) -> list[arrays.Array]:
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
