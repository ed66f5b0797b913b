"""Key-encryption keys by epoch: what wraps the data keys, and is never in the database."""

import hmac
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12  # octets, NIST SP 800-38D
_FRESH_SECONDS = 60.0
"""How long keys are taken from memory before it is looked whether some have come or gone."""


class KeysMissing(Exception):
    """The key files are not there, or are no keys, or belong to another log."""


class KeyEncryption(Protocol):
    """Wraps keys of 32 octets under key-encryption keys, which have epochs: `LocalKeys`, or a KMS.

    It is called on the event loop, once for each new user and each user whose key is not in memory: it must not block.
    """

    def epochs(self) -> Mapping[int, bytes]:
        """The epochs, each with a fingerprint of its key: 32 octets that do not reveal the key."""
        ...

    def reload(self) -> None:
        """Look again which epochs there are."""
        ...

    def wrap(self, epoch: int, name: str, key: bytes) -> bytes:
        """A key as it is stored, bound to whose it is. Raises KeysMissing."""
        ...

    def unwrap(self, epoch: int, name: str, wrapped: bytes) -> bytes:
        """The key that was wrapped. Raises KeysMissing where this epoch's key did not wrap it under this name."""
        ...


class LocalKeys:
    """Key-encryption keys in memory, 32 octets each; AES-256-GCM, a random nonce of 96 bits before each ciphertext."""

    def __init__(self, keys: Mapping[int, bytes], read: Callable[[], Mapping[int, bytes]] | None = None) -> None:
        """`read` gives the keys as they are now, or raises KeysMissing; without it they never change."""
        self._read = read
        self._ciphers: dict[int, AESGCM] = {}
        self._checks: dict[int, bytes] = {}
        self._gone: set[int] = set()
        self._read_at = time.monotonic()
        self._take(keys)

    def _take(self, keys: Mapping[int, bytes]) -> None:
        self._ciphers |= {epoch: AESGCM(key) for epoch, key in keys.items()}
        self._checks |= {epoch: hmac.digest(key, b"check", "sha256") for epoch, key in keys.items()}

    def epochs(self) -> Mapping[int, bytes]:
        return {epoch: check for epoch, check in self._checks.items() if epoch not in self._gone}

    def reload(self) -> None:
        """Raises KeysMissing, and nothing has changed, where they cannot be read."""
        self._read_at = time.monotonic()
        if self._read is None:
            return
        keys = self._read()
        # Not at once: a row that was read before it was rewrapped may still be waiting to be opened.
        for epoch in self._gone - keys.keys():
            del self._ciphers[epoch], self._checks[epoch]
        self._gone = self._ciphers.keys() - keys.keys()
        self._take(keys)

    def wrap(self, epoch: int, name: str, key: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher(epoch).encrypt(nonce, key, name.encode())

    def unwrap(self, epoch: int, name: str, wrapped: bytes) -> bytes:
        if epoch not in self._ciphers or time.monotonic() - self._read_at > _FRESH_SECONDS:
            with suppress(KeysMissing):  # Those in memory are still good.
                self.reload()
        cipher = self._cipher(epoch)
        try:
            return cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], name.encode())
        except InvalidTag:
            raise KeysMissing(f"the key-encryption key of epoch {epoch} is not the one that wrapped this key") from None

    def _cipher(self, epoch: int) -> AESGCM:
        if epoch not in self._ciphers:
            raise KeysMissing(f"no key-encryption key of epoch {epoch}")
        return self._ciphers[epoch]
