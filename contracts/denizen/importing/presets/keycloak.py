"""Keycloak."""

from __future__ import annotations

from typing import Any

from denizen.importing import hashes
from denizen.importing.presets.system import kept_with, names
from denizen.importing.rows import Json
from denizen.importing.source_row import LeftOut
from denizen.importing.values import array, compact, flag, given, identities, locale, mapping, text, time

MARKS = names(
    """
    clientRoles createdTimestamp disableableCredentialTypes federatedIdentities realmRoles requiredActions
    serviceAccountClientId totp
    """
)
FIELDS = names(
    """
    access applicationRoles attributes clientConsents credentials email emailVerified enabled federationLink
    firstName groups id lastName notBefore origin self socialLinks userProfileMetadata username
    """
)


def user(raw: Json) -> Json:
    """`users` of a realm's export. Attributes become appMetadata: most realms do not let users change them."""
    if "serviceAccountClientId" in raw:
        raise LeftOut("a service account, which is a client and no user")
    attributes: Json = {
        name: values[0] if isinstance(values, list) and len(values) == 1 else values  # pyright: ignore[reportUnknownArgumentType]
        for name, values in mapping(raw, "attributes").items()
    }
    actions = array(raw, "requiredActions")
    profile = {
        "firstName": given(raw, "firstName"),
        "lastName": given(raw, "lastName"),
        "picture": given(attributes, "picture"),
        "locale": locale(attributes, "locale"),
        "timezone": given(attributes, "zoneinfo"),
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
            "appMetadata": kept_with(kept, raw, username="username"),
            "status": None if flag(raw, "enabled", True) else "BLOCKED",
            "createdAt": time(raw, "createdTimestamp"),
            "identities": identities(links),
        }
    )


def _keycloak_hash(credentials: list[Any]) -> str | None:
    for credential in credentials:
        if credential["type"] == "password":
            return hashes.keycloak(mapping(credential, "secretData"), mapping(credential, "credentialData"))
    return None
