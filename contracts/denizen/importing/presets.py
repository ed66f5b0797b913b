"""Exports of other systems, a function each: a row of theirs to a user of ours, or None for what is no user.

What a system lets users change becomes `metadata`, all else `appMetadata`, so that no user gains a right by moving.
Their ids become external ids. What each reads: docs/reference/import-files.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from denizen.importing import hashes
from denizen.importing.firebase import HashConfig
from denizen.importing.rows import Json, Unfit
from denizen.importing.values import array, compact, flag, identities, locale, mapping, text, time

Preset = Callable[[Json], Json | None]
"""Raises Unfit, or what Python does of an unexpected form; for a user, the fields of `ImportedUser`."""


def auth0(raw: Json) -> Json:
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
            "appMetadata": _and(mapping(raw, "app_metadata"), raw, username="username", phone="phone_number"),
            "status": "BLOCKED" if flag(raw, "blocked") else None,
            "createdAt": time(raw, "created_at"),
            "identities": identities(link for link in links if link[0] != "auth0"),
        }
    )


def keycloak(raw: Json) -> Json | None:
    """`users` of a realm's export. Attributes become appMetadata: most realms do not let users change them."""
    if "serviceAccountClientId" in raw:
        return None
    attributes: Json = {
        name: values[0] if isinstance(values, list) and len(values) == 1 else values  # pyright: ignore[reportUnknownArgumentType]
        for name, values in mapping(raw, "attributes").items()
    }
    actions = array(raw, "requiredActions")
    profile = {
        "firstName": text(raw, "firstName"),
        "lastName": text(raw, "lastName"),
        "picture": text(attributes, "picture"),
        "locale": locale(attributes, "locale"),
        "timezone": text(attributes, "zoneinfo"),
    }
    kept = {name: value for name, value in attributes.items() if name not in ("picture", "locale", "zoneinfo")}
    lists = {"roles": array(raw, "realmRoles"), "groups": array(raw, "groups")}
    kept.update({name: value for name, value in lists.items() if value})
    links = [(item["identityProvider"], item["userId"]) for item in array(raw, "federatedIdentities")]
    return compact(
        {
            "email": text(raw, "email"),
            "emailVerified": flag(raw, "emailVerified") and "VERIFY_EMAIL" not in actions,
            "passwordHash": _keycloak_hash(array(raw, "credentials")),
            "passwordChangeRequired": "UPDATE_PASSWORD" in actions or None,
            "externalId": text(raw, "id"),
            "profile": profile,
            "appMetadata": _and(kept, raw, username="username"),
            "status": None if flag({"enabled": True, **raw}, "enabled") else "BLOCKED",
            "createdAt": time(raw, "createdTimestamp"),
            "identities": identities(links),
        }
    )


def _keycloak_hash(credentials: list[Any]) -> str | None:
    for credential in credentials:
        if credential["type"] == "password":
            return hashes.keycloak(mapping(credential, "secretData"), mapping(credential, "credentialData"))
    return None


def supabase(raw: Json) -> Json | None:
    """Rows of `auth.users`, with the rows of `auth.identities` as `identities` where they were joined."""
    if text(raw, "deleted_at"):
        return None
    metadata = mapping(raw, "raw_user_meta_data") or mapping(raw, "user_metadata")
    app_metadata = mapping(raw, "raw_app_meta_data") or mapping(raw, "app_metadata")
    banned = time(raw, "banned_until")
    links = [(item["provider"], _supabase_id(item)) for item in array(raw, "identities")]
    return compact(
        {
            "email": text(raw, "email"),
            "emailVerified": bool(text(raw, "email_confirmed_at")),
            "passwordHash": text(raw, "encrypted_password"),
            "externalId": text(raw, "id"),
            "profile": {
                "displayName": text(metadata, "full_name") or text(metadata, "name"),
                "picture": text(metadata, "avatar_url"),
            },
            "metadata": metadata,
            "appMetadata": _and(app_metadata, raw, phone="phone"),
            "status": "BLOCKED" if banned and datetime.fromisoformat(banned) > datetime.now(UTC) else None,
            "createdAt": time(raw, "created_at"),
            "identities": identities(link for link in links if link[0] not in ("email", "phone")),
        }
    )


