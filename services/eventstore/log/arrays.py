"""Columns as arrays in PostgreSQL's binary form, made by hand: psycopg's own lists, and JSON, cost twice as much.

A statement takes them by `unnest`.
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from services.domain.values import Json

_HEAD = struct.Struct(">iiIii").pack
"""Dimensions, whether there are nulls, the type of the elements, how many, the number of the first."""
_LENGTH = struct.Struct(">i").pack
_NULL = _LENGTH(-1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Array:
    """A parameter: an array of one type."""

    __slots__ = ("octets",)

    def __init__(self, items: Sequence[bytes | None], type: int) -> None:
        """`items` in binary form, `type` by its oid."""
        pieces = [_HEAD(1, 1, type, len(items), 1)]
        for item in items:
            if item is None:
                pieces.append(_NULL)
            else:
                pieces += _LENGTH(len(item)), item
        self.octets = b"".join(pieces)


class _ArrayDumper(Dumper):
    """Of whichever type: the statement says by a cast what it takes."""

    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj.octets


psycopg.adapters.register_dumper(Array, _ArrayDumper)


def bigints(numbers: Iterable[int]) -> Array:
    return Array([number.to_bytes(8, "big", signed=True) for number in numbers], 20)


def smallints(numbers: Iterable[int]) -> Array:
    return Array([number.to_bytes(2, "big", signed=True) for number in numbers], 21)


def integers(numbers: Iterable[int]) -> Array:
    return Array([number.to_bytes(4, "big", signed=True) for number in numbers], 23)


def texts(texts: Iterable[str]) -> Array:
    return Array([text.encode() for text in texts], 25)


def octets(octets: Iterable[bytes | None]) -> Array:
    return Array(list(octets), 17)


def uuids(uuids: Iterable[UUID]) -> Array:
    return Array([uuid.bytes for uuid in uuids], 2950)


def jsons(objects: Iterable[Json]) -> Array:
    """As jsonb, of version 1."""
    return Array([b"\1" + orjson.dumps(each) for each in objects], 3802)


def times(times: Iterable[datetime]) -> Array:
    return Array([((at - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True) for at in times], 1184)
