"""The fields that a caller gives of a user, as on the wire."""

from __future__ import annotations

from typing import Any, Final

from denizen import arguments
from denizen.json_objects import JsonObject
from denizen.messages import Profile


class Unset:
    """The default of an argument that was not given: None already means "remove it"."""


UNSET: Final = Unset()


def sections(
    profile: JsonObject | Profile | None, metadata: JsonObject | None, app_metadata: JsonObject | None
) -> dict[str, Any]:
    """Those of the three that were given, as on the wire."""
    if isinstance(profile, Profile):
        profile = profile.model_dump(by_alias=True, exclude_unset=True)
    sections = {"profile": profile, "metadata": metadata, "appMetadata": app_metadata}
    return {name: section for name, section in sections.items() if section is not None}


def with_changes(body: dict[str, Any], changes: JsonObject | None) -> dict[str, Any]:
    """The body with `changes`, fields as on the wire. Raises TypeError where one is in both."""
    if changes is None:
        return body
    given = dict(arguments.mapping("changes", changes))
    if twice := sorted(body.keys() & given.keys()):
        raise TypeError(f"{twice[0]}: given both in changes and by its own argument")
    if isinstance(given.get("profile"), Profile):
        given |= sections(given["profile"], None, None)
    return body | given
