"""Zitadel: human users of an export of its data, or of the lists of its APIs."""

from __future__ import annotations

from typing import Any, cast

from denizen.importing.presets.system import SECOND_FACTORS, in_the_clear, kept_with, linked, names, state
from denizen.importing.rows import Json
from denizen.importing.source_row import LeftOut, leave
from denizen.importing.values import compact, flag, given, text, time

MARKS = names(
    """
    hashedPassword human idpLinks loginNames machine otpCode preferredLoginName requestPasswordlessRegistration
    """
)
FIELDS = names(
    """
    details email id idps metadata organization password passwordChangeRequired phone profile state totpSecret type
    user userId userName username
    """
)
_STATES = {
    "active": "ACTIVE",
    "initial": "ACTIVE",
    "inactive": "DEACTIVATED",
    "locked": "BLOCKED",
    "suspend": "BLOCKED",
    "deleted": "DELETED",
}


def user(raw: Json) -> Json:
    """The user of a row: `{userId, user: …}` of an export, `{id, human: …}` of a list, or the user alone."""
    if raw.get("machine"):
        raise LeftOut("a machine user, which is a program and no person")
    status = state(raw, "state", _STATES, prefix="user_state_")
    if status == "DELETED":
        raise LeftOut("a user who was deleted")
    inner: Json = _object(raw, "human") or _object(raw, "user") or raw
    profile, email, phone = _object(inner, "profile"), _object(inner, "email"), _object(inner, "phone")
    language = given(profile, "preferredLanguage")
    first, last = given(profile, "givenName"), given(profile, "familyName")
    hashed, secret = _object(inner, "hashedPassword"), _object(inner, "password")  # Version 1 has a text.
    text(hashed, "algorithm")
    required = (flag(inner, "passwordChangeRequired"), flag(hashed, "changeRequired"), flag(secret, "changeRequired"))
    leave(inner, SECOND_FACTORS, "otpCode", "totpSecret")
    return compact(
        {
            "email": text(email, "email"),
            "emailVerified": flag(email, "isEmailVerified") or flag(email, "isVerified"),
            "passwordHash": text(hashed, "value") or text(hashed, "hash"),
            **in_the_clear(inner, text(secret, "password") if secret else text(inner, "password")),
            "passwordChangeRequired": any(required) or None,
            "externalId": text(raw, "userId") or text(raw, "id"),
            "profile": {
                "firstName": first or given(profile, "firstName"),
                "lastName": last or given(profile, "lastName"),
                "displayName": given(profile, "displayName"),
                "picture": given(profile, "avatarUrl"),
                "locale": None if language == "und" else language,
            },
            "appMetadata": kept_with(kept_with({}, phone, phone="phone"), _named(raw, inner), username="username"),
            "status": status,
            "createdAt": time(_object(raw, "details"), "creationDate"),
            "identities": linked(inner, "idps", "configId", "externalUserId")
            + linked(inner, "idpLinks", "idpId", "userId"),
        }
    )


def _object(raw: Json, name: str) -> Json:
    value: Any = raw.get(name)
    return cast(Json, value) if isinstance(value, dict) else {}


def _named(raw: Json, inner: Json) -> Json:
    return {"username": text(inner, "userName") or text(raw, "userName") or text(raw, "username")}
