"""Auth0: a user export, an export of password hashes, or a file in the schema of the bulk import."""

from __future__ import annotations

from typing import cast

from denizen.importing import hashes
from denizen.importing.presets.system import (
    SECOND_FACTORS,
    UNKNOWN_VERIFICATION,
    kept_with,
    linked,
    names,
    unless_absent,
)
from denizen.importing.rows import Json
from denizen.importing.source_row import change, leave
from denizen.importing.values import array, compact, flag, given, identities, locale, mapping, section, text, time

MARKS = names(
    """
    _tmp_is_unique custom_password_hash guardian_authenticators identifiers last_ip logins_count mfa_factors
    multifactor password_set_date user_metadata
    """
)
FIELDS = names(
    """
    _id alt_id app_metadata blocked connection created_at email email_verified family_name given_name identities
    last_login last_password_reset locale multifactor_last_modified name nickname passwordHash password_hash
    phone_number phone_verified picture provider tenant updated_at user_id username
    """
)


def user(raw: Json) -> Json:
    """The user of a row."""
    identifiers = {item["type"]: item for item in array(raw, "identifiers")}
    by_email = identifiers.get("email", {})
    email = text(raw, "email") or text(by_email, "value")
    user_id = text(raw, "user_id")
    if user_id is None and (key := raw.get("_id") or raw.get("_ID")):
        user_id = f"auth0|{text(raw, 'alt_id') or key['$oid']}"
    name = given(raw, "name")
    leave(raw, SECOND_FACTORS, *_SECOND_FACTORS)
    if "email_verified" not in raw and "verified" not in by_email:
        change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    return compact(
        {
            "email": email,
            "emailVerified": flag(raw, "email_verified")
            or (text(by_email, "value") == email and flag(by_email, "verified")),
            "passwordHash": _hash(raw),
            "externalId": user_id,
            "profile": {
                "firstName": given(raw, "given_name"),
                "lastName": given(raw, "family_name"),
                "displayName": name if name != email else None,
                "picture": given(raw, "picture"),
                "locale": locale(raw, "locale"),
            },
            "metadata": section(raw, "user_metadata"),
            "appMetadata": kept_with(section(raw, "app_metadata"), raw, username="username", phone="phone_number"),
            "status": unless_absent(raw, "blocked", "BLOCKED" if flag(raw, "blocked") else "ACTIVE"),
            "createdAt": time(raw, "created_at"),
            "updatedAt": time(raw, "updated_at"),
            "identities": _identities(raw, user_id),
        }
    )


_SECOND_FACTORS = ("multifactor", "multifactor_last_modified", "mfa_factors", "guardian_authenticators")


def _identities(raw: Json, user_id: str | None) -> list[Json]:
    found = linked(raw, "identities", "provider", "user_id", without=("auth0",))
    if not found and user_id and "|" in user_id and not user_id.startswith("auth0|"):
        provider, _, who = user_id.partition("|")
        return identities(raw, [(provider, who)])
    return found


def _hash(raw: Json) -> str | hashes.UnfitHash | None:
    custom = mapping(raw, "custom_password_hash")
    if not custom:
        return text(raw, "passwordHash") or text(raw, "password_hash")
    return hashes.auth0(custom if isinstance(custom.get("hash"), dict) else _of_the_old_schema(custom))


def _of_the_old_schema(custom: Json) -> Json:
    """Until 2019, the schema of the import had texts where there are objects now."""
    new = {name: value for name, value in custom.items() if not name.startswith("salt_") and name != "encoding"}
    new["hash"] = {"value": cast(str, custom["hash"]), "encoding": custom.get("encoding", "utf8")}
    for position in ("prefix", "suffix"):
        if salt := custom.get(f"salt_{position}"):
            new["salt"] = {"value": salt, "position": position}
    return new
