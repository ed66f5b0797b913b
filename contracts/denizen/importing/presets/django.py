"""Django."""

from __future__ import annotations

from denizen.importing.presets.system import names
from denizen.importing.rows import Json, Unfit
from denizen.importing.source_row import LeftOut
from denizen.importing.values import array, compact, flag, given, text, time

MARKS = names("date_joined is_staff")
FIELDS = names(
    """
    email fields first_name groups id is_active is_superuser last_login last_name model password pk
    user_permissions username
    """
)


def user(raw: Json) -> Json:
    """`auth_user` as CSV, or `dumpdata`, whose other models are left out.

    Django knows no verified addresses. Its active users could sign in and reset their passwords by mail, so theirs are
    taken for verified.
    """
    fields = raw["fields"] if text(raw, "model") else raw
    if fields is not raw and "password" not in fields:
        raise LeftOut("an object of a model without passwords, which is no user")
    if fields is not raw and "email" not in fields:
        raise Unfit("the model has no field email: name the field that holds the address in a --map FILE", "email")
    password = text(fields, "password")
    active = flag(fields, "is_active", True)
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
            "profile": {"firstName": given(fields, "first_name"), "lastName": given(fields, "last_name")},
            "appMetadata": {name: value for name, value in kept.items() if value},
            "status": None if active else "DEACTIVATED",
            "createdAt": time(fields, "date_joined"),
        }
    )
