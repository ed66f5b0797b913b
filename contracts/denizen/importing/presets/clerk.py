"""Clerk."""

from __future__ import annotations

import re

from denizen.importing import hashes
from denizen.importing.presets.system import kept_with
from denizen.importing.rows import Json
from denizen.importing.values import compact, text, time

MARKS = frozenset(
    {
        "password_digest", "password_hasher", "primary_email_address", "unverified_email_addresses",
        "verified_email_addresses",
    }
)  # fmt: skip


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
            "profile": {"firstName": text(raw, "first_name"), "lastName": text(raw, "last_name")},
            "appMetadata": kept_with({}, raw, username="username", phone="primary_phone_number"),
            "createdAt": time(raw, "created_at"),
        }
    )
