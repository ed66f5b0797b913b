"""Processor time of an operation, in all processes of Denizen together, beside another version of it in the same run.

The client is not counted. What the processes do while nothing is asked is: some 15 ms a second.
"""

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import typer

from bench import logins, system, transfer
from bench.load import Kind, Load
from bench.logins import Logins
from bench.report import Row
from bench.system import System

_IN_FLIGHT: dict[Kind, int] = {"CreateUser": 64, "GetUserByEmail": 64, "UpdateUser": 64}
_LOGINS_IN_FLIGHT = 8
_ACCOUNTS = 1000
_SETTLED_SECONDS = 1.0
"""After a load, until the projector, the relay and nats-server have done their part of it."""
_CREATE_USER, _OTHERS = 1.02, 1.05
"""How much dearer than beside it an operation may be."""
_SHOWN = 0.02
"""Processes with a smaller part in an operation have no row of their own."""


class _Measured:
    """One version of Denizen, and the microseconds of each operation by process, a value a round."""

    def __init__(self, denizen: System, rows: int) -> None:
        self.denizen = denizen
        self._rows = rows
        self._imports = 0
        self._accounts = logins.prepare(denizen.nats_url, _ACCOUNTS)
        self._imported(transfer.write(denizen.home / "import-0.jsonl", rows))  # So that there is something to rebuild.
        self.spent: dict[str, list[dict[str, float]]] = {}

    def round(self, seconds: float) -> None:
        """Measure everything once."""
        for kind, in_flight in _IN_FLIGHT.items():
            load = Load(self.denizen.nats_url, kind, seconds, in_flight)
            self._note(kind, partial(_answered, load))
        some = Logins(self.denizen.nats_url, self._accounts, _ACCOUNTS, seconds, _LOGINS_IN_FLIGHT)
        self._note("login", lambda: some.run().answers)
        self._imports += 1
        file = self.denizen.home / f"import-{self._imports}.jsonl"
        transfer.write(file, self._rows, self._imports * self._rows)
        self._note("imported row", lambda: self._imported(file))
        self._rebuilt()

    def _note(self, operation: str, run: Callable[[], float]) -> None:
        before = self.denizen.processor_seconds()
        count = run()
        time.sleep(_SETTLED_SECONDS)
        after = self.denizen.processor_seconds()
        self._add(operation, {name: after[name] - before[name] for name in after}, count)

    def _add(self, operation: str, seconds: dict[str, float], count: float) -> None:
        spent = {name: 1e6 * each / count for name, each in seconds.items()}
        self.spent.setdefault(operation, []).append(spent)

    def _imported(self, file: Path) -> float:
        transfer.imported(self.denizen, file, self._rows)
        return self._rows

    def _rebuilt(self) -> None:
        """By the command, whose own processor time is most of it."""
        events = log_head(self.denizen)
        before = self.denizen.processor_seconds()
        process = transfer.command(self.denizen, "projections", "rebuild", "--json")
        assert process.stdout is not None
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.stdout.close()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError("the projections were not rebuilt")
        after = self.denizen.processor_seconds()
        spent = {name: after[name] - before[name] for name in after}
        self._add("rebuilt event", {**spent, "the command": usage.ru_utime + usage.ru_stime}, events)


def log_head(denizen: System) -> int:
    """How many events the log has."""
    with psycopg.connect(denizen.database_url) as connection:
        row = connection.execute("select position from denizen.log_head").fetchone()
    assert row is not None
    return row[0]


def _answered(load: Load) -> float:
    return load.run().count


def measure(denizen: System, beside: Path | None, rounds: int, seconds: float, rows: int) -> list[Row]:
    """Rows for each operation, and for the processes that have a part in it. `beside`: the tree of another version."""
    with other_version(beside) as other:
        ours = _Measured(denizen, rows)
        theirs = None if other is None else _Measured(other, rows)
        for number in range(rounds):
            typer.echo(f"cost, round {number + 1} of {rounds}", err=True)
            both = [ours] if theirs is None else [ours, theirs]
            for measured in both if number % 2 else reversed(both):
                measured.round(seconds)
    found: list[Row] = []
    for operation, spent in ours.spent.items():
        target = _CREATE_USER if operation == "CreateUser" else _OTHERS
        found += rows_of(operation, spent, theirs.spent[operation] if theirs else [], str(beside), target)
    return found


@contextmanager
def other_version(tree: Path | None) -> Generator[System | None]:
    """Another version of Denizen that runs, from its tree; None where there is no tree."""
    if tree is None:
        yield None
        return
    with system.fresh(tree.resolve()) as denizen:
        denizen.start()
        yield denizen


def rows_of(
    operation: str, spent: list[dict[str, float]], other: list[dict[str, float]], beside: str, target: float
) -> list[Row]:
    """Rows of one operation. `spent`, `other`: microseconds by process, of each round. `target`: of their ratio."""
    limit = f"the same in {beside}" if other else ""
    total, of_other = [sum(each.values()) for each in spent], [sum(each.values()) for each in other]
    wanted = target if other else None
    rows = [Row(f"{operation}, processor time", "us", total, limit, of_other, target=wanted, smaller=True)]
    for name in sorted(spent[0]):
        of_name, there = [each[name] for each in spent], [each.get(name, 0) for each in other]
        row = Row(f"{operation}, processor time of {name}", "us", of_name, smaller=True)
        if row.median >= _SHOWN * rows[0].median:
            row.limit, row.limits = (limit, there) if all(there) else ("", [])
            rows.append(row)
    return rows
