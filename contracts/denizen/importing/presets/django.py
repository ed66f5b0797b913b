"""Django."""

from __future__ import annotations

from denizen.importing.presets.system import names
from denizen.importing.rows import Json
from denizen.importing.values import array, compact, flag, mapping, text, time

MARKS = names("date_joined is_staff")
FIELDS = names(
    """
    email fields first_name groups id is_active is_superuser last_login last_name model password pk
    user_permissions username
    """
)


def user(raw: Json) -> Json | None:
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
