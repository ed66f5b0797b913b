"""Tells by the names of a row's fields which system wrote a file, so that no file is read as another system's.

A wrong preset would take users without their names, or a blocked user for one who may sign in. So the first rows are
looked at before any is given, and each later row too. Decision 44 says how.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from denizen.importing.presets import SYSTEMS, Preset, System
from denizen.importing.presets.firebase import Firebase
from denizen.importing.rows import BadRow, Json, LeftOutRow, RefusedFile, Row

Raw = tuple[int, Any] | Row | BadRow | LeftOutRow

_ROWS = 100
"""Rows that are looked at until one has marks."""
_CHARACTERS = 1 << 22
"""Of these rows together: they are held in memory."""
_KNOWN = 1000
"""Forms of rows whose system is remembered."""

_OURS = frozenset(
    {
        "id", "externalid", "email", "emailverified", "password", "passwordhash", "passwordchangerequired", "status",
        "profile", "metadata", "appmetadata", "identities", "createdat", "updatedat", "blockedat", "version",
        "logincount", "lastloginat", "lastloginip",
    }
)  # fmt: skip
_OUR_MARKS = frozenset({"externalid", "profile", "metadata", "appmetadata", "blockedat", "logincount"})
_COMMON = _OURS | {
    "name", "username", "first_name", "last_name", "firstname", "lastname", "displayname", "phone", "phone_number",
    "phonenumber", "role", "roles", "created_at", "updated_at", "picture", "locale", "disabled",
    "active", "verified", "groups", "salt", "uid", "mail", "type", "user",
}  # fmt: skip
"""Names that many systems use. A row of these alone tells nothing."""


_MARKS = {system.name: frozenset(map(str.casefold, system.marks)) for system in SYSTEMS}
_FIELDS = {system.name: frozenset(map(str.casefold, system.marks | system.fields)) for system in SYSTEMS}


class Recogniser:
    """Finds the systems that rows with given fields can be of."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[System, ...]] = {}

    def systems(self, form: tuple[str, ...]) -> tuple[System, ...]:
        """The systems whose marks a row with these fields has and that know most of its fields."""
        if (found := self._known.get(form)) is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            found = self._known[form] = _systems(form)
        return found


def _systems(form: Iterable[str]) -> tuple[System, ...]:
    names = _top(form)
    least = len({name.replace("_", "") for name in names} & _OURS) + 1
    counts = [(len(names & _FIELDS[system.name]), system) for system in SYSTEMS if _is_marked(system, names)]
    most = max((count for count, _ in counts), default=0)
    return tuple(system for count, system in counts if count == most >= least)


def _top(form: Iterable[str]) -> set[str]:
    """The names at the top of a row; a column may be called `user_metadata.plan` or `identities[0].provider`."""
    return {name.casefold().partition(".")[0].partition("[")[0] for name in form}


def _is_marked(system: System, names: set[str]) -> bool:
    """Whether a field of the row is a mark, or all of them are the system's and not only those of every system."""
    if not names.isdisjoint(_MARKS[system.name]):
        return True
    return names <= _FIELDS[system.name] and not names <= _COMMON


def is_ours(form: Iterable[str]) -> bool:
    """Whether a row of no other system has an address, and a field that only Denizen's own files have."""
    names = {name.replace("_", "") for name in _top(form)}
    return "email" in names and not _OUR_MARKS.isdisjoint(names)


def check_own(form: Iterable[str], more: str = "") -> None:
    """Raises RefusedFile where rows with these fields, such as the names of a header, are of another system.

    more: what else there is to say of them.
    """
    if systems := _systems(form):
        raise RefusedFile(_looks_like(systems) + (more and f". Without --from, {more}"))


def recognised(rows: Iterator[Raw], preset: Preset | None) -> Iterator[Raw]:
    """The same rows. Raises RefusedFile before the first one where they are not of the preset's system.

    A row among them that has marks of another system becomes a bad row. A preset that is none of ours takes any row.
    """
    system = None if preset is None else _system_of(preset)
    if preset is not None and system is None:
        yield from rows
        return
    recogniser = Recogniser()
    yield from _checked(_begin(rows, system, recogniser), system, recogniser)
    yield from _checked(rows, system, recogniser)


def _system_of(preset: Preset) -> System | None:
    return next(
        (each for each in SYSTEMS if each.user is preset or (each.name == "firebase" and isinstance(preset, Firebase))),
        None,
    )


def _begin(rows: Iterator[Raw], wanted: System | None, recogniser: Recogniser) -> list[Raw]:
    """The rows up to the first one that tells its system."""
    held: list[Raw] = []
    unmarked = size = 0
    for row in rows:
        held.append(row)
        if not isinstance(row, tuple) or not isinstance(row[1], dict):
            if len(held) >= _ROWS:
                break
            continue
        raw = cast(Json, row[1])
        form = tuple(raw)
        systems = recogniser.systems(form)
        if wanted in systems or (wanted is None and not systems and is_ours(form)):
            return held
        if systems:
            raise RefusedFile(_looks_like(systems))
        if wanted is not None and is_ours(form):
            raise RefusedFile(f"this looks like Denizen's own form, and not like {wanted.title}: leave --from out")
        unmarked, size = unmarked + 1, size + len(str(raw))
        if len(held) >= _ROWS or size >= _CHARACTERS:
            break
    if wanted is not None and unmarked:
        raise RefusedFile(
            f"this does not look like {wanted.title}: its rows have at least one of the fields {_listed(wanted)}; "
            f"{_presets()}"
        )
    return held


def _checked(rows: Iterable[Raw], wanted: System | None, recogniser: Recogniser) -> Iterator[Raw]:
    for row in rows:
        if isinstance(row, tuple) and isinstance(row[1], dict):
            systems = recogniser.systems(tuple(cast(Json, row[1])))
            if systems and wanted not in systems:
                ours = "Denizen" if wanted is None else wanted.title
                yield BadRow(row[0], "validation_failed", f"the row looks like {_titles(systems)}, and not like {ours}")
                continue
        yield row


def _looks_like(systems: tuple[System, ...]) -> str:
    options = " or ".join(f"--from {system.name}" for system in systems)
    return f"this looks like {_titles(systems)}: {options}; {_presets()}"


def _titles(systems: tuple[System, ...]) -> str:
    return " or ".join(system.title for system in systems)


def _presets() -> str:
    return f"the presets are {', '.join(system.name for system in SYSTEMS)}"


def _listed(system: System) -> str:
    return ", ".join(sorted(system.marks))
