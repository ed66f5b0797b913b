"""Which migrations a cell has, and which of them this version of Denizen knows."""

from collections.abc import Iterable
from importlib.resources import files


class SchemaTooNew(Exception):
    """A newer version of Denizen has migrated the cell; this version would read its tables wrongly."""


def is_current(cell: str, applied: Iterable[str]) -> bool:
    """Whether a cell with these migrations has all those of this version. Raises SchemaTooNew where it has others."""
    known = {path.name.removesuffix(".sql") for path in (files("services.eventstore.migrations") / "steps").iterdir()}
    has = set(applied)
    if newer := sorted(has - known):
        raise SchemaTooNew(
            f"a newer version of Denizen has migrated {cell} ({', '.join(newer)}), and this one cannot use it: "
            "run the newer version, or restore the backup of before its migration"
        )
    return has == known
