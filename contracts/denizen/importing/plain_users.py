"""Recognizes users whose every field surely fits, as nearly all do, at a tenth of the cost of a full check."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from denizen.importing.faults import (
    MAX_ID,
    MAX_IDENTITIES,
    MAX_NAME,
    MAX_PICTURE,
    METADATA_DEPTH,
    METADATA_OCTETS,
    identity_fault,
    time_zones,
)
from denizen.importing.rows import Json

_NOTHING: Json = {}
_PLAIN_TIME = re.compile(
    r"(?:19[7-9]|2[0-9]{2})[0-9]-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31)T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}(?:\.[0-9]{1,6})?Z"
)
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]*[A-Za-z0-9](?:/[!-~]*)?")
_TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
"""As the process began: of a later one, a time is looked at closely."""

_PLAIN: Mapping[str, Callable[[str], bool]] = {
    "picture": lambda text: len(text) <= MAX_PICTURE and _PLAIN_URL.fullmatch(text) is not None,
    "locale": lambda text: text in _PLAIN_TAGS,
    "timezone": lambda text: text in time_zones(),
}
"""By field that is no name: whether a text surely fits."""
_NAMES = frozenset({"firstName", "lastName", "displayName"})
_PLAIN_TAGS = frozenset(
    {"de", "en", "es", "fr", "it", "ja", "nl", "pl", "pt", "ru", "zh", "en-US", "en-GB", "de-AT", "de-DE"}
)


def surely_fits(user: Json) -> bool:
    """Whether no field can need a change: so of nearly all users, at a tenth of the cost of a full check."""
    return (
        _is_plain_profile(user.get("profile", _NOTHING))
        and _is_plain_id(user.get("externalId", "1"))
        and _are_plain_times(user)
        and _are_plain_identities(user.get("identities", []))
        and _is_small(user.get("metadata", _NOTHING))
        and _is_small(user.get("appMetadata", _NOTHING))
    )


def _is_plain_profile(profile: Any) -> bool:
    if profile.__class__ is not dict:
        return False
    for field, value in profile.items():
        if value.__class__ is not str or not value.isprintable():
            return False
        if len(value) > MAX_NAME if field in _NAMES else not _PLAIN.get(field, _is_odd)(value):
            return False
    return True


def _is_plain_id(value: Any) -> bool:
    return value.__class__ is str and 0 < len(value) <= MAX_ID and value.isprintable()


def _are_plain_times(user: Json) -> bool:
    created, updated = user.get("createdAt"), user.get("updatedAt")
    if "blockedAt" in user or "blockedUntil" in user or not (created is None or _is_past(created)):
        return False
    return updated is None or (created is not None and _is_past(updated) and created[:19] < updated[:19])


def _are_plain_identities(identities: Any) -> bool:
    if identities.__class__ is not list or len(identities) > MAX_IDENTITIES:
        return False
    if not all(not identity_fault(each) and "linkedAt" not in each for each in identities):
        return False
    return len(identities) < 2 or len({(each["provider"], each["providerId"]) for each in identities}) == len(
        identities
    )


def _is_past(time: Any) -> bool:
    return time.__class__ is str and time < _TODAY and _PLAIN_TIME.fullmatch(time) is not None


def _is_small(metadata: Any) -> bool:
    """By its text in Python, of which a character has at most six octets in JSON."""
    if not metadata:
        return metadata.__class__ is dict
    if not isinstance(metadata, dict):
        return False
    text = repr(cast(Json, metadata))
    return len(text) < METADATA_OCTETS // 6 and text.count("{") + text.count("[") <= METADATA_DEPTH


def _is_odd(_: str) -> bool:
    return False
