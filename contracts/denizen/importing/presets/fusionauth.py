"""FusionAuth: users of its API, of an import request, or of a search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from denizen.importing import hashes
from denizen.importing.presets.system import (
    SECOND_FACTORS,
    SEVERAL,
    UNKNOWN_VERIFICATION,
    apart,
    in_the_clear,
    kept_with,
    names,
    unless_absent,
)
from denizen.importing.rows import Json
from denizen.importing.source_row import change, leave
from denizen.importing.values import array, compact, flag, given, identities, mapping, section, text, time

MARKS = names(
    """
    breachedPasswordLastCheckedInstant breachedPasswordStatus connectorId encryptionScheme insertInstant
    lastLoginInstant lastUpdateInstant memberships passwordLastUpdateInstant registrations uniqueUsername
    usernameStatus verifiedInstant
    """
)
FIELDS = names(
    """
    active birthDate cleanSpeakId data email expiry factor firstName fullName id identities identityProviders imageUrl
    lastName
    middleName mobilePhone parentEmail password passwordChangeReason passwordChangeRequired phoneNumber
    preferredLanguages salt tenantId timezone twoFactor username verified
    """
)


_DATA = "forms may let users write their data: kept apart, so look before a back end trusts it"


def user(raw: Json) -> Json:
    """The user of a row. `data` stays apart: forms of FusionAuth may let users write parts of it."""
    if raw.get("verified") is None:
        change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    languages = array(raw, "preferredLanguages")
    if len(languages) > 1:
        leave(raw, SEVERAL, "preferredLanguages")
    kept = kept_with({}, raw, username="username", phone="mobilePhone", birthDate="birthDate")
    kept = apart(kept, raw, "data", section(raw, "data"), _DATA)
    if registrations := array(raw, "registrations"):
        kept.setdefault("registrations", [dict(cast(Json, each)) for each in registrations])
    leave(raw, SECOND_FACTORS, "twoFactor")
    return compact(
        {
            "email": text(raw, "email"),
            "emailVerified": flag(raw, "verified"),
            **_password(raw),
            "passwordChangeRequired": flag(raw, "passwordChangeRequired") or None,
            "externalId": text(raw, "id"),
            "profile": {
                "firstName": given(raw, "firstName"),
                "lastName": given(raw, "lastName"),
                "displayName": given(raw, "fullName"),
                "picture": given(raw, "imageUrl"),
                "locale": languages[0] if languages else None,
                "timezone": given(raw, "timezone"),
            },
            "appMetadata": kept,
            "status": _status(raw),
            "createdAt": time(raw, "insertInstant"),
            "updatedAt": time(raw, "lastUpdateInstant"),
            "identities": identities(raw, mapping(raw, "identityProviders").items()),
        }
    )


def _status(raw: Json) -> str | None:
    active = flag(raw, "active", True)
    if _is_over(time(raw, "expiry")) or not active:
        return "DEACTIVATED"
    return unless_absent(raw, "active", "ACTIVE")


def _is_over(expiry: Any) -> bool:
    return isinstance(expiry, str) and datetime.fromisoformat(expiry) <= datetime.now(UTC)


def _password(raw: Json) -> Json:
    password, scheme = text(raw, "password"), text(raw, "encryptionScheme")
    if password is None or scheme is None:
        return in_the_clear(raw, password)
    return {"passwordHash": hashes.fusionauth(scheme, raw.get("factor"), text(raw, "salt") or "", password)}
