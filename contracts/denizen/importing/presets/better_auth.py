"""better-auth, and Auth.js, whose tables are alike: rows of `user`, with those of `account` as `accounts`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from denizen.importing.presets.system import UNKNOWN_VERIFICATION, names, unless_absent
from denizen.importing.rows import Json
from denizen.importing.source_row import change
from denizen.importing.values import array, compact, flag, flag_or_time, given, identities, text, time

MARKS = names(
    """
    ban_expires ban_reason banExpires banReason banned_reason display_username displayUsername isAnonymous
    twoFactorEnabled
    """
)
FIELDS = names(
    """
    accounts banned created_at createdAt email email_verified emailVerified id image is_anonymous lang name
    password phone_number phone_number_verified phoneNumber phoneNumberVerified role two_factor_enabled updated_at
    updatedAt username stripe_customer_id stripeCustomerId
    """
)


def user(raw: Json) -> Json:
    """The user of a row. A column may be called `emailVerified` or `email_verified`, as the adapter has it."""
    accounts: list[Json] = array(raw, "accounts")
    passwords = [text(each, "password") for each in accounts if _provider(each) == "credential"]
    kept = {name: text(raw, name) for name in ("username", "role")}
    kept["phone"] = _either(raw, "phoneNumber", "phone_number")
    expires = time(raw, "banExpires") or time(raw, "ban_expires")
    links = [(_provider(each), _either(each, "accountId", "account_id", "providerAccountId")) for each in accounts]
    return compact(
        {
            "email": text(raw, "email"),
            "emailVerified": _is_verified(raw),
            "passwordHash": next((each for each in passwords if each), None) or text(raw, "password"),
            "externalId": _id(raw),
            "profile": {"displayName": given(raw, "name"), "picture": given(raw, "image")},
            "appMetadata": {name: value for name, value in kept.items() if value},
            "status": unless_absent(
                raw, "banned", "BLOCKED" if flag(raw, "banned") and not _is_over(expires) else "ACTIVE"
            ),
            "createdAt": time(raw, "createdAt") or time(raw, "created_at"),
            "updatedAt": time(raw, "updatedAt") or time(raw, "updated_at"),
            "identities": identities(raw, (link for link in links if link[0] != "credential")),
        }
    )


def _either(raw: Json, *columns: str) -> str | None:
    return next((found for column in columns if (found := text(raw, column))), None)


def _id(raw: Json) -> str | None:
    """The id; in MongoDB an object, or its digits."""
    kept: Any = raw.get("_id")
    return text(raw, "id") or (text(cast(Json, kept), "$oid") if isinstance(kept, dict) else text(raw, "_id"))


def _provider(account: Json) -> str | None:
    return _either(account, "providerId", "provider_id", "provider")


def _is_verified(raw: Json) -> bool:
    if "emailVerified" not in raw and "email_verified" not in raw:
        change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    name = "emailVerified" if raw.get("emailVerified") is not None else "email_verified"
    return flag_or_time(raw, name)  # Auth.js writes when it was verified.


def _is_over(expires: Any) -> bool:
    try:
        return expires is not None and datetime.fromisoformat(expires) <= datetime.now(UTC)
    except (TypeError, ValueError):
        return False
