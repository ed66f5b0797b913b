"""Statements as the server keeps them: with numbers for their parameters."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

Parameters = Sequence[Any] | Mapping[str, Any]

_TYPES: Mapping[type, str] = {int: "bigint", bytes: "bytea", UUID: "uuid", datetime: "timestamptz"}


def numbered(query: str) -> str:
    """The query with $1, $2, … for the parameters of psycopg, in the order of `ordered`."""
    numbers = count(1)
    names: dict[str, int] = {}
    query = re.sub("%s", lambda _: f"${next(numbers)}", query)
    return re.sub(r"%\((\w+)\)s", lambda name: f"${names.setdefault(name[1], len(names) + 1)}", query)


def ordered(query: str, parameters: Parameters) -> list[object]:
    if isinstance(parameters, Mapping):
        return [parameters[name] for name in dict.fromkeys(re.findall(r"%\((\w+)\)s", query))]
    return list(parameters)


def prepared(name: str, query: str, parameters: Parameters) -> bytes:
    """What has the server prepare the query under a name, for parameters of these types."""
    types = ", ".join(_TYPES.get(type(each), "unknown") for each in ordered(query, parameters))
    return f"prepare {name} ({types}) as {numbered(query)}".encode()
