"""Supabase."""

from __future__ import annotations

from datetime import UTC, datetime

from denizen.importing.presets.system import kept_with, names
from denizen.importing.rows import Json
from denizen.importing.source_row import LeftOut
from denizen.importing.values import array, compact, given, identities, mapping, text, time

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
    """Rows of `auth.users`, with the rows of `auth.identities` as `identities` where they were joined."""
    if text(raw, "deleted_at"):
        raise LeftOut("a user who was deleted")
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
                "displayName": given(metadata, "full_name") or given(metadata, "name"),
                "picture": given(metadata, "avatar_url"),
            },
            "metadata": metadata,
            "appMetadata": kept_with(app_metadata, raw, phone="phone"),
            "status": "BLOCKED" if banned and datetime.fromisoformat(banned) > datetime.now(UTC) else None,
            "createdAt": time(raw, "created_at"),
            "identities": identities(link for link in links if link[0] not in ("email", "phone")),
        }
    )


def _supabase_id(identity: Json) -> str | None:
    # `id` was the provider's until GoTrue 2.128, and is a row's key since.
    return text(identity, "provider_id") or text(mapping(identity, "identity_data"), "sub") or text(identity, "id")
