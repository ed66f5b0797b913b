"""Supabase: rows of `auth.users`, with those of `auth.identities` as `identities`; a dump; the admin API's users."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from denizen.importing.presets.system import SECOND_FACTORS, held, kept_with, names, verified_by
from denizen.importing.rows import Json
from denizen.importing.source_row import LeftOut, change, leave
from denizen.importing.values import array, compact, flag, given, identities, mapping, section, text, time

MARKS = names(
    """
    banned_until email_change_confirm_status email_confirmed_at instance_id is_anonymous is_sso_user
    raw_app_meta_data raw_user_meta_data
    """
)
FIELDS = names(
    """
    app_metadata aud confirmation_sent_at confirmation_token confirmed_at created_at deleted_at email email_change
    email_change_sent_at email_change_token_current email_change_token_new encrypted_password factors first_name id
    identities invited_at is_super_admin last_name last_sign_in_at phone phone_change phone_change_sent_at
    phone_change_token phone_confirmed_at reauthentication_sent_at reauthentication_token recovery_sent_at
    recovery_token role updated_at user_metadata
    """
)


def user(raw: Json) -> Json:
    """The user of a row."""
    if text(raw, "deleted_at"):
        raise LeftOut("a user who was deleted")
    email = text(raw, "email")
    if email is None and flag(raw, "is_anonymous"):
        raise LeftOut("an anonymous user, who has no address")
    metadata = section(raw, "raw_user_meta_data") or section(raw, "user_metadata")
    kept = kept_with(section(raw, "raw_app_meta_data") or section(raw, "app_metadata"), raw, phone="phone")
    if (role := text(raw, "role")) not in (None, "", "authenticated"):
        kept.setdefault("role", role)
    if flag(raw, "is_super_admin"):
        kept.setdefault("is_super_admin", True)
    leave(raw, SECOND_FACTORS, "factors")
    return compact(
        {
            "email": email,
            "emailVerified": verified_by(bool(text(raw, _CONFIRMED)), raw, _CONFIRMED, *_OF_THE_API),
            "passwordHash": text(raw, "encrypted_password"),
            "externalId": text(raw, "id"),
            "profile": {
                "firstName": given(raw, "first_name"),
                "lastName": given(raw, "last_name"),
                "displayName": given(metadata, "full_name") or given(metadata, "name"),
                "picture": given(metadata, "avatar_url"),
            },
            "metadata": metadata,
            "appMetadata": kept,
            "status": _status(raw),
            "createdAt": time(raw, "created_at"),
            "updatedAt": time(raw, "updated_at"),
            "identities": identities(raw, _links(raw)),
        }
    )


_CONFIRMED = "email_confirmed_at"
"""The admin API leaves it out where there is none."""
_OF_THE_API = ("aud", "app_metadata", "user_metadata")


def _status(raw: Json) -> str | None:
    """BLOCKED while a ban lasts. Users of the admin API, who have its names, lack `banned_until` without one."""
    is_whole = all(name in raw for name in _OF_THE_API)
    return held(_is_banned(time(raw, "banned_until")), raw, "aud" if is_whole else "banned_until")


def _is_banned(until: Any) -> bool:
    """Whether a ban is not over. One whose end cannot be read, such as `infinity`, is not."""
    if until is None:
        return False
    try:
        return datetime.fromisoformat(until) > datetime.now(UTC)
    except (TypeError, ValueError):
        return True


def _links(raw: Json) -> list[tuple[str, str | None]]:
    links: list[tuple[str, str | None]] = []
    for item in array(raw, "identities"):
        provider = item["provider"]
        if provider in ("email", "phone"):
            continue
        if ":" in provider:  # `sso:` and the id of the connection.
            provider = provider.replace(":", "-")
            change(raw, "identities.provider", "has a hyphen instead of the colon")
        links.append((provider, _id_there(item)))
    return links


def _id_there(identity: Json) -> str | None:
    # `id` was the provider's until GoTrue 2.128, and is a row's key since.
    return text(identity, "provider_id") or text(mapping(identity, "identity_data"), "sub") or text(identity, "id")
