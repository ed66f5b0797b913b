"""A dry run's part that the service cannot do: it sees one chunk at a time, and takes no value of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from denizen.import_results import ImportResult
from denizen.messages import ErrorBody, OnConflict


class DryRun:
    """The unique values that a dry run's rows would take."""

    def __init__(self, on_conflict: OnConflict) -> None:
        self._on_conflict = on_conflict
        self._rows = 0
        self._taken: dict[int, int] = {}
        """Hashes, for there may be millions, and the number of the row that would have each."""

    def judged(self, user: Mapping[str, Any], result: ImportResult) -> ImportResult:
        """The result of a row of this user, given that those before it are in."""
        if result.status != "created":
            return result
        claims = [(kind, hash((kind, value))) for kind, value in _claims(user)]
        holders = {kind: self._taken[claim] for kind, claim in claims if claim in self._taken}
        if not holders:
            self._rows += 1
            self._taken.update(dict.fromkeys((claim for _, claim in claims), self._rows))
            return result
        twice = next(iter(holders))
        if twice != "id" or holders.get("email") == holders["id"]:
            if self._on_conflict == "skip":
                return ImportResult(result.line, "skipped")
            if self._on_conflict == "update" and twice in ("id", "email"):
                return ImportResult(result.line, "updated")
        code, name = _TWICE.get(twice, ("identity_taken", "providerId"))
        return ImportResult(
            result.line, "failed", error=ErrorBody(code=code, message=f"another row has this {name}", field=name)
        )


_TWICE: Mapping[str, tuple[str, str]] = {
    "id": ("validation_failed", "id"),
    "email": ("email_taken", "email"),
    "externalId": ("external_id_taken", "externalId"),
}


def _claims(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The values that only one user can have, in the service's order. It knows more forms of an address."""
    if (user_id := user.get("id")) is not None:
        yield "id", user_id
    yield "email", unicodedata.normalize("NFKC", user["email"]).casefold()
    if (external_id := user.get("externalId")) is not None:
        yield "externalId", external_id
    for each in user.get("identities", ()):
        yield f"identity {each['provider']}", each["providerId"]
