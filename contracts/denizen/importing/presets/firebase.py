"""Firebase: `users` of `firebase auth:export`, or users as the admin SDK lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from denizen.importing import hashes
from denizen.importing.firebase import HashConfig
from denizen.importing.presets.system import (
    SECOND_FACTORS,
    Preset,
    kept_with,
    linked,
    names,
    unless_absent,
    verified_by,
)
from denizen.importing.rows import Json
from denizen.importing.source_row import leave
from denizen.importing.values import compact, flag, given, section, text, time

MARKS = names(
    """
    customAttributes customClaims lastSignedInAt localId passwordSalt photoUrl providerData providerUserInfo
    tokensValidAfterTime
    """
)
FIELDS = names(
    """
    createdAt disabled displayName email emailVerified initialEmail kind lastLoginAt lastRefreshAt metadata mfaInfo
    multiFactor passwordHash passwordUpdatedAt phoneNumber salt tenantId uid validSince
    """
)


@dataclass(frozen=True, slots=True)
class Firebase:
    """The preset; `config` is needed where users have passwords."""

    config: HashConfig | None

    def __call__(self, raw: Json) -> Json:
        """The user of a row."""
        claims = section(raw, "customAttributes") or section(raw, "customClaims")
        leave(raw, SECOND_FACTORS, "mfaInfo", "multiFactor")
        return compact(
            {
                "email": text(raw, "email"),
                "emailVerified": verified_by(flag(raw, "emailVerified"), raw, "emailVerified"),
                "passwordHash": self._hash(raw),
                "externalId": text(raw, "localId") or text(raw, "uid"),
                "profile": {
                    "displayName": given(raw, "displayName"),
                    "picture": given(raw, "photoUrl") or given(raw, "photoURL"),
                },
                "appMetadata": kept_with(claims, raw, phone="phoneNumber"),
                "status": unless_absent(raw, "disabled", "BLOCKED" if flag(raw, "disabled") else "ACTIVE"),
                "createdAt": time(raw, "createdAt") or _created(raw),
                "identities": _links(raw),
            }
        )

    def _hash(self, raw: Json) -> str | hashes.UnfitHash | None:
        key = text(raw, "passwordHash")
        salt = text(raw, "salt") or text(raw, "passwordSalt") or ""
        if key is None:
            return None
        if self.config is None:
            return hashes.UnfitHash("a hash of Firebase needs the hash parameters of the project: --hash-config FILE")
        return hashes.firebase(self.config, salt, key)


def firebase(config: HashConfig | None) -> Preset:
    """The preset for a project with these hash parameters."""
    return Firebase(config)


def _created(raw: Json) -> Any:
    metadata = raw.get("metadata")
    return time(cast(Json, metadata), "creationTime") if isinstance(metadata, dict) else None


def _links(raw: Json) -> list[Json]:
    own = ("password", "phone")
    exported = linked(raw, "providerUserInfo", "providerId", "rawId", without=own)
    return exported or linked(raw, "providerData", "providerId", "uid", without=own)
