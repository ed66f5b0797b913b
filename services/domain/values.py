"""The forms of values in events, documents and replies: JSON objects, and times as text."""

from datetime import UTC, datetime

import orjson
from denizen.json_objects import Json


def merge(old: Json, new: Json) -> Json:
    """`new` over `old`, at the top level; null removes a key."""
    merged = old | new
    return {key: value for key, value in merged.items() if value is not None} if None in merged.values() else merged


def rfc3339(at: datetime) -> str:
    """A time in UTC with six digits of a second, so that texts sort as times do (RFC 3339).

    In a quarter of the time that isoformat takes.
    """
    text = orjson.dumps(at.astimezone(UTC), option=orjson.OPT_UTC_Z).decode()
    return text[1:-1] if at.microsecond else f"{text[1:-2]}.000000Z"
