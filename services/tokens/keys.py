"""The service's own keys: access tokens are signed with one, secrets in requests are sealed for the other."""

import asyncio
import base64
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from denizen.messages import Jwk, Jwks, SealingKey
from denizen.revocations import KEPT_SECONDS
from denizen.tokens import ALGORITHM, KeySet, key_set
from joserfc.jwk import OKPKey
from nacl.public import PrivateKey

from services.domain import refusals
from services.eventstore.keys.data_keys import KeyRing
from services.platform import sql
from services.platform.database import Database
from services.platform.settings import Settings

KeyKind = Literal["signing", "sealing"]
_KINDS: tuple[KeyKind, ...] = ("signing", "sealing")

_FRESH_SECONDS = 2.0
"""How long the keys are taken from memory; a rotation is known everywhere after that."""
_UNKNOWN_SECONDS = 0.1
"""The same where an unknown key is named: invented key ids cause ten queries a second, not one each."""
_RIPE_SECONDS = 0.2
"""Age of a key before anything is made with it: by then a service that meets its id and does not know it finds it."""
LEAD_SECONDS = 90
"""From the publication of a signing key to its first use: verifiers fetch the keys each minute, services cache them."""
_SIGNED_SECONDS = 60
"""How much longer than its tokens a retired signing key stays in the key set: other services go on signing with it
for `_FRESH_SECONDS`, and clocks differ."""
_SEALED_SECONDS = 600
"""How long secrets that were sealed for a retired key can still be opened."""


def _sql(name: str) -> LiteralString:
    return sql.load("services.tokens", name)


@dataclass(frozen=True, slots=True)
class _Key:
    """A row of server_keys. `wrapped` is empty where the private key is gone; where it was dropped, `public` too.

    `state`: a published key is used later, when those that are in use before it have retired. `age`: in seconds.
    """

    key_id: str
    kind: KeyKind
    epoch: int
    wrapped: bytes
    public: bytes
    state: Literal["in_use", "published", "retired", "dropped", "gone"]
    age: float


@dataclass(frozen=True, slots=True)
class RotatedKeys:
    """The result of a rotation: the id of the new key, and those of the keys that it retired or dropped."""

    key_id: str
    old: Sequence[str]


class _Snapshot:
    """The keys as they were read once."""

    def __init__(self, rows: list[_Key], read_at: float) -> None:
        self.read_at = read_at
        self.gone = [key.key_id for key in rows if key.state == "gone"]
        self.dropped = [key.key_id for key in rows if key.state == "dropped" and key.kind == "signing"]
        self.keys = {key.key_id: key for key in rows if key.state in ("in_use", "published", "retired")}
        self.spent = [key.key_id for key in rows if key.kind == "signing" and key.state == "retired" and key.wrapped]
        self.in_use = {key.kind: key for key in rows if key.state == "in_use"}
        signing = sorted((key for key in self.keys.values() if key.kind == "signing"), key=lambda key: key.state)
        self.jwks = Jwks(keys=tuple(_jwk(key) for key in signing))
        self.key_set = key_set(self.jwks)

    async def ripe(self, kind: KeyKind) -> _Key | None:
        """The key in use, when it is so old that every service finds it; None where there is none."""
        key = self.in_use.get(kind)
        if key is not None:
            await asyncio.sleep(max(0.0, self.read_at + _RIPE_SECONDS - key.age - time.monotonic()))
        return key


