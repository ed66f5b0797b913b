"""Fits a user that a preset made into the fields of Denizen, so that no field costs the user.

A value that its field cannot keep moves to `appMetadata`, under the name that it has in the source, and the row tells
so. Only the address refuses a row. The bounds are those of the service (services/domain/fields.py), which checks them
too.
"""

from __future__ import annotations

import json
import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

from denizen.importing.languages import language_tag
from denizen.importing.report import shown_name
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
_TIMES = ("createdAt", "updatedAt", "blockedAt")

_NOTHING: Json = {}
_PLAIN_TIME = re.compile(
    r"(?:19[7-9]|2[0-9]{2})[0-9]-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}"
    r"(?:\.[0-9]{1,6})?Z"
)
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]*[A-Za-z0-9](?:/[!-~]*)?")
_THIS_YEAR = f"{datetime.now(UTC).year}"

Change = tuple[str, str]
"""A field of ours, and what happened to its value."""
_Fault = str | None


def fit(user: Json, raw: Json) -> list[Change]:
    """Change a user in place until the service can keep every field. `raw`: the row of the source."""
    return [] if _surely_fits(user) else _Fitting(user, raw).changes()


def _surely_fits(user: Json) -> bool:
    """Whether no field can need a change: so of nearly all users, at a tenth of the cost of a full check."""
    return (
        _is_plain_profile(user.get("profile", _NOTHING))
        and _is_plain_id(user.get("externalId", "1"))
        and _are_plain_times(user)
        and _are_plain_identities(user.get("identities", []))
        and all(section not in user or _is_small(user[section]) for section in ("metadata", "appMetadata"))
    )


def _is_plain_profile(profile: Any) -> bool:
    if profile.__class__ is not dict:
        return False
    for field, value in profile.items():
        if value.__class__ is not str or not value.isprintable() or not _PLAIN.get(field, _is_odd)(value):
            return False
    return True


def _is_plain_id(value: Any) -> bool:
    return value.__class__ is str and 0 < len(value) <= MAX_ID and value.isprintable()


def _are_plain_times(user: Json) -> bool:
    created, updated = user.get("createdAt"), user.get("updatedAt")
    if "blockedAt" in user or not (created is None or _is_past(created)):
        return False
    return updated is None or (created is not None and _is_past(updated) and created[:19] < updated[:19])


def _are_plain_identities(identities: Any) -> bool:
    if identities.__class__ is not list or len(identities) > 1:
        return False
    return all(not _identity_fault(each) and "linkedAt" not in each for each in identities)


def _is_past(time: Any) -> bool:
    return time.__class__ is str and time < _THIS_YEAR and _PLAIN_TIME.fullmatch(time) is not None


def _is_small(metadata: Any) -> bool:
    """By its text in Python, of which a character has at most six octets in JSON."""
    if not isinstance(metadata, dict):
        return False
    text = repr(cast(Json, metadata))
    return len(text) < METADATA_OCTETS // 6 and text.count("{") + text.count("[") <= METADATA_DEPTH


def _is_odd(_: str) -> bool:
    return False