def _supabase_id(identity: Json) -> str | None:
    # `id` was the provider's until GoTrue 2.128, and is a row's key since.
    return text(identity, "provider_id") or text(mapping(identity, "identity_data"), "sub") or text(identity, "id")


def clerk(raw: Json) -> Json:
    """The dashboard's CSV."""
    verified = re.split("[|,]", text(raw, "verified_email_addresses") or "")
    unverified = re.split("[|,]", text(raw, "unverified_email_addresses") or "")
    email = text(raw, "primary_email_address") or verified[0] or unverified[0]
    digest = text(raw, "password_digest")
    return compact(
        {
            "email": email,
            "emailVerified": email in verified,
            "passwordHash": hashes.clerk(text(raw, "password_hasher") or "bcrypt", digest) if digest else None,
            "externalId": text(raw, "id"),
            "profile": {"firstName": text(raw, "first_name"), "lastName": text(raw, "last_name")},
            "appMetadata": _and({}, raw, username="username", phone="primary_phone_number"),
            "createdAt": time(raw, "created_at"),
        }
    )


def django(raw: Json) -> Json | None:
    """`auth_user` as CSV, or `dumpdata`, whose other models are left out.

    Django knows no verified addresses. Its active users could sign in and reset their passwords by mail, so theirs are
    taken for verified.
    """
    fields = mapping(raw, "fields") if "model" in raw else raw
    if "model" in raw and not {"email", "password"} <= fields.keys():
        return None
    password = text(fields, "password")
    active = flag({"is_active": True, **fields}, "is_active")
    email, username = text(fields, "email"), text(fields, "username")
    kept: Json = {name: True for name in ("is_staff", "is_superuser") if flag(fields, name)}
    kept["groups"] = [group[0] if isinstance(group, list) else group for group in array(fields, "groups")]  # pyright: ignore[reportUnknownVariableType]
    kept["username"] = username if username != email else None
    return compact(
        {
            "email": email,
            "emailVerified": active,
            "passwordHash": None if password is None or password.startswith("!") else password,
            "externalId": text(raw, "pk") or text(raw, "id"),
            "profile": {"firstName": text(fields, "first_name"), "lastName": text(fields, "last_name")},
            "appMetadata": {name: value for name, value in kept.items() if value},
            "status": None if active else "DEACTIVATED",
            "createdAt": time(fields, "date_joined"),
        }
    )


def firebase(config: HashConfig | None) -> Preset:
    """`users` of `firebase auth:export`; `config` is needed where they have passwords."""

    def preset(raw: Json) -> Json:
        key, salt = text(raw, "passwordHash"), text(raw, "salt")
        if key and config is None:
            raise Unfit("a hash of Firebase, for which the hash parameters of the project are needed", "passwordHash")
        links = [(item["providerId"], item["rawId"]) for item in array(raw, "providerUserInfo") if "rawId" in item]
        return compact(
            {
                "email": text(raw, "email"),
                "emailVerified": flag(raw, "emailVerified"),
                "passwordHash": hashes.firebase(config, salt or "", key) if key and config else None,
                "externalId": text(raw, "localId"),
                "profile": {"displayName": text(raw, "displayName"), "picture": text(raw, "photoUrl")},
                "appMetadata": _and(mapping(raw, "customAttributes"), raw, phone="phoneNumber"),
                "status": "BLOCKED" if flag(raw, "disabled") else None,
                "createdAt": time(raw, "createdAt"),
                "identities": identities(link for link in links if link[0] not in ("password", "phone")),
            }
        )

    return preset


def _and(kept: Json, raw: Json, **names: str) -> Json:
    """What has no field of ours, beside what is kept already."""
    more = {ours: value for ours, theirs in names.items() if (value := text(raw, theirs)) and ours not in kept}
    return {**kept, **more}


PRESETS: Mapping[str, Preset] = {
    "auth0": auth0,
    "keycloak": keycloak,
    "supabase": supabase,
    "clerk": clerk,
    "django": django,
    "firebase": firebase(None),
}
"""By name. Users of Firebase with passwords need `firebase(HashConfig(…))`."""
