"""Users without their password hashes, where an import says so: they reset the password by mail."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from denizen.importing.rows import BadRow, LeftOutRow, Row

WithoutHashes = Literal["none", "unsupported", "all"]
_ALL = "left out, because the import says so of all hashes"
_HASHED = "hashed:"


def without_hash(row: Row | BadRow | LeftOutRow, choice: WithoutHashes) -> Row | BadRow | LeftOutRow:
    """The row as `choice` says: `all` takes no hash, `unsupported` none that Denizen cannot take."""
    if isinstance(row, BadRow):
        if choice == "none" or row.without_hash is None:
            return row
        message = _ALL if choice == "all" else f"left out, so the user resets the password by mail: {row.message}"
        return _told(row.without_hash, message)
    if choice != "all" or not isinstance(row, Row):
        return row
    kept = {name: value for name, value in row.user.items() if name != "passwordHash" and not _is_hash(name, value)}
    return row if len(kept) == len(row.user) else _told(replace(row, user=kept), _ALL)


def _is_hash(name: str, value: object) -> bool:
    return name == "password" and isinstance(value, str) and value.startswith(_HASHED)


def _told(row: Row, message: str) -> Row:
    return replace(row, changed=[*row.changed, ("passwordHash", message)])