class _Fitting:
    def __init__(self, user: Json, raw: Json) -> None:
        self._user = user
        self._raw = raw
        self._changes: list[Change] = []
        self._moved: list[tuple[str, str, Any, str]] = []
        """The field, the name that the value gets in appMetadata, the value, and what was wrong with it."""

    def changes(self) -> list[Change]:
        user = self._user
        for section in ("profile", "metadata", "appMetadata"):
            if section in user and not isinstance(user[section], dict):
                self._move(section, user.pop(section), "is not an object")
        if "profile" in user:
            self._fit_profile(dict(user["profile"]))
        if (external_id := user.get("externalId")) is not None and (fault := _id_fault(external_id)):
            self._move("externalId", user.pop("externalId"), fault)
        self._fit_times()
        if "identities" in user:
            identities = user["identities"]
            self._fit_identities(cast(list[Any], identities) if isinstance(identities, list) else [identities])
        for section in ("metadata", "appMetadata"):
            if section in user:
                self._fit_metadata(section)
        for each in self._moved:
            self._keep(*each)
        return self._changes

    def _fit_profile(self, profile: Json) -> None:
        for field, value in list(profile.items()):
            if value is None:
                del profile[field]
            elif field == "locale" and isinstance(value, str) and (tag := language_tag(value)):
                profile[field] = tag  # `de_AT` is `de-AT`.
            elif fault := _PROFILE.get(field, _unknown_fault)(value):
                self._move(f"profile.{field}", profile.pop(field), fault)
        self._user["profile"] = profile

    def _fit_times(self) -> None:
        user = self._user
        for field in _TIMES:
            if field in user and (fault := _time_fault(user[field])):
                self._move(field, user.pop(field), fault)
        if "blockedAt" in user and user.get("status") not in ("BLOCKED", "DEACTIVATED"):
            self._move("blockedAt", user.pop("blockedAt"), "is of a user who is neither BLOCKED nor DEACTIVATED")
        if (updated := user.get("updatedAt")) is None:
            return
        created = user.get("createdAt")
        if created is None:
            self._move(
                "updatedAt", user.pop("updatedAt"), "there is no createdAt, which is then the time of the import"
            )
        elif _at(updated) < _at(created):
            self._move("updatedAt", user.pop("updatedAt"), "lies before createdAt")
        elif "blockedAt" in user and _at(user["blockedAt"]) > _at(updated):
            self._move("blockedAt", user.pop("blockedAt"), "lies after updatedAt")

    def _fit_identities(self, identities: list[Any]) -> None:
        kept: list[Json] = []
        lost: dict[str, list[Any]] = {}
        seen: set[tuple[str, str]] = set()
        for each in identities:
            fault = _identity_fault(each)
            if fault is None and (pair := (each["provider"], each["providerId"])) not in seen:
                seen.add(pair)
                kept.append(each)
            elif fault is not None:
                lost.setdefault(fault, []).append(each)
        if len(kept) > MAX_IDENTITIES:
            lost["a user has at most 64 identities"] = kept[MAX_IDENTITIES:]
            kept = kept[:MAX_IDENTITIES]
        for fault, some in lost.items():
            self._moved.append(("identities", "identities", some, fault))
        self._user["identities"] = kept
        self._fit_links(kept)

    def _fit_links(self, identities: list[Json]) -> None:
        latest = self._user.get("updatedAt")
        for each in identities:
            at = each.get("linkedAt")
            if at is not None and (_time_fault(at) or (latest is not None and _at(at) > _at(latest))):
                del each["linkedAt"]
                self._changes.append(("identities.linkedAt", "is not a time that can be kept: left out"))

    def _fit_metadata(self, section: str) -> None:
        """Write what is nested too deep as a text of JSON, and make room where there is too much."""
        metadata = self._user[section]
        text = json.dumps(metadata)
        if text.count("{") + text.count("[") > METADATA_DEPTH:
            for key, value in metadata.items():
                if _depth(value) >= METADATA_DEPTH:
                    metadata[key] = json.dumps(value, ensure_ascii=False)
                    self._changes.append(
                        (f"{section}.{key}", f"is nested deeper than {METADATA_DEPTH} levels: kept as a text of JSON")
                    )
        if len(text) > METADATA_OCTETS:
            self._make_room(section, metadata)

    def _make_room(self, section: str, metadata: Json) -> None:
        """Leave out the largest parts until the rest has room. Sizes are taken once: there may be 100,000 parts."""
        sizes = {key: _octets(key) + _octets(value) + len(":,") for key, value in metadata.items()}
        left = sum(sizes.values()) + 1
        for key in sorted(sizes, key=sizes.__getitem__, reverse=True):
            if left <= METADATA_OCTETS:
                break
            left -= sizes[key]
            del metadata[key]
            self._changes.append((f"{section}.{key}", f"is not taken: {section} has room for {METADATA_OCTETS} octets"))

    def _move(self, field: str, value: Any, fault: str) -> None:
        name = _source_name(self._raw, value) or field.rpartition(".")[2]
        self._moved.append((field, name, value, fault))

    def _keep(self, field: str, name: str, value: Any, fault: str) -> None:
        """Put a value that its field cannot keep into appMetadata, where there is room for it."""
        kept = self._user.get("appMetadata", {})
        for key in dict.fromkeys((name, field)):
            if key in kept and kept[key] != value:
                continue
            more = {**kept, key: value}
            if _octets(more) > METADATA_OCTETS or _depth(more) > METADATA_DEPTH:
                break
            self._user["appMetadata"] = more
            self._changes.append((field, f"{fault}: kept in appMetadata as {shown_name(key)}"))
            return
        self._changes.append((field, f"{fault}: not taken, because appMetadata has no room for it"))


