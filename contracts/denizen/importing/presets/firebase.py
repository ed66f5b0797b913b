"""Firebase."""

from __future__ import annotations

from dataclasses import dataclass

from denizen.importing import hashes
from denizen.importing.firebase import HashConfig
from denizen.importing.presets.system import Preset, kept_with, names
from denizen.importing.rows import Json, Unfit
from denizen.importing.values import array, compact, flag, given, identities, mapping, text, time

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
    """`users` of `firebase auth:export`; `config` is needed where they have passwords."""

    config: HashConfig | None

    def __call__(self, raw: Json) -> Json:
        key, salt = text(raw, "passwordHash"), text(raw, "salt")
        if key and self.config is None:
            raise Unfit("a hash of Firebase, for which the hash parameters of the project are needed", "passwordHash")
        links = [(item["providerId"], item["rawId"]) for item in array(raw, "providerUserInfo") if "rawId" in item]
        return compact(
            {
                "email": text(raw, "email"),
                "emailVerified": flag(raw, "emailVerified"),
                "passwordHash": hashes.firebase(self.config, salt or "", key) if key and self.config else None,
                "externalId": text(raw, "localId"),
                "profile": {"displayName": given(raw, "displayName"), "picture": given(raw, "photoUrl")},
                "appMetadata": kept_with(mapping(raw, "customAttributes"), raw, phone="phoneNumber"),
                "status": "BLOCKED" if flag(raw, "disabled") else None,
                "createdAt": time(raw, "createdAt"),
                "identities": identities(link for link in links if link[0] not in ("password", "phone")),
            }
        )


def firebase(config: HashConfig | None) -> Preset:
    """The preset for a project with these hash parameters."""
    return Firebase(config)
