"""Keys: one for each user's personal data, wrapped by a key-encryption key, and one for looking claims up."""

import base64
import hmac
import os
from collections.abc import Mapping
from hashlib import sha256

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.domain.values import Json
from services.eventstore.keys import files as key_files
from services.eventstore.keys.encryption import KeyEncryption, KeysMissing, LocalKeys
from services.eventstore.keys.files import create_missing
from services.platform.settings import Settings

__all__ = ["DataKey", "KeyRing", "KeysMissing", "create_missing", "in_environment", "load"]

_NONCE = 12  # octets, NIST SP 800-38D


class DataKey:
    """The key of one user's personal data: AES-256-GCM, a random nonce of 96 bits before each ciphertext."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, private: Json, bound_to: str) -> bytes:
        """`bound_to` names the row: the ciphertext opens nowhere else."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, orjson.dumps(private), bound_to.encode())

    def decrypt(self, ciphertext: bytes, bound_to: str) -> Json:
        """Raises cryptography.exceptions.InvalidTag where the row was changed or is another's."""
        data: Json = orjson.loads(self._cipher.decrypt(ciphertext[:_NONCE], ciphertext[_NONCE:], bound_to.encode()))
        return data


class KeyRing:
    """The server's keys. None of them is in the database."""

    def __init__(self, key_encryption: KeyEncryption | Mapping[int, bytes], claim_key: bytes | None) -> None:
        """Takes what wraps data keys, or key-encryption keys of 32 octets by epoch; the claim key has 32 octets too.

        Services that look no claims up do without the claim key.
        """
        self._key_encryption = LocalKeys(key_encryption) if isinstance(key_encryption, Mapping) else key_encryption
        self._claims = None if claim_key is None else hmac.new(claim_key, digestmod=sha256)
        self.epoch = max(self.epochs)
        """The epoch that wraps."""

    @property
    def epochs(self) -> frozenset[int]:
        """Those that there are."""
        return frozenset(self._key_encryption.epochs())

    @property
    def checks(self) -> Mapping[str, bytes]:
        """A fingerprint of each key, by name: 32 octets that do not reveal the key."""
        checks = {f"kek-{epoch}": check for epoch, check in self._key_encryption.epochs().items()}
        return checks if self._claims is None else {"claims": self.claim("check", "")} | checks

    def reload(self) -> None:
        """Look which key-encryption keys there are. Those that have come open at once, and wrap after `advance`.

        Raises KeysMissing.
        """
        self._key_encryption.reload()

    def advance(self) -> None:
        """Wrap under the newest epoch from now on; its key must have been checked, for it may be another log's."""
        self.epoch = max(self.epochs)

    def new_data_key(self, user_id: str) -> tuple[DataKey, bytes]:
        """A fresh key, and its wrapped form under `epoch`."""
        key = os.urandom(32)
        return DataKey(key), self.wrap(user_id, key)

    def unwrap(self, user_id: str, epoch: int, wrapped: bytes) -> DataKey:
        """Raises KeysMissing."""
        return DataKey(self.unwrapped(user_id, epoch, wrapped))

    def wrap(self, name: str, key: bytes) -> bytes:
        """A key as it is stored: encrypted under `epoch`, bound to whose it is. Raises KeysMissing."""
        return self._key_encryption.wrap(self.epoch, name, key)

    def unwrapped(self, name: str, epoch: int, wrapped: bytes) -> bytes:
        """Raises KeysMissing where the epoch is not on the ring, or its key is another than the one that wrapped."""
        return self._key_encryption.unwrap(epoch, name, wrapped)

    def claim(self, kind: str, value: str) -> bytes:
        """The digest that stands for an address, external id, identity or code in a table: HMAC-SHA256, 32 octets.

        Raises KeysMissing where the claim key is not here.
        """
        return self.digest(kind, value.encode())

    def digest(self, kind: str, octets: bytes) -> bytes:
        """HMAC-SHA256 of octets under the claim key, 32 octets: as `claim`, each kind apart from the others."""
        if self._claims is None:
            raise KeysMissing("no claim key: set DENIZEN_CLAIM_KEY")
        mac = self._claims.copy()
        mac.update(b"%b\0%b" % (kind.encode(), octets))
        return mac.digest()


def in_environment(settings: Settings) -> bool:
    """Whether the keys are set there; else they are files."""
    return bool(settings.key_encryption_keys)


def load(settings: Settings) -> KeyRing:
    """The keys from the environment where they are set there, else from the files in `home`/keys.

    The environment may lack the claim key, for services that need none (services/platform/environment.py). Files always
    hold both keys, and files that appear or vanish later are noticed. Raises KeysMissing.
    """
    if settings.key_encryption_keys:
        pairs = [pair.partition(":") for pair in settings.key_encryption_keys.get_secret_value().split(",")]
        named = {epoch.strip(): key for epoch, _, key in pairs}
        claim_key = settings.claim_key.get_secret_value() if settings.claim_key else None
    else:
        named, claim_key = key_files.read(settings.home / "keys")
    if not named or claim_key == "":
        raise KeysMissing(
            "no keys: set DENIZEN_KEY_ENCRYPTION_KEYS and DENIZEN_CLAIM_KEY, "
            f"or put kek-1 and claims into {settings.home / 'keys'}"
        )
    read = None if in_environment(settings) else lambda: _key_encryption_keys(_files(settings))
    claims = None if claim_key is None else _octets(claim_key, "claims")
    return KeyRing(LocalKeys(_key_encryption_keys(named), read), claims)


def _files(settings: Settings) -> Mapping[str, str]:
    try:
        named, _ = key_files.read(settings.home / "keys")
    except OSError as error:
        raise KeysMissing(f"the files in {settings.home / 'keys'} cannot be read: {error.strerror}") from error
    if not named:
        raise KeysMissing(f"there is no kek-<epoch> in {settings.home / 'keys'}")
    return named


def _key_encryption_keys(named: Mapping[str, str]) -> Mapping[int, bytes]:
    return {_epoch(name): _octets(key, f"kek-{name}") for name, key in named.items()}


def _epoch(name: str) -> int:
    if not (name.isascii() and name.isdigit() and 0 < int(name) < 32768):
        raise KeysMissing("the epoch of a key-encryption key is a number from 1 to 32767")
    return int(name)


def _octets(text: str, name: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise KeysMissing(f"the key {name} is not 32 octets in base64")
    return key
