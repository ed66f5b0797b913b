"""Clerk."""

from __future__ import annotations

import re

from denizen.importing import hashes
from denizen.importing.presets.system import kept_with, names
from denizen.importing.rows import Json
from denizen.importing.values import compact, given, text, time

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
    """The dashboard's CSV."""
    verified = re.split("[|,]", text(raw, "verified_email_addresses") or "")
    unverified = re.split("[|,]", text(raw, "unverified_email_addresses") or "")
    email = text(raw, "primary_email_address") or verified[0] or unverified[0]
    digest = text(raw, "password_digest")
    return compact(
        {
            "email": email,
            "emailVerified": email in verified,
            "passwordHash": hashes.clerk(text(raw, "password_hasher") or "bcrypt", digest) if digest else None,
            "externalId": text(raw, "id"),
            "profile": {"firstName": given(raw, "first_name"), "lastName": given(raw, "last_name")},
            "appMetadata": kept_with({}, raw, username="username", phone="primary_phone_number"),
            "createdAt": time(raw, "created_at"),
        }
    )
