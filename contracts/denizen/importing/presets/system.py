"""What a preset is: a system whose exports are read, and the function that makes a user of ours of one of its rows."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from denizen.importing.rows import Json, Unfit
from denizen.importing.source_row import change
from denizen.importing.values import array, given, identities, text

Preset = Callable[[Json], Json | None]
"""Raises Unfit, or what Python does of an unexpected form; for a user, the fields of `ImportedUser`."""

_SHORTEST = 8
"""Characters of a password (services/passwords/policy.py)."""
SECOND_FACTORS = "second factors are not taken over: users set them up again"
SEVERAL = "there are several values: the first one is taken over"
OTHER_ADDRESSES = "the user has other addresses: the primary one alone is taken over"
UNKNOWN_VERIFICATION = "the file does not say whether the address is verified: taken for unverified"
UNKNOWN_STATUS = "the file does not say whether the user is enabled: taken for blocked"
UNSAID = (("emailVerified", UNKNOWN_VERIFICATION), ("status", UNKNOWN_STATUS))
"""What a preset tells of a field that it gives a value for a new user, though the file says nothing of it."""


@dataclass(frozen=True, slots=True)
class System:
    """A system whose exports are read.

    Attributes:
        name: as it is given to `--from`.
        title: as people write it.
        marks: names of fields that other systems do not have: a row that has one of them can be of this system.
        fields: the other names of fields at the top of its rows.
        user: makes a user of a row.
    """

    name: str
    title: str
    marks: frozenset[str]
    fields: frozenset[str]
    user: Preset


def kept_with(kept: Json, raw: Json, **names: str) -> Json:
    """Adds fields that a user of ours does not have to those that are kept already: `ours="theirs"`."""
    more = {ours: value for ours, theirs in names.items() if (value := given(raw, theirs)) and ours not in kept}
    return {**kept, **more}


def apart(kept: Json, raw: Json, name: str, values: Json, told: str) -> Json:
    """Adds values that users may have written themselves, in an object of their own: none stands where a right does."""
    if not values:
        return kept
    change(raw, f"appMetadata.{name}", told)
    return {**kept, name: values}


def unless_absent(raw: Json, name: str, status: str) -> str | None:
    """The status that a field says; none where the row lacks the field, so that an update does not lift a block."""
    return status if name in raw else None


def held(is_held: bool, raw: Json, *names: str) -> str | None:
    """BLOCKED, or ACTIVE where the row has one of the fields that say so; none where it has none of them."""
    if is_held:
        return "BLOCKED"
    return "ACTIVE" if any(name in raw for name in names) else None


def state(raw: Json, name: str, known: Mapping[str, str], prefix: str = "") -> str | None:
    """The status that a word stands for, in either case. Raises Unfit where the word is unknown: it may be a block."""
    said = text(raw, name)
    if said is None:
        return None
    if (status := known.get(said.lower().removeprefix(prefix))) is None:
        raise Unfit(f"is not known; the known ones are {', '.join(known)}", name)
    return status


def in_the_clear(raw: Json, password: str | None) -> Json:
    """A password that the file has in the clear, which the service hashes; without one that is too short for it."""
    if password is None:
        return {}
    if len(unicodedata.normalize("NFC", password)) < _SHORTEST:
        change(raw, "password", "a password in the clear, too short to be kept: the user resets it by mail")
        return {}
    return {"password": password}


def linked(raw: Json, name: str, provider: str, who: str, *, without: tuple[str, ...] = ()) -> list[Json]:
    """The identities in an array of objects, by their fields for the provider and for the id there.

    without: providers whose entries are no identities elsewhere.
    """
    named = ((text(item, provider), text(item, who)) for item in array(raw, name))
    return identities(raw, (pair for pair in named if pair[0] not in without))


def verified_by(is_verified: bool, raw: Json, *names: str) -> bool:
    """Whether the address is verified; told where the row has none of the fields that say so."""
    if not any(name in raw for name in names):
        change(raw, "emailVerified", UNKNOWN_VERIFICATION)
    return is_verified


def names(listed: str) -> frozenset[str]:
    """The names of fields that a text lists."""
    return frozenset(listed.split())
