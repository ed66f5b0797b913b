"""Clerk: the dashboard's CSV, the JSON of its support, or users of its backend API, also as JavaScript writes them."""

from __future__ import annotations

import re
from collections.abc import Callable
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
from denizen.importing.source_row import change, leave, names_of
from denizen.importing.values import array, compact, flag, given, identities, section, text, time

MARKS = names(
    """
    emailAddresses email_addresses externalAccounts password_hasher primary_email_address primary_email_address_id
    primaryEmailAddressId unsafe_metadata unsafeMetadata unverified_email_addresses verified_email_addresses
    """
)
FIELDS = names(
    """
    backup_codes backup_codes_enabled banned create_organization_enabled created_at delete_self_enabled
    enterprise_accounts external_accounts external_id first_name has_image id image_url last_active_at last_name
    last_sign_in_at locked lockout_expires_in_seconds mfa_disabled_at mfa_enabled_at object passkeys password_digest
    password_enabled phone_numbers primary_phone_number primary_phone_number_id primary_web3_wallet_id
    primaryPhoneNumberId privateMetadata publicMetadata private_metadata profile_image_url public_metadata
    saml_accounts totp_enabled totp_secret two_factor_enabled unverified_phone_numbers updated_at username
    verification_attempts_remaining verified_phone_numbers web3_wallets
    """
)


def user(raw: Json) -> Json:
    """The user of a row. Users can change `unsafe_metadata` alone."""
    if "primaryEmailAddressId" in raw:
        _respell(raw, 2)
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
    if phone := _phone(raw):
        kept.setdefault("phone", phone)
    links = [_link(item) for item in array(raw, "external_accounts")]
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


def _phone(raw: Json) -> str | None:
    """The primary number of a user of the API."""
    primary = text(raw, "primary_phone_number_id")
    if primary is None:
        return None
    return next(
        (text(each, "phone_number") for each in array(raw, "phone_numbers") if text(each, "id") == primary), None
    )


def _link(account: Json) -> tuple[str, str | None]:
    """The provider, and the id there: `google_id` of a `google_account` in older versions."""
    kind = text(account, "provider") or (text(account, "object") or "").removesuffix("_account")
    provider = kind.removeprefix("oauth_")
    there = text(account, "provider_user_id") or text(account, f"{provider}_id") or text(account, "external_id")
    return provider, there


def _respell(raw: Json, levels: int) -> None:
    """Spells the names of an object, and of those in it, as the API does: the JavaScript client has `firstName`."""
    for name in names_of(raw):
        value: Any = _pop(raw, name)
        spelt = _CAPITAL.sub(r"_\g<0>", name).lower()
        if levels and not spelt.endswith("_metadata"):
            for each in cast(list[Any], value if isinstance(value, list) else [value]):
                if isinstance(each, dict):
                    _respell(cast(Json, each), levels - 1)
        dict.__setitem__(raw, spelt, value)


_CAPITAL = re.compile("[A-Z]")
_pop: Callable[[Json, str], Any] = cast(Any, dict.pop)
