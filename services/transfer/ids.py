"""The ids of the users of one message of an import."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils
from typeid.base32 import encode

_BITS = 20
"""Of an id, for the number of the row, of which a message has fewer; 54 random bits are left (RFC 9562, 6.2)."""
_REST = 80
"""Bits of a UUIDv7 behind its milliseconds since 1970 (RFC 9562, 5.7)."""
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids numbered from a UUIDv7 upwards: the first tells which row became which user.

    The users of one transaction lie beside each other in every index.
    """

    first: UUID

    @classmethod
    def drawn(cls) -> "Ids":
        return cls(UUID(int=uuid_utils.uuid7().int >> _BITS << _BITS))

    def of(self, index: int, created_at: datetime | None) -> str:
        """The id of a row's user, as a TypeID. It has the time of their creation: lists are in the order of ids."""
        number = self.first.int + index + 1
        if created_at is not None:
            number = (created_at - _EPOCH) // _MILLISECOND << _REST | number & ((1 << _REST) - 1)
        return f"user_{encode(number.to_bytes(16))}"
