"""Amazon Cognito: users of `aws cognito-idp list-users`, or a CSV in the form of its import."""

from __future__ import annotations

from typing import Any

from denizen.importing.presets.system import SECOND_FACTORS, UNKNOWN_VERIFICATION, linked, names, state
from denizen.importing.rows import Json
from denizen.importing.source_row import SourceRow, change, leave
from denizen.importing.values import array, compact, flag, given, text, time

MARKS = names(
    """
    cognito:mfa_enabled cognito:username UserAttributes UserCreateDate UserLastModifiedDate UserMFASettingList
    UserStatus
    """
)
FIELDS = names(
    """
    address Attributes birthdate cognito:user_status email email_verified Enabled family_name gender given_name
    identities locale MFAOptions middle_name name nickname phone_number phone_number_verified picture
    PreferredMfaSetting preferred_username profile sub updated_at Username website zoneinfo
    """
)
_STATES = {
    "confirmed": "ACTIVE",
    "unconfirmed": "ACTIVE",
    "external_provider": "ACTIVE",
    "reset_required": "ACTIVE",
    "force_change_password": "ACTIVE",
    "unknown": "ACTIVE",
    "archived": "DEACTIVATED",
    "compromised": "BLOCKED",
}
_SECOND_FACTORS = ("MFAOptions", "PreferredMfaSetting", "UserMFASettingList", "cognito:mfa_enabled")


_STANDARD = frozenset(
    {
        "address", "birthdate", "gender", "middle_name", "nickname", "preferred_username", "profile", "updated_at",
        "website",
    }
)  # fmt: skip
_CUSTOM = "an app client may let users write custom attributes: kept with their prefix, custom:"


def user(raw: Json) -> Json:
    """The user of a row. Cognito exports no hashes.

    Users may write standard attributes, unless an app client says otherwise: these become metadata. Custom ones keep
    their prefix in appMetadata, because an app client may let users write them; those with `dev:` only programs write.
    """
    attributes = _attributes(raw)
    status = state(raw, "UserStatus", _STATES) or state(attributes, "cognito:user_status", _STATES)
    email, username = text(attributes, "email"), text(raw, "Username") or text(attributes, "cognito:username")
    others = {name: value for name, value in attributes.items() if name not in _TAKEN and value}
    theirs = {name: others.pop(name) for name in _STANDARD & others.keys()}
    if any(name.startswith("custom:") for name in others):
        change(raw, "appMetadata", _CUSTOM)
    kept = {name.removeprefix("dev:custom:").removeprefix("dev:"): value for name, value in others.items()}
    if phone := text(attributes, "phone_number"):
        kept["phone"] = phone
    if username and username not in (email, text(attributes, "sub")):
        kept["username"] = username
    if isinstance(raw, SourceRow) and attributes.get("identities"):
        raw.put("identities", attributes["identities"])  # So that what is not read of them is told.
    leave(raw, SECOND_FACTORS, *_SECOND_FACTORS)
    return compact(
        {
            "email": email,
            "emailVerified": _is_verified(raw, attributes),
            "externalId": text(attributes, "sub") or username,
            "profile": {
                "firstName": given(attributes, "given_name"),
                "lastName": given(attributes, "family_name"),
                "displayName": given(attributes, "name"),
                "picture": given(attributes, "picture"),
                "locale": given(attributes, "locale"),
                "timezone": given(attributes, "zoneinfo"),
            },
            "metadata": theirs,
            "appMetadata": kept,
            "status": status if flag(raw, "Enabled", True) else "BLOCKED",
            "createdAt": _time(raw, "UserCreateDate"),
            "updatedAt": _time(raw, "UserLastModifiedDate"),
            "identities": linked(raw, "identities", "providerName", "userId"),
        }
    )


_TAKEN = frozenset(
    {
        "email", "email_verified", "sub", "given_name", "family_name", "name", "picture", "locale", "zoneinfo",
        "phone_number", "identities", "cognito:username", "cognito:mfa_enabled", "cognito:user_status",
        "Username", "Enabled", "UserStatus", "UserCreateDate",
        "UserLastModifiedDate", "MFAOptions", "PreferredMfaSetting", "UserMFASettingList",
    }
)  # fmt: skip


def _attributes(raw: Json) -> Json:
    listed = array(raw, "Attributes") or array(raw, "UserAttributes")
    if "Attributes" in raw or "UserAttributes" in raw:
        return {each["Name"]: each.get("Value") for each in listed}
    return dict(raw)  # A CSV has a column for each attribute.


def _is_verified(raw: Json, attributes: Json) -> bool:
    if "email_verified" not in attributes:
        change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    return flag(attributes, "email_verified")


def _time(raw: Json, name: str) -> Any:
    """Version 1 of the command line tool writes seconds since 1970."""
    value: Any = raw.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return time({name: value * 1000}, name)
    return time(raw, name)
