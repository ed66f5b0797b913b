"""`denizen log verify`: is the log as it was written?"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg
from psycopg.rows import dict_row

from services.domain.values import Json
from services.eventstore.log.chain import START, link
from services.platform import sql

_ROWS_AT_A_TIME = 2000
MOST_FINDINGS = 1000


@dataclass(slots=True)
class LogFault:
    """A fault of the log and its place. `position` is the first of a missing range."""

    problem: str
    position: int
    stream: str | None = None
    version: int | None = None


@dataclass(slots=True)
class Verification:
    """The result: how many events were read, up to which position, and what was found (at most MOST_FINDINGS)."""

    head: int = 0
    events: int = 0
    findings: list[LogFault] = field(default_factory=list[LogFault])


def verify(conninfo: str, cell: str, progress: Callable[[int, int], None]) -> Verification:
    """Read the whole log in one snapshot and check every hash, version and position.

    `progress` is told how many rows are done, of how many. Memory is bounded. Raises psycopg.Error.
    """
    result = Verification()
    with psycopg.connect(conninfo, options=f"-c search_path={cell} -c timezone=UTC") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        ((result.head, count, last),) = connection.execute(_sql("log_size")).fetchall()
        if not result.head == count == last:
            for first, final in connection.execute(_sql("log_gaps")).fetchall():
                result.findings.append(LogFault(f"missing up to position {final}", first))
            if last > result.head:
                result.findings.append(LogFault("behind the head", last))
        with connection.cursor("verify", row_factory=dict_row) as cursor:
            cursor.itersize = _ROWS_AT_A_TIME
            cursor.execute(_sql("verify_rows"))
            for finding in _check(cursor, lambda done: progress(done, count)):
                if len(result.findings) < MOST_FINDINGS:
                    result.findings.append(finding)
        result.events = count
    return result


def _check(rows: Iterable[Json], progress: Callable[[int], None]) -> Iterator[LogFault]:
    stream, version, previous = "", 0, START
    for done, row in enumerate(rows, 1):
        if done % _ROWS_AT_A_TIME == 0:
            progress(done)
        stored = bytes(row.pop("hash"))
        if row["stream"] != stream:
            stream, version, previous = row["stream"], 0, START
        version += 1
        if row["version"] != version:
            yield LogFault(f"missing from version {version}", row["position"], stream, row["version"])
            version = row["version"]
        elif link(previous, row) != stored:
            yield LogFault("changed", row["position"], stream, version)
        previous = stored


def _sql(name: str) -> LiteralString:
    return sql.load("services.eventstore.log", name)
