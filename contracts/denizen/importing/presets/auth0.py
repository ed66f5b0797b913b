"""Auth0."""

from __future__ import annotations

from denizen.importing import hashes
from denizen.importing.presets.system import kept_with, names
from denizen.importing.rows import Json
from denizen.importing.values import array, compact, flag, given, identities, locale, mapping, text, time

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
    """A user export, an export of password hashes, or a file in the schema of Auth0's bulk import."""
    identifiers = {item["type"]: item for item in array(raw, "identifiers")}
    by_email = identifiers.get("email", {})
    email = text(raw, "email") or by_email.get("value")
    custom = mapping(raw, "custom_password_hash")
    user_id = text(raw, "user_id")
    if user_id is None and "_id" in raw:
        user_id = f"auth0|{text(raw, 'alt_id') or raw['_id']['$oid']}"
    links = [(item["provider"], item["user_id"]) for item in array(raw, "identities")]
    if not links and user_id and "|" in user_id:
        provider, _, who = user_id.partition("|")
        links = [(provider, who)]
    name = given(raw, "name")
    return compact(
        {
            "email": email,
            "emailVerified": flag(raw, "email_verified") or flag(by_email, "verified"),
            "passwordHash": hashes.auth0(custom) if custom else text(raw, "passwordHash") or text(raw, "password_hash"),
            "externalId": user_id,
            "profile": {
                "firstName": given(raw, "given_name"),
                "lastName": given(raw, "family_name"),
                "displayName": name if name != email else None,
                "picture": given(raw, "picture"),
                "locale": locale(raw, "locale"),
            },
            "metadata": mapping(raw, "user_metadata"),
            "appMetadata": kept_with(mapping(raw, "app_metadata"), raw, username="username", phone="phone_number"),
            "status": "BLOCKED" if flag(raw, "blocked") else None,
            "createdAt": time(raw, "created_at"),
            "identities": identities(link for link in links if link[0] != "auth0"),
        }
    )
