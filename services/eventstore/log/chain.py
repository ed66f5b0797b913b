"""The hash that ties a row of the log to the row before it in its stream."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import orjson

from services.domain.values import Json

START = bytes(32)
"""What stands for the row before the first of a stream."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def link(previous: bytes, row: Json) -> bytes:
    """SHA-256 over the hash of the row before, and every column of this row.

    The columns are one JSON object with sorted keys: a form that is the same before the row is stored and after it is
    read again, jsonb included. `private` is the stored ciphertext in hexadecimal, `recorded_at` a datetime in UTC.
    """
    columns = {**row, "recorded_at": (row["recorded_at"] - _EPOCH) // _MICROSECOND}
    return sha256(previous + orjson.dumps(columns, option=orjson.OPT_SORT_KEYS)).digest()
