"""Django: `auth_user` as CSV, or `dumpdata`, whose other models are left out."""

from __future__ import annotations

import re
from typing import Any

from denizen.importing.allauth import VERIFIED
from denizen.importing.presets.system import UNKNOWN_VERIFICATION, names, unless_absent
from denizen.importing.rows import Json, Unfit
from denizen.importing.source_row import LeftOut, change, names_of
from denizen.importing.values import array, compact, flag, flag_or_time, given, text, time

MARKS = names("date_joined is_staff")
FIELDS = names(
    """
    email fields first_name groups id is_active is_superuser last_login last_name model password pk
    user_permissions username
    """
)


def user(raw: Json) -> Json:
    """The user of a row.

    Django knows no verified addresses. Its active users could sign in and reset their passwords by mail, so theirs are
    taken for verified, where the row says that they are active and neither it nor django-allauth says otherwise.
    """
    model = text(raw, "model")
    fields: Json = raw["fields"] if model else raw
    if model and "password" not in fields:
        raise LeftOut("an object of a model without passwords, which is no user")
    if "email" not in fields:
        raise Unfit("the user model has no field email: name the field that holds the address in a --map FILE", "email")
    password = text(fields, "password")
    active = flag(fields, "is_active", True)
    email, username = text(fields, "email"), text(fields, "username")
    kept: Json = {name: True for name in ("is_staff", "is_superuser") if flag(fields, name)}
    kept["groups"] = [_name(group) for group in array(fields, "groups")]
    kept["username"] = username if username != email else None
    return compact(
        {
            "email": email,
            "emailVerified": _is_verified(raw, fields),
            "passwordHash": None if password is None or password.startswith("!") else password,
            "externalId": text(raw, "pk") or text(raw, "id"),
            "profile": {
                "firstName": given(fields, "first_name"),
                "lastName": given(fields, "last_name"),
                "displayName": given(fields, "name") or given(fields, "full_name"),
            },
            "appMetadata": {name: value for name, value in kept.items() if value},
            "status": unless_absent(fields, "is_active", "ACTIVE" if active else "DEACTIVATED"),
            "createdAt": time(fields, "date_joined"),
        }
    )


_VERIFIED = re.compile(r"(?:is_|has_)?(?:e_?mail_)?(?:is_)?(?:verified|confirmed|validated)(?:_at|_on|_date)?")
"""Fields of projects' user models that say whether, or when, the address was verified."""


def _is_verified(raw: Json, fields: Json) -> bool:
    if said := [name for name in names_of(fields) if name == VERIFIED or _VERIFIED.fullmatch(name)]:
        return all(flag_or_time(fields, name) for name in said)
    if fields.get("is_active") is None:
        change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    return flag(fields, "is_active")


def _name(group: Any) -> Any:
    """A group is a number, or with natural keys a list of its name."""
    return group[0] if isinstance(group, list) else group  # pyright: ignore[reportUnknownVariableType]
