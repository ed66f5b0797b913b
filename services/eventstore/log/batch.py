"""The appends of one transaction as rows: prepared before the lock of the head, and chained under it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.domain.claim_kinds import ClaimKind
from services.domain.sessions import place
from services.domain.snapshots import FORM
from services.domain.streams import logins_of
from services.domain.values import Json
from services.eventstore.credentials.rows import Secrets
from services.eventstore.keys.cache import DataKeyCache
from services.eventstore.keys.data_keys import DataKey
from services.eventstore.log import rows
from services.eventstore.log.chain import START, link
from services.eventstore.log.store import Append, Appended, ClaimTaken, Repeated, Result, StaleVersion
from services.platform.database import ResultRow

_NEW = 0, START
"""Version and hash of a stream without events."""


class Rejected(Exception):
    """Some appends of a transaction cannot be stored; nothing of it was."""

    def __init__(self, results: Mapping[int, Result]) -> None:
        super().__init__()
        self.results = results


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
    kept: list[ResultRow] = field(default_factory=list[ResultRow])
    wanted: dict[bytes, tuple[int, ClaimKind]] = field(default_factory=dict[bytes, tuple[int, ClaimKind]])

    @property
    def streams(self) -> list[str]:
        based = {append.stream for append in self.appends.values() if append.stream}
        based |= {append.user_id for append in self.appends.values() if append.requires is not None}
        return list(based | {logins_of(append.stream) for append in self.appends.values() if append.logins is not None})

    def taken(self, keys: Iterable[ResultRow]) -> dict[int, Result]:
        """The appends that lost a claim to another user; `keys` are the claims that the database granted."""
        lost = self.wanted.keys() - {bytes(key) for (key,) in keys}
        # Of several the first kind by name, as in every store.
        by_kind = sorted((self.wanted[key] for key in lost), key=lambda wanted: wanted[1], reverse=True)
        return {index: ClaimTaken(kind) for index, kind in by_kind}

    def repeated(self, command_ids: Iterable[ResultRow]) -> dict[int, Result]:
        """The appends whose command id was used before; `command_ids` are the new ones."""
        new = {command_id for (command_id,) in command_ids}
        return {
            i: Repeated() for i, append in self.appends.items() if append.command_id and append.command_id not in new
        }


def prepare(appends: Mapping[int, Append], keys: DataKeyCache) -> Batch:
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
            batch.snapshots[index] = key.encrypt(append.snapshot, rows.snapshot_bound_to(append.stream, version))
        if append.effects:
            if key is None:
                raise Rejected({index: StaleVersion()})
            logins = append.expected + len(append.events)
            batch.secrets.add(user_id, append.effects, key, place(append.requires or 0, logins))
    return batch


def _encrypt(index: int, append: Append, key: DataKey | None) -> list[bytes | None]:
    result: list[bytes | None] = []
    for version, event in enumerate(append.events, append.expected + 1):
        if event.private is None:
            result.append(None)
        elif key is None:
            raise Rejected({index: StaleVersion()})
        else:
            result.append(key.encrypt(event.private, rows.bound_to(append.stream, version, event.type)))
    return result


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


def chain(batch: Batch, head: int, tips: Iterable[ResultRow]) -> tuple[list[ResultRow], dict[int, Result]]:
    """Rows of the log with their positions and hashes, under the lock of the head.

    Raises Rejected where a stream has moved on.
    """
    tip: dict[str, tuple[int, bytes]] = {stream: (version, bytes(hash)) for stream, version, hash in tips}
    events: list[ResultRow] = []
    results: dict[int, Result] = {}
    rejected: dict[int, Result] = {}
    for index, append in batch.appends.items():
        version, previous = tip.get(append.stream, _NEW)
        if (
            (append.stream and version != append.expected)
            or (append.requires is not None and tip.get(append.user_id, _NEW)[0] != append.requires)
            or (append.logins is not None and tip.get(logins_of(append.stream), _NEW)[0] != append.logins)
        ):
            rejected[index] = StaleVersion()
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
