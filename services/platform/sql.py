"""SQL lives in named files beside the code that runs it."""

from functools import cache
from importlib.resources import files
from typing import LiteralString, cast


@cache
def load(package: str, name: str) -> LiteralString:
    """The text of `sql/<name>.sql` in a package of ours.

    It is ours and constant, as a literal in the code would be; that is what psycopg asks of a query's type.
    """
    return cast(LiteralString, (files(package) / "sql" / f"{name}.sql").read_text("utf-8"))
