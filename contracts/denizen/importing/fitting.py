"""Fits a user that a preset made into the fields of Denizen, so that no field costs the user.

A value that its field cannot keep moves to `appMetadata`, under the name that it has in the source, and the row tells
so. Only the address refuses a row. The bounds are those of the service (services/domain/fields.py), which checks them
too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from denizen.importing.faults import (
    MAX_IDENTITIES,
    METADATA_DEPTH,
    METADATA_OCTETS,
    PROFILE_FAULTS,
    depth,
    id_fault,
    identity_fault,
    instant,
    moment_fault,
    octets,
    time_fault,
    unknown_fault,
)
from denizen.importing.languages import language_tag
from denizen.importing.plain_users import surely_fits
from denizen.importing.report import shown_name
from denizen.importing.rows import Json

_TIMES = ("createdAt", "updatedAt", "blockedAt")
Change = tuple[str, str]
"""A field of ours, and what happened to its value."""


def fit(user: Json, raw: Json) -> list[Change]:
    """Change a user in place until the service can keep every field. `raw`: the row of the source."""
    return [] if surely_fits(user) else _Fitting(user, raw).changes()


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
        if (external_id := user.get("externalId")) is not None and (fault := id_fault(external_id)):
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
            elif fault := PROFILE_FAULTS.get(field, unknown_fault)(value):
                self._move(f"profile.{field}", profile.pop(field), fault)
        self._user["profile"] = profile

    def _fit_times(self) -> None:
        user = self._user
        for field in _TIMES:
            if field in user and (fault := time_fault(user[field])):
                self._move(field, user.pop(field), fault)
        self._fit_block()
        if (updated := user.get("updatedAt")) is None:
            return
        created = user.get("createdAt")
        if created is None:
            self._move(
                "updatedAt", user.pop("updatedAt"), "there is no createdAt, which is then the time of the import"
            )
        elif instant(updated) < instant(created):
            self._move("updatedAt", user.pop("updatedAt"), "lies before createdAt")
        elif "blockedAt" in user and instant(user["blockedAt"]) > instant(updated):
            self._move("blockedAt", user.pop("blockedAt"), "lies after updatedAt")

    def _fit_block(self) -> None:
        user = self._user
        if "blockedUntil" in user and (fault := moment_fault(user["blockedUntil"])):
            self._move("blockedUntil", user.pop("blockedUntil"), fault)
        status = user.get("status")
        if "blockedAt" in user and status not in ("BLOCKED", "DEACTIVATED"):
            self._move("blockedAt", user.pop("blockedAt"), "is of a user who is neither BLOCKED nor DEACTIVATED")
        if "blockedUntil" in user and status != "BLOCKED" and "blockedAt" not in user:
            self._move("blockedUntil", user.pop("blockedUntil"), "is of a user who is not blocked")

    def _fit_identities(self, identities: list[Any]) -> None:
        kept: list[Json] = []
        lost: dict[str, list[Any]] = {}
        seen: set[tuple[str, str]] = set()
        for each in identities:
            fault = identity_fault(each)
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
            if at is not None and (time_fault(at) or (latest is not None and instant(at) > instant(latest))):
                del each["linkedAt"]
                self._changes.append(("identities.linkedAt", "is not a time that can be kept: left out"))

    def _fit_metadata(self, section: str) -> None:
        """Write what is nested too deep as a text of JSON, and make room where there is too much."""
        metadata = self._user[section]
        text = json.dumps(metadata)
        if text.count("{") + text.count("[") > METADATA_DEPTH:
            for key, value in metadata.items():
                if depth(value) >= METADATA_DEPTH:
                    metadata[key] = json.dumps(value, ensure_ascii=False)
                    self._changes.append(
                        (f"{section}.{key}", f"is nested deeper than {METADATA_DEPTH} levels: kept as a text of JSON")
                    )
        if len(text) > METADATA_OCTETS:
            self._make_room(section, metadata)

    def _make_room(self, section: str, metadata: Json) -> None:
        """Leave out the largest parts until the rest has room. Sizes are taken once: there may be 100,000 parts."""
        sizes = {key: octets(key) + octets(value) + len(":,") for key, value in metadata.items()}
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
            if octets(more) > METADATA_OCTETS or depth(more) > METADATA_DEPTH:
                break
            self._user["appMetadata"] = more
            self._changes.append((field, f"{fault}: kept in appMetadata as {shown_name(key)}"))
            return
        self._changes.append((field, f"{fault}: not taken, because appMetadata has no room for it"))


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