def _text_fault(most: int) -> Callable[[Any], _Fault]:
    def fault(value: Any) -> _Fault:
        if not isinstance(value, str):
            return "is not text"
        if len(value) > most:
            return f"has more than {most} characters"
        return "holds control characters" if not value.isprintable() and _CONTROL.search(value) else None

    return fault


def _unknown_fault(_: Any) -> _Fault:
    return "is not a field of profiles"


_name_fault, _picture_fault, _tag_fault = _text_fault(MAX_NAME), _text_fault(MAX_PICTURE), _text_fault(MAX_TAG)


def _web_address_fault(value: Any) -> _Fault:
    if fault := _picture_fault(value):
        return fault
    try:
        parts = urlsplit(cast(str, value))
        if parts.scheme in ("http", "https") and parts.hostname and " " not in value and parts.port != 0:
            return None
    except ValueError:
        pass
    return "is not an http or https URL"


def _locale_fault(value: Any) -> _Fault:
    return _tag_fault(value) or "is not a language tag that is known"


def _time_zone_fault(value: Any) -> _Fault:
    return _tag_fault(value) or (None if value in _time_zones() else "is not the name of an IANA time zone")


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}


_PROFILE: Mapping[str, Callable[[Any], _Fault]] = {
    "firstName": _name_fault,
    "lastName": _name_fault,
    "displayName": _name_fault,
    "picture": _web_address_fault,
    "locale": _locale_fault,
    "timezone": _time_zone_fault,
}


_PLAIN: Mapping[str, Callable[[str], bool]] = {
    "firstName": lambda text: len(text) <= MAX_NAME,
    "lastName": lambda text: len(text) <= MAX_NAME,
    "displayName": lambda text: len(text) <= MAX_NAME,
    "picture": lambda text: len(text) <= MAX_PICTURE and _PLAIN_URL.fullmatch(text) is not None,
    "locale": lambda text: text in _PLAIN_TAGS,
    "timezone": lambda text: text in _time_zones(),
}
"""By field: whether a text surely fits."""
_PLAIN_TAGS = frozenset(
    {"de", "en", "es", "fr", "it", "ja", "nl", "pl", "pt", "ru", "zh", "en-US", "en-GB", "de-AT", "de-DE"}
)


def _id_fault(value: Any) -> _Fault:
    return "is empty" if value == "" else _text_fault(MAX_ID)(value)


def _identity_fault(identity: Any) -> _Fault:
    if not isinstance(identity, dict):
        return "is not an object"
    found = cast(Json, identity)
    provider = found.get("provider")
    if not isinstance(provider, str) or not _PROVIDER.fullmatch(provider):
        return "the provider has a name that Denizen cannot keep"
    return _id_fault(found.get("providerId"))


def _time_fault(value: Any) -> _Fault:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return "is not a time"
    try:
        at = _at(value)
    except (ValueError, OverflowError):
        return "is not a time"
    return None if _FIRST_YEAR <= at <= datetime.now(UTC) + _SKEW else "lies in the future, or before 1970"


def _at(time: str) -> datetime:
    return datetime.fromisoformat(time.upper()).astimezone(UTC)


def _octets(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(each) for each in cast(Json, value).values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(each) for each in cast(list[Any], value)), default=0)
    return 0


_LEVELS = 3
_PLAIN_NAMES = frozenset(
    {
        "first", "firstname", "given", "givenname", "last", "lastname", "family", "familyname", "surname", "name",
        "fullname", "displayname", "nickname", "picture", "avatar", "avatarurl", "image", "imageurl", "photo",
        "photourl", "locale", "lang", "language", "preferredlanguage", "timezone", "tz", "zoneinfo", "created",
        "createdat", "creationdate", "updated", "updatedat",
    }
)  # fmt: skip
"""Names of what can move, without underscores and in small letters."""


def _source_name(raw: Json, value: Any, levels: int = _LEVELS) -> str | None:
    """The name that a value has in its row, at most three levels deep.

    Within an object, only a name that says nothing but what the value is: users may choose the names there. One who
    put the same text under `role` and where the picture belongs would else get a role in `appMetadata`.
    """
    for key, each in cast(Iterable[tuple[str, Any]], dict.items(raw)):  # pyright: ignore[reportUnknownMemberType]
        if each == value or (isinstance(each, list) and len(cast(list[Any], each)) == 1 and each[0] == value):
            if levels == _LEVELS or key.replace("_", "").lower() in _PLAIN_NAMES:
                return key
        elif isinstance(each, dict) and levels > 1 and (found := _source_name(cast(Json, each), value, levels - 1)):
            return found
    return None
