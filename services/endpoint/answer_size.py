"""Lists in answers, cut to what NATS takes, which is a mebibyte."""

from collections.abc import Sequence
from typing import Any

import orjson

_OCTETS = 900_000


def fitting(rows: Sequence[bytes]) -> Sequence[bytes]:
    """The first rows, as many as go into one answer; at least one."""
    octets = 0
    for index, row in enumerate(rows):
        octets += len(row) + 1
        if octets > _OCTETS and index:
            return rows[:index]
    return rows


def listed(rows: Sequence[bytes], **rest: Any) -> bytes:
    """`{"data": [...], ...}` of rows that are JSON already."""
    head = b'{"data":[' + b",".join(rows) + b"]"
    return head + (b"," + orjson.dumps(rest)[1:] if rest else b"}")
