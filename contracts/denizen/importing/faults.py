"""What is wrong with the value of a field, by the bounds of the service (services/domain/fields.py)."""

from __future__ import annotations

import json
import re
import zoneinfo
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

from denizen.importing.rows import Json

MAX_NAME, MAX_PICTURE, MAX_TAG, MAX_ID = 256, 2048, 64, 256
"""Characters of a name, of a picture's URL, of a locale or a time zone, and of an id elsewhere."""
MAX_IDENTITIES = 64
METADATA_OCTETS = 16 * 1024
METADATA_DEPTH = 8
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]")
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_FIRST_YEAR = datetime(1970, 1, 1, tzinfo=UTC)
_SKEW = timedelta(minutes=4)
"""The service grants five minutes."""
Fault = str | None
"""What is wrong with a value; None where nothing is."""


def _text_fault(most: int) -> Callable[[Any], Fault]:
    def fault(value: Any) -> Fault:
        if not isinstance(value, str):
            return "is not text"
        if len(value) > most:
            return f"has more than {most} characters"
        return "holds control characters" if not value.isprintable() and _CONTROL.search(value) else None

    return fault


def unknown_fault(_: Any) -> Fault:
    """What is wrong with any value of a field that profiles do not have."""
    return "is not a field of profiles"


_name_fault, _picture_fault, _tag_fault = _text_fault(MAX_NAME), _text_fault(MAX_PICTURE), _text_fault(MAX_TAG)
_id_fault = _text_fault(MAX_ID)


def _web_address_fault(value: Any) -> Fault:
    if fault := _picture_fault(value):
        return fault
    try:
        parts = urlsplit(cast(str, value))
        if parts.scheme in ("http", "https") and parts.hostname and " " not in value and parts.port != 0:
            return None
    except ValueError:
        pass
    return "is not an http or https URL"


def _locale_fault(value: Any) -> Fault:
    return _tag_fault(value) or "is not a language tag that is known"


def _time_zone_fault(value: Any) -> Fault:
    return _tag_fault(value) or (None if value in time_zones() else "is not the name of an IANA time zone")


@cache
def time_zones() -> frozenset[str]:
    """The names of IANA time zones."""
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}


PROFILE_FAULTS: Mapping[str, Callable[[Any], Fault]] = {
    "firstName": _name_fault,
    "lastName": _name_fault,
    "displayName": _name_fault,
    "picture": _web_address_fault,
    "locale": _locale_fault,
    "timezone": _time_zone_fault,
}
"""By field of a profile: what finds the fault of a value."""


def id_fault(value: Any) -> Fault:
    """What is wrong with an id of another system."""
    return "is empty" if value == "" else _id_fault(value)


def identity_fault(identity: Any) -> Fault:
    """What is wrong with a linked account."""
    if not isinstance(identity, dict):
        return "is not an object"
    found = cast(Json, identity)
    provider = found.get("provider")
    if not isinstance(provider, str) or not _PROVIDER.fullmatch(provider):
        return "the provider has a name that Denizen cannot keep"
    return id_fault(found.get("providerId"))


def time_fault(value: Any) -> Fault:
    """What is wrong with a time of the past."""
    if fault := moment_fault(value):
        return fault
    at = instant(value)
    return None if _FIRST_YEAR <= at <= datetime.now(UTC) + _SKEW else "lies in the future, or before 1970"


def moment_fault(value: Any) -> Fault:
    """What is wrong with a time of the past or the future."""
    try:
        known = isinstance(value, str) and _TIME.fullmatch(value) and instant(value)
    except (ValueError, OverflowError):
        known = None
    return None if known else "is not a time"


def instant(time: str) -> datetime:
    """Read a time that has its form, for comparison. Raises ValueError, OverflowError."""
    return datetime.fromisoformat(time.upper()).astimezone(UTC)


def octets(value: Any) -> int:
    """How many octets a value has as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def depth(value: Any) -> int:
    """How many objects and lists are nested in one another."""
    if isinstance(value, dict):
        return 1 + max((depth(each) for each in cast(Json, value).values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(each) for each in cast(list[Any], value)), default=0)
    return 0
