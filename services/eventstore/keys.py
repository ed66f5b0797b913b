"""Keys: one for each user's personal data, wrapped by a key-encryption key, and one for looking claims up."""

import base64
import hmac
import os
import secrets
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.eventstore.event import Json
from services.settings import Settings

_NONCE = 12  # octets, NIST SP 800-38D


class KeysMissing(Exception):
    """The key files are not there, or are no keys, or belong to another log."""


class DataKey:
    """The key of one user's personal data: AES-256-GCM, a random nonce of 96 bits before each ciphertext."""

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

    def __init__(self, key_encryption_keys: Mapping[int, bytes], claim_key: bytes) -> None:
        """Takes the key-encryption keys by epoch; the newest epoch wraps. Each key is 32 octets."""
        self._key_encryption_keys = {epoch: AESGCM(key) for epoch, key in key_encryption_keys.items()}
        self.epoch = max(key_encryption_keys)
        self._claims = hmac.new(claim_key, digestmod=sha256)
        self.checks = {"claims": self.claim("check", "")} | {
            f"kek-{epoch}": hmac.digest(key, b"check", "sha256") for epoch, key in key_encryption_keys.items()
        }
        """What tells each key from another without telling the key, by name; 32 octets each."""

    def new_data_key(self, user_id: str) -> tuple[DataKey, bytes]:
        """A fresh key, and its wrapped form under the newest epoch."""
        key = AESGCM.generate_key(256)
        return DataKey(key), self.wrap(user_id, key)

    def unwrap(self, user_id: str, epoch: int, wrapped: bytes) -> DataKey:
        """Raises KeysMissing."""
        return DataKey(self.unwrapped(user_id, epoch, wrapped))

    def wrap(self, name: str, key: bytes) -> bytes:
        """A key as it is stored: encrypted under the newest epoch, bound to whose it is."""
        nonce = os.urandom(_NONCE)
        return nonce + self._key_encryption_keys[self.epoch].encrypt(nonce, key, name.encode())

    def unwrapped(self, name: str, epoch: int, wrapped: bytes) -> bytes:
        """Raises KeysMissing where the epoch is not on the ring, or its key is another than the one that wrapped."""
        if epoch not in self._key_encryption_keys:
            raise KeysMissing(f"no key-encryption key of epoch {epoch}")
        try:
            return self._key_encryption_keys[epoch].decrypt(wrapped[:_NONCE], wrapped[_NONCE:], name.encode())
        except InvalidTag:
            raise KeysMissing(f"the key-encryption key of epoch {epoch} is not the one that wrapped this key") from None

    def claim(self, kind: str, value: str) -> bytes:
        """What stands for an address, external id, identity or code in a table: HMAC-SHA256, 32 octets."""
        mac = self._claims.copy()
        mac.update(f"{kind}\0{value}".encode())
        return mac.digest()


def load(settings: Settings) -> KeyRing:
    """The keys from the environment where they are set there, else from the files in `home`/keys.

    Raises KeysMissing.
    """
    if settings.key_encryption_keys and settings.claim_key:
        pairs = [pair.partition(":") for pair in settings.key_encryption_keys.get_secret_value().split(",")]
        named = {epoch.strip(): key for epoch, _, key in pairs}
        claim_key = settings.claim_key.get_secret_value()
    else:
        directory = settings.home / "keys"
        named = {path.name.removeprefix("kek-"): path.read_text("ascii", "replace") for path in directory.glob("kek-*")}
        path = directory / "claims"
        claim_key = path.read_text("ascii", "replace") if path.exists() else ""
    if not named or not claim_key:
        raise KeysMissing(
            "no keys: set DENIZEN_KEY_ENCRYPTION_KEYS and DENIZEN_CLAIM_KEY, "
            f"or put kek-1 and claims into {settings.home / 'keys'}"
        )
    return KeyRing(
        {_epoch(name): _octets(key, f"kek-{name}") for name, key in named.items()}, _octets(claim_key, "claims")
    )


def create_missing(home: Path) -> None:
    """First start on an empty home: make the keys. They are the data: whoever loses them loses what they encrypt."""
    directory = home / "keys"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(directory.glob("kek-*")):
        _write_new(directory / "kek-1")
    if not (directory / "claims").exists():
        _write_new(directory / "claims")


def _write_new(path: Path) -> None:
    """Whole or not at all, also where the machine stops in between."""
    draft = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


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
