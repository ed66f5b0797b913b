"""Unwrapped data keys, kept in the memory of a process."""

from collections import OrderedDict

from services.eventstore.keys.data_keys import DataKey, KeyRing

_MOST = 4_000
"""Data keys kept in a process: about 10 MB."""


class DataKeyCache:
    """The data keys of the users seen last."""

    def __init__(self, ring: KeyRing, size: int = _MOST) -> None:
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
