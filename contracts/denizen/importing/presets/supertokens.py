"""SuperTokens: the users of a bulk import, or those that its API lists."""

from __future__ import annotations

from typing import Any, cast

from denizen.importing.presets.system import OTHER_ADDRESSES, SECOND_FACTORS, UNKNOWN_VERIFICATION, in_the_clear, names
from denizen.importing.rows import Json
from denizen.importing.source_row import change, leave
from denizen.importing.values import array, compact, flag, given, identities, section, text, time

MARKS = names("recipeId externalUserId isPrimaryUser loginMethods totpDevices userMetadata userRoles")
FIELDS = names("emails id phoneNumbers tenantIds thirdParty timeJoined webauthn")


def user(raw: Json) -> Json:
    """The user of a row. Only the back end writes `userMetadata`, so it becomes appMetadata."""
    if isinstance(inner := raw.get("user"), dict):  # Until version 4 of its core: a user for each login method.
        method = cast(Json, inner)
        methods = [method]
    else:
        method, methods = raw, cast(list[Json], array(raw, "loginMethods"))
    named = [(method, text(method, "email")) for method in methods]
    email = next((address for method, address in named if address and flag(method, "isPrimary")), None)
    email = email or next((address for _, address in named if address), None)
    if any(address not in (None, email) for _, address in named):
        change(raw, "email", OTHER_ADDRESSES)
    kept = section(raw, "userMetadata")
    profile = {"firstName": kept.pop("first_name", None), "lastName": kept.pop("last_name", None)}
    if roles := [role["role"] if isinstance(role, dict) else role for role in array(raw, "userRoles")]:  # pyright: ignore[reportUnknownVariableType]
        kept.setdefault("roles", roles)
    if phone := next((found for method in methods if (found := text(method, "phoneNumber"))), None):
        kept.setdefault("phone", phone)
    leave(raw, SECOND_FACTORS, "totpDevices")
    if not any("verified" in each or "isVerified" in each for each in methods):
        change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    return compact(
        {
            "email": email,
            "emailVerified": any(_is_verified(each) for each, address in named if address and address == email),
            **_password(methods),
            "externalId": text(raw, "externalUserId") or text(method, "id"),
            "profile": {**profile, "picture": given(kept, "picture") if isinstance(kept.get("picture"), str) else None},
            "appMetadata": kept,
            "createdAt": _joined(raw, methods),
            "identities": identities(raw, (_link(method) for method in methods)),
        }
    )


def _is_verified(method: Json) -> bool:
    return flag(method, "isVerified") or flag(method, "verified")


def _password(methods: list[Json]) -> Json:
    for method in methods:
        if hashed := text(method, "passwordHash"):
            text(method, "hashingAlgorithm")
            return {"passwordHash": hashed}
        if password := text(method, "plainTextPassword"):
            return in_the_clear(method, password)
    return {}


def _joined(raw: Json, methods: list[Json]) -> Any:
    times = [time(method, name) for method in methods for name in ("timeJoinedInMSSinceEpoch", "timeJoined")]
    return time(raw, "timeJoined") or min((each for each in times if isinstance(each, str)), default=None)


def _link(method: Json) -> tuple[Any, Any]:
    if isinstance(party := method.get("thirdParty"), dict):
        return cast(Json, party).get("id"), cast(Json, party).get("userId")
    return text(method, "thirdPartyId"), text(method, "thirdPartyUserId")
