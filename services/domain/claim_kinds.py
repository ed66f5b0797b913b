"""Kinds of claims: values that one user at a time can hold. Appends take them (eventstore/log/sql/take_claims.sql)."""

from collections.abc import Mapping
from typing import Literal

ClaimKind = Literal["email", "externalId", "identity"]
Claim = tuple[ClaimKind, str]
"""The kind of a claim, and its canonical value."""

TAKEN: Mapping[ClaimKind, tuple[str, str]] = {
    "email": ("email_taken", "email"),
    "externalId": ("external_id_taken", "externalId"),
    "identity": ("identity_taken", "providerId"),
}
"""By the kind of a claim that another user holds: the code of the refusal, and the field that it names."""
