"""Accounts at other providers that are linked to a user."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from denizen.messages.base import GuardedRequest, Message, Otherwise, Request, Secret, Time, UserRequest
from pydantic import StringConstraints

__all__ = [
    "Identity",
    "IdentityList",
    "LinkIdentity",
    "LinkMyIdentity",
    "LinkedIdentity",
    "ListIdentities",
    "ListMyIdentities",
    "Provider",
    "ProviderId",
    "UnlinkIdentity",
    "UnlinkMyIdentity",
]

Provider = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$"),
    Otherwise("not the name of a provider: 1 to 64 of a-z, 0-9, '.', '_' and '-', with a letter or digit first"),
]
"""`google`, `github`, `saml-acme`: a name of your choice."""
ProviderId = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Identity(Message):
    """An account at another provider that is linked to the user."""

    provider: str
    provider_id: str
    linked_at: datetime


class LinkIdentity(UserRequest):
    provider: Provider
    provider_id: ProviderId
    """The user's id at the provider."""
    access_token: Secret | None = None
    """Accepted, but neither used nor kept: Denizen sends no request to providers."""


class UnlinkIdentity(UserRequest):
    provider: Provider
    provider_id: ProviderId


class LinkedIdentity(Request):
    """Of a row of an import."""

    provider: Provider
    provider_id: ProviderId
    linked_at: Time | None = None


class LinkMyIdentity(GuardedRequest):
    provider: Provider
    provider_id: ProviderId
    access_token: Secret | None = None


class UnlinkMyIdentity(GuardedRequest):
    provider: Provider
    provider_id: ProviderId


class ListIdentities(UserRequest):
    """In the order in which they were linked."""


class ListMyIdentities(Request):
    pass


class IdentityList(Message):
    """The linked identities of a user; iterates over `data`."""

    data: tuple[Identity, ...]

    def __iter__(self) -> Iterator[Identity]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)
