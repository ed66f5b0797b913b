"""Keycloak: `users` of a realm's export, or a list of users of its admin API."""

from __future__ import annotations

from typing import Any, cast

from denizen.importing import hashes
from denizen.importing.presets.system import (
    SECOND_FACTORS,
    UNKNOWN_STATUS,
    UNKNOWN_VERIFICATION,
    apart,
    in_the_clear,
    kept_with,
    linked,
    names,
)
from denizen.importing.rows import Json
from denizen.importing.source_row import LeftOut, change, leave
from denizen.importing.values import array, compact, flag, given, locale, mapping, section, text, time

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


_ATTRIBUTES = "a realm may let users write their attributes: kept apart, so look before a back end trusts them"


def user(raw: Json) -> Json:
    """The user of a row. Attributes stay apart: until version 24 users could write any of them, by the account API."""
    if text(raw, "serviceAccountClientId"):
        raise LeftOut("a service account, which is a client and no user")
    if raw.get("enabled") is None:
        # As Keycloak's own import takes it.
        change(raw, "status", UNKNOWN_STATUS)
    if "emailVerified" not in raw:
        change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    attributes: Json = {
        name: cast(list[Any], values)[0] if isinstance(values, list) and len(cast(list[Any], values)) == 1 else values
        for name, values in section(raw, "attributes").items()
    }
    # The console's names, such as `Update Password`, are in files of Keycloak 1 and in hand-written ones.
    actions = [str(each).upper().replace(" ", "_") for each in array(raw, "requiredActions")]
    password = _password(array(raw, "credentials"))
    rights: Json = {
        "roles": array(raw, "realmRoles"),
        "clientRoles": mapping(raw, "clientRoles"),
        "groups": array(raw, "groups"),
        "requiredActions": [each for each in actions if each not in ("UPDATE_PASSWORD", "VERIFY_EMAIL")],
    }
    others = {name: value for name, value in attributes.items() if name not in ("picture", "locale", "zoneinfo")}
    kept = apart({name: value for name, value in rights.items() if value}, raw, "attributes", others, _ATTRIBUTES)
    return compact(
        {
            "email": text(raw, "email"),
            "emailVerified": flag(raw, "emailVerified") and "VERIFY_EMAIL" not in actions,
            **password,
            "passwordChangeRequired": "UPDATE_PASSWORD" in actions or password.get("passwordChangeRequired"),
            "externalId": text(raw, "id"),
            "profile": {
                "firstName": given(raw, "firstName"),
                "lastName": given(raw, "lastName"),
                "picture": given(attributes, "picture"),
                "locale": locale(attributes, "locale"),
                "timezone": given(attributes, "zoneinfo"),
            },
            "appMetadata": kept_with(kept, raw, username="username"),
            "status": "ACTIVE" if flag(raw, "enabled") else "BLOCKED",
            "createdAt": time(raw, "createdTimestamp"),
            "identities": linked(raw, "federatedIdentities", "identityProvider", "userId"),
        }
    )


def _password(credentials: list[Any]) -> Json:
    """What the first password among the credentials becomes. The others are second factors."""
    found: Json = {}
    for credential in cast(list[Json], credentials):
        if credential.get("type", "password") != "password":
            leave(credential, SECOND_FACTORS, "secretData", "credentialData", "value")
        elif not found:
            found = _of_credential(credential)
            if flag(credential, "temporary"):
                found["passwordChangeRequired"] = True
    return found


def _of_credential(credential: Json) -> Json:
    if credential.get("secretData") is not None:
        secret, data = mapping(credential, "secretData"), mapping(credential, "credentialData")
        return {"passwordHash": hashes.keycloak(secret, data)}
    if key := text(credential, "hashedSaltedValue"):  # Until Keycloak 8.
        secret = {"value": key, "salt": credential.get("salt")}
        return {
            "passwordHash": hashes.keycloak(
                secret, {name: credential[name] for name in ("algorithm", "hashIterations")}
            )
        }
    return in_the_clear(credential, text(credential, "value"))
