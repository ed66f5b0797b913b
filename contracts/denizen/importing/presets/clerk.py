"""Clerk: the dashboard's CSV, the JSON of its support, or users of its backend API."""

from __future__ import annotations

import re
from typing import Any, cast

from denizen.importing import hashes
from denizen.importing.presets.system import (
    OTHER_ADDRESSES,
    SECOND_FACTORS,
    UNKNOWN_VERIFICATION,
    held,
    kept_with,
    names,
)
from denizen.importing.rows import Json
from denizen.importing.source_row import change, leave
from denizen.importing.values import array, compact, flag, given, identities, section, text, time

MARKS = names(
    """
    email_addresses password_hasher primary_email_address primary_email_address_id unsafe_metadata
    unverified_email_addresses verified_email_addresses
    """
)
FIELDS = names(
    """
    backup_codes backup_codes_enabled banned create_organization_enabled created_at delete_self_enabled
    enterprise_accounts external_accounts external_id first_name has_image id image_url last_active_at last_name
    last_sign_in_at locked lockout_expires_in_seconds mfa_disabled_at mfa_enabled_at object passkeys
    password_digest password_enabled phone_numbers primary_phone_number primary_phone_number_id
    primary_web3_wallet_id private_metadata profile_image_url public_metadata saml_accounts totp_enabled
    totp_secret two_factor_enabled unverified_phone_numbers updated_at username verification_attempts_remaining
    verified_phone_numbers web3_wallets
    """
)


def user(raw: Json) -> Json:
    """The user of a row. Users can change `unsafe_metadata` alone."""
    email, verified = _address(raw)
    if verified is None:
        change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    digest = text(raw, "password_digest")
    kept = kept_with(
        {**section(raw, "public_metadata"), **section(raw, "private_metadata")},
        raw,
        username="username",
        phone="primary_phone_number",
    )
    links = [(_provider(item), item.get("provider_user_id")) for item in array(raw, "external_accounts")]
    leave(
        raw, SECOND_FACTORS, "totp_secret", "totp_enabled", "backup_codes", "backup_codes_enabled", "two_factor_enabled"
    )
    return compact(
        {
            "email": email,
            "emailVerified": bool(verified),
            "passwordHash": hashes.clerk(text(raw, "password_hasher") or "bcrypt", digest) if digest else None,
            "externalId": text(raw, "id"),
            "profile": {
                "firstName": given(raw, "first_name"),
                "lastName": given(raw, "last_name"),
                "picture": given(raw, "image_url"),
            },
            "metadata": section(raw, "unsafe_metadata"),
            "appMetadata": kept,
            "status": held(flag(raw, "banned") or flag(raw, "locked"), raw, "banned"),
            "createdAt": time(raw, "created_at"),
            "updatedAt": time(raw, "updated_at"),
            "identities": identities(raw, links),
        }
    )


def _address(raw: Json) -> tuple[str | None, bool | None]:
    """The primary address, and whether it is verified, where the file says so."""
    addresses = array(raw, "email_addresses") if isinstance(raw.get("email_addresses"), list) else []
    if addresses and isinstance(addresses[0], dict):
        primary = text(raw, "primary_email_address_id")
        found = cast(list[Json], addresses)
        chosen = next((each for each in found if each.get("id") == primary), found[0])
        verification: Json = chosen.get("verification") or {}
        return text(chosen, "email_address"), verification.get("status") == "verified"
    verified = _listed(raw, "verified_email_addresses")
    unverified = _listed(raw, "unverified_email_addresses")
    email = text(raw, "primary_email_address") or next(iter([*verified, *unverified, *addresses]), None)
    if any(each != email for each in (*verified, *unverified, *addresses)):
        change(raw, "email", OTHER_ADDRESSES)
    if email in verified:
        return email, True
    return email, False if verified or unverified else None


def _listed(raw: Json, name: str) -> list[str]:
    return [each for each in re.split("[|,]", text(raw, name) or "") if each]


def _provider(account: Json) -> Any:
    return str(account.get("provider") or "").removeprefix("oauth_")
