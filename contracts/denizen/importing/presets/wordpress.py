"""WordPress: rows of `wp_users`, with columns of `wp_usermeta`, `wp user list`, or users of its REST API."""

from __future__ import annotations

import re
from typing import Any, cast

from denizen.importing.presets.system import UNKNOWN_VERIFICATION, held, kept_with, names
from denizen.importing.rows import Json
from denizen.importing.source_row import LeftOut, change
from denizen.importing.values import compact, flag, given, text, time

MARKS = names(
    """
    avatar_urls extra_capabilities registered_date user_activation_key user_email user_login user_nicename user_pass
    user_registered wp_capabilities
    """
)
FIELDS = names(
    """
    deleted description display_name first_name ID last_name locale nickname role roles spam user_status user_url
    wp_user_level
    """
)


def user(raw: Json) -> Json:
    """The user of a row. WordPress has no verified addresses, and no blocked users but those marked as spam."""
    if flag(raw, "deleted"):
        raise LeftOut("a user who was deleted")
    change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    kept = kept_with({}, raw, username="user_login", website="user_url")
    kept = kept_with(kept, raw, username="username", website="url")
    if roles := _roles(raw):
        kept["roles"] = roles
    return compact(
        {
            "email": text(raw, "user_email") or text(raw, "email"),
            "emailVerified": False,
            "passwordHash": text(raw, "user_pass"),
            "externalId": text(raw, "ID") or text(raw, "id"),
            "profile": {
                "firstName": given(raw, "first_name"),
                "lastName": given(raw, "last_name"),
                "displayName": given(raw, "display_name") or given(raw, "name"),
                "locale": given(raw, "locale"),
            },
            "appMetadata": kept,
            "status": held(flag(raw, "spam") or text(raw, "user_status") == "1", raw, "spam", "user_status"),
            "createdAt": _registered(raw),
        }
    )


_GRANTED = re.compile(r's:[0-9]+:"([^"]+)";b:1;')
"""A role in `wp_capabilities`, as PHP's serialize() writes it."""


def _roles(raw: Json) -> Any:
    """The roles, as a list: a table of WordPress has them in one text."""
    roles: Any = raw.get("roles") or raw.get("role")
    capabilities: Any = raw.get("wp_capabilities")
    if not roles and isinstance(capabilities, dict):
        return [name for name, is_granted in cast(Json, capabilities).items() if is_granted]
    if not roles and (granted := text(raw, "wp_capabilities")):
        return _GRANTED.findall(granted) or granted
    return [each.strip() for each in re.split("[,|]", roles)] if isinstance(roles, str) else roles


def _registered(raw: Json) -> Any:
    return time(raw, "user_registered") or time(raw, "registered_date")
