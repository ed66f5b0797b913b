"""Ory Kratos: identities of its admin API, of an import file, or of its database."""

from __future__ import annotations

from typing import Any, cast

from denizen.importing.presets.system import SECOND_FACTORS, UNKNOWN_VERIFICATION, in_the_clear, linked, names, state
from denizen.importing.rows import Json
from denizen.importing.source_row import change, leave
from denizen.importing.values import array, compact, given, mapping, section, text, time

MARKS = names(
    """
    recovery_addresses schema_id schema_url state_changed_at traits verifiable_addresses metadata_admin
    metadata_public
    """
)
FIELDS = names(
    """
    available_aal create created_at credentials id identity_id nid organization_id patch_id region state traits
    updated_at external_id
    """
)
_STATES = {"active": "ACTIVE", "inactive": "DEACTIVATED"}
_SECOND_FACTORS = ("totp", "lookup_secret", "webauthn", "passkey", "code")


def user(raw: Json) -> Json:
    """The user of an identity. Users change their traits themselves; what metadata says is for the operator."""
    if isinstance(wrapped := raw.get("create"), dict):  # Of `PATCH /admin/identities`.
        raw = cast(Json, wrapped)
    traits = mapping(raw, "traits")
    email = _address(traits, raw)
    name = traits.get("name")
    credentials: Json = (
        mapping(raw, "credentials") if isinstance(raw.get("credentials"), str) else raw.get("credentials") or {}
    )
    leave(credentials, SECOND_FACTORS, *_SECOND_FACTORS)
    return compact(
        {
            "email": email,
            "emailVerified": _is_verified(raw, email),
            **_password(credentials),
            "externalId": text(raw, "external_id") or text(raw, "id"),
            "profile": {
                "firstName": _named(traits, "first"),
                "lastName": _named(traits, "last"),
                "displayName": name if isinstance(name, str) else None,
                "picture": given(traits, "picture"),
                "locale": given(traits, "locale"),
                "timezone": given(traits, "zoneinfo"),
            },
            "metadata": _kept(traits, email),
            "appMetadata": {**section(raw, "metadata_public"), **section(raw, "metadata_admin")},
            "status": state(raw, "state", _STATES),
            "createdAt": time(raw, "created_at"),
            "updatedAt": time(raw, "updated_at"),
            "identities": _identities(credentials),
        }
    )


_NAMES = {
    "first": ("first_name", "firstName", "firstname", "given_name"),
    "last": ("last_name", "lastName", "lastname", "family_name"),
}
_PROFILE = frozenset({"picture", "locale", "zoneinfo"})


def _named(traits: Json, part: str) -> Any:
    return _parts(traits).get(part) or next((traits[name] for name in _NAMES[part] if traits.get(name)), None)


def _parts(traits: Json) -> Json:
    name = traits.get("name")
    return cast(Json, name) if isinstance(name, dict) else {}


def _kept(traits: Json, email: str | None) -> Json:
    """The traits that the profile does not have."""
    names = {part: _named(traits, part) for part in _NAMES}
    of_profile = {name: names[part] for part, known in _NAMES.items() for name in known}
    kept = {
        key: value
        for key, value in traits.items()
        if key not in _PROFILE and value not in (email, "", None) and value != of_profile.get(key)
    }
    if isinstance(kept.get("name"), str):
        del kept["name"]
    elif parts := _parts(traits):
        kept["name"] = {part: value for part, value in parts.items() if value and value != names.get(part)}
    return {key: value for key, value in kept.items() if value != {}}


def _address(traits: Json, raw: Json) -> str | None:
    if isinstance(email := traits.get("email"), str) and email:
        return email
    return next((text(each, "value") for each in _addresses(raw)), None)


def _addresses(raw: Json) -> list[Json]:
    return [each for each in array(raw, "verifiable_addresses") if text(each, "via") in (None, "email")]


def _is_verified(raw: Json, email: str | None) -> bool:
    if raw.get("verifiable_addresses") is None:
        change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    same = (each for each in _addresses(raw) if (text(each, "value") or "").casefold() == (email or "").casefold())
    return any(each.get("verified") is True or each.get("status") == "completed" for each in same)


def _config(credentials: Json, kind: str) -> Json:
    """The configuration of a credential. The database has it as text of JSON."""
    credential: Any = credentials.get(kind)
    if not isinstance(credential, dict):
        return {}
    config = cast(Json, credential)
    return mapping(config, "config") if isinstance(config.get("config"), str) else config.get("config") or {}


def _password(credentials: Json) -> Json:
    config = _config(credentials, "password")
    if hashed := text(config, "hashed_password"):
        return {"passwordHash": hashed}
    return in_the_clear(config, text(config, "password"))


def _identities(credentials: Json) -> list[Json]:
    return [
        each
        for kind in ("oidc", "saml")
        for each in linked(_config(credentials, kind), "providers", "provider", "subject")
    ]
