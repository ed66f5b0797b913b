"""What a projection is: a module with these names."""

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, LiteralString, Protocol, cast

import psycopg

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class Event(Protocol):
    """An event of the log, decrypted; `private` is None where it has none or the user was erased."""

    @property
    def position(self) -> int: ...
    @property
    def stream(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def public(self) -> dict[str, Any]: ...
    @property
    def private(self) -> dict[str, Any] | None: ...
    @property
    def recorded_at(self) -> datetime: ...


class Projection(Protocol):
    """A read model. Its tables are changed only by `apply`, in the transaction that moves its checkpoint."""

    NAME: str
    VERSION: int
    """Raised with each change of the table or of what an event does to it; the tables are then built anew."""
    CREATE: LiteralString
    """SQL that makes its tables where they are missing."""

    async def apply(self, connection: Connection, events: Sequence[Event]) -> None:
        """Bring the tables up to date with events that follow each other in the log. Applying them twice is harmless."""
        ...


def sql(name: str) -> LiteralString:
    """The text of projections/sql/<name>.sql: ours and constant, as psycopg wants a query to be."""
    return cast(LiteralString, (files("projections") / "sql" / f"{name}.sql").read_text("utf-8"))