class ServerKeys:
    """The keys of one log, read again when what is known of them is older than 2 s.

    Everything raises DatabaseUnavailable where they must be read and cannot be, and KeysMissing where the key ring is
    not the one that wrapped them.
    """

    def __init__(self, database: Database, settings: Settings, ring: KeyRing | None = None) -> None:
        """With a key ring it makes the keys that are missing; without one it knows the public halves alone."""
        self._database = database
        self._ring = ring
        self._lifetimes = KEPT_SECONDS, settings.access_token_seconds + _SIGNED_SECONDS, _SEALED_SECONDS
        self._snapshot: _Snapshot | None = None
        self._reading: asyncio.Task[None] | None = None
        self._signing: dict[str, OKPKey] = {}
        self._sealing: dict[str, PrivateKey] = {}

    # --- use --------------------------------------------------------------------------------------------------------

    async def signing(self) -> OKPKey:
        """The private key that signs now; its `kid` is set."""
        key = await (await self._read(_FRESH_SECONDS)).ripe("signing")
        assert key, "the one that is missing was made"
        if key.key_id not in self._signing:
            private = Ed25519PrivateKey.from_private_bytes(self._private(key))
            self._signing[key.key_id] = OKPKey.import_key(private, {"kid": key.key_id, "use": "sig", "alg": ALGORITHM})
        return self._signing[key.key_id]

    async def sealing(self, key_id: str) -> PrivateKey | None:
        """The private key that opens what was sealed for `key_id`; None where there is none, or none any more."""
        key = (await self._read(_FRESH_SECONDS)).keys.get(key_id)
        if key is None:
            key = (await self._read(_UNKNOWN_SECONDS)).keys.get(key_id)
        if key is None or key.kind != "sealing":
            return None
        if key_id not in self._sealing:
            self._sealing[key_id] = PrivateKey(self._private(key))
        return self._sealing[key_id]

    async def verifying(self, *, unknown: bool = False) -> KeySet:
        """The public keys of tokens that may still be good; `unknown`: a token names a key that is not among them."""
        return (await self._read(_UNKNOWN_SECONDS if unknown else _FRESH_SECONDS)).key_set

    async def jwks(self) -> Jwks:
        """The reply of GetJwks: the key that signs now, those that will, and those whose tokens may still live."""
        return (await self._read(_FRESH_SECONDS)).jwks

    async def dropped(self) -> Sequence[str]:
        """The ids of signing keys that were dropped at once so lately that verifiers may hold them for good."""
        return (await self._read(_FRESH_SECONDS)).dropped

    async def sealing_public(self) -> SealingKey:
        """The reply of GetSealingKey. Raises Refusal: `overloaded`."""
        key = await (await self._read(_FRESH_SECONDS)).ripe("sealing")
        if key is None:
            raise refusals.no_sealing_key()
        return SealingKey(key_id=key.key_id, public_key=_base64url(key.public))

    # --- rotation ---------------------------------------------------------------------------------------------------

    async def rotate(self, kind: KeyKind, *, at_once: bool = False) -> RotatedKeys:
        """Makes a new key, and retires the old one.

        A new signing key is published now, and signs when `LEAD_SECONDS` are over; until then the old one does. A
        retired one stays in the key set until its tokens have expired; a retired sealing key opens for 10 minutes.
        `at_once`: the old keys are gone with the commit, but for their ids, and what was signed or sealed by them is
        refused; services know it within 2 s.
        """
        row = self._new_row(kind)
        parameters = {"kind": kind, "lead": LEAD_SECONDS}
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(_sql("lock_keys"))
            cursor = await connection.execute(_sql("drop_keys" if at_once else "retire_key"), parameters)
            old = [str(key_id) for (key_id,) in await cursor.fetchall()]
            await connection.execute(_sql("insert_key"), row)
        self._snapshot = None
        return RotatedKeys(row["key_id"], old)

    def _new_row(self, kind: KeyKind) -> Mapping[str, Any]:
        ring = self._the_ring()
        key_id = secrets.token_hex(8)
        if kind == "signing":
            signing = Ed25519PrivateKey.generate()
            private, public = signing.private_bytes_raw(), signing.public_key().public_bytes_raw()
        else:
            sealing = PrivateKey.generate()
            private, public = bytes(sealing), bytes(sealing.public_key)
        wrapped = ring.wrap(_name(kind, key_id), private)
        return {"key_id": key_id, "kind": kind, "epoch": ring.epoch, "wrapped": wrapped, "public": public}

    # --- the table --------------------------------------------------------------------------------------------------

    async def _read(self, oldest: float) -> _Snapshot:
        """The keys as they were at most `oldest` seconds ago. Concurrent callers share one read."""
        since = time.monotonic() - oldest
        while self._snapshot is None or self._snapshot.read_at < since:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read_now())
            await asyncio.shield(self._reading)
        return self._snapshot

    async def _read_now(self) -> None:
        snapshot = await self._fetch()
        if self._ring is not None:
            missing: list[KeyKind] = [kind for kind in _KINDS if kind not in snapshot.in_use]
            if missing or snapshot.gone or snapshot.spent:
                async with self._database.connection() as connection:
                    for kind in missing:
                        await connection.execute(_sql("add_first_key"), self._new_row(kind))
                    await connection.execute(_sql("forget_keys"), {"key_ids": snapshot.gone})
                    await connection.execute(_sql("spend_keys"), {"key_ids": snapshot.spent})
                snapshot = await self._fetch()
        for opened in (self._signing, self._sealing):
            for key_id in opened.keys() - snapshot.keys.keys():
                del opened[key_id]
        self._snapshot = snapshot

    async def _fetch(self) -> _Snapshot:
        read_at = time.monotonic()
        wrapped: LiteralString = "''::bytea" if self._ring is None else "wrapped"
        rows = await self._database.fetch(_sql("read_keys").replace("{wrapped}", wrapped), self._lifetimes)
        return _Snapshot([_Key(*row) for row in rows], read_at)

    def _private(self, key: _Key) -> bytes:
        return self._the_ring().unwrapped(_name(key.kind, key.key_id), key.epoch, key.wrapped)

    def _the_ring(self) -> KeyRing:
        if self._ring is None:
            raise RuntimeError("private keys need a key ring")
        return self._ring


def _name(kind: KeyKind, key_id: str) -> str:
    """The text that binds a wrapped private key to its row."""
    return f"{kind}\0{key_id}"


def _jwk(key: _Key) -> Jwk:
    return Jwk(kty="OKP", crv="Ed25519", x=_base64url(key.public), kid=key.key_id, use="sig", alg=ALGORITHM)


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
