"""Auth0."""

from __future__ import annotations

from denizen.importing import hashes
from denizen.importing.presets.system import kept_with
from denizen.importing.rows import Json
from denizen.importing.values import array, compact, flag, identities, locale, mapping, text, time

MARKS = frozenset(
    {
        "_id", "app_metadata", "blocked", "custom_password_hash", "email_verified", "family_name", "given_name",
        "identifiers", "last_ip", "logins_count", "nickname", "password_hash", "user_id", "user_metadata",
    }
)  # fmt: skip


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
    name = text(raw, "name")
    return compact(
        {
            "email": email,
            "emailVerified": flag(raw, "email_verified") or flag(by_email, "verified"),
            "passwordHash": hashes.auth0(custom) if custom else text(raw, "passwordHash") or text(raw, "password_hash"),
            "externalId": user_id,
            "profile": {
                "firstName": text(raw, "given_name"),
                "lastName": text(raw, "family_name"),
                "displayName": name if name != email else None,
                "picture": text(raw, "picture"),
                "locale": locale(raw, "locale"),
            },
            "metadata": mapping(raw, "user_metadata"),
            "appMetadata": kept_with(mapping(raw, "app_metadata"), raw, username="username", phone="phone_number"),
            "status": "BLOCKED" if flag(raw, "blocked") else None,
            "createdAt": time(raw, "created_at"),
            "identities": identities(link for link in links if link[0] != "auth0"),
        }
    )
