"""`python -m bench`: measure, print a table, write JSON."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

import projections
from bench import (
    cost,
    directory,
    imports,
    load,
    logins,
    moving,
    report,
    revocation,
    store,
    streams,
    system,
    transfer,
    typescript,
)
from bench.load import Kind, Load, Result
from bench.report import Row
from scripts import node

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

PARTS = [
    "start",
    "store",
    "requests",
    "latency",
    "revocation",
    "logins",
    "memory",
    "verify",
    "directory",
    "transfer",
    "moving",
    "streams",
    "cost",
    "imports",
    "long-imports",
    "typescript",
]
MILLISECONDS = "ms"
_NO_NODE = "left out: the TypeScript client needs Node 20 or later and its packages (make install)"


@dataclass
class Plan:
    """How long to measure: rounds, and seconds of each load in a round."""

    rounds: int
    seconds: float
    rows: int


FULL, QUICK = Plan(rounds=5, seconds=4, rows=50_000), Plan(rounds=1, seconds=1, rows=5_000)


@app.command()
def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="One short round: does it run? No figures to quote.")] = False,
    only: Annotated[list[str] | None, typer.Option(help=f"Some parts only: {', '.join(PARTS)}.")] = None,
    beside: Annotated[Path | None, typer.Option(help="For cost and imports: another version's tree.")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Where to write the results.")] = None,
    as_markdown: Annotated[Path | None, typer.Option("--markdown", help="Where to write the table.")] = None,
) -> None:
    """Measure Denizen beside this machine's limits. A full run takes about a quarter of an hour."""
    unknown = set(only or []) - set(PARTS)
    if unknown:
        raise typer.BadParameter(f"no such part: {', '.join(sorted(unknown))}")
    plan = QUICK if quick else FULL
    began = time.perf_counter()
    rows = _measure(plan, only or PARTS, beside)
    report.show(rows)
    facts = report.machine() | {"quick": quick, "seconds": round(time.perf_counter() - began)}
    path = as_json or Path("bench/results") / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}.json"
    report.write(path, facts, rows)
    if as_markdown:
        as_markdown.write_text(report.markdown(rows), "utf-8")
    typer.echo(f"written to {path}", err=True)


def _measure(plan: Plan, parts: list[str], beside: Path | None) -> list[Row]:
    rows: list[Row] = []
    with system.fresh() as denizen:
        typer.echo("start", err=True)
        fresh, again = _start(denizen)
        rest = denizen.memory()
        if "start" in parts:
            rows += [fresh, again]
        measured: dict[str, Callable[[], list[Row]]] = {
            "store": lambda: _store(plan, denizen.database_url),
            "requests": lambda: _requests(plan, denizen.nats_url),
            "latency": lambda: _latencies(plan, denizen.nats_url),
            "revocation": lambda: _revocation(plan, denizen.nats_url),
            "logins": lambda: _logins(plan, denizen),
            "memory": lambda: _memory(plan, denizen, rest),
            "verify": lambda: [_verify(denizen)],
            "directory": lambda: _directory(plan, denizen.database_url),
            "transfer": lambda: transfer.measure(denizen, 4 * plan.rows),
            "streams": lambda: streams.attack(denizen, 2000, plan.seconds) + streams.lengths(denizen, 10 * plan.rounds),
            "moving": lambda: moving.exports(20 * plan.rows) + moving.round_trip(2 * plan.rows),
            "cost": lambda: cost.measure(denizen, beside, plan.rounds, plan.seconds / 2, plan.rows // 5),
            "imports": lambda: imports.measure(denizen, beside, plan.rounds, plan.rows // 5, memory=False),
            "long-imports": lambda: imports.measure(denizen, beside, 1, 4 * plan.rows, memory=True),
            "typescript": lambda: _typescript(plan, denizen),
        }
        for part, measure in measured.items():
            if part in parts:
                rows += measure()
    return rows


def _start(denizen: system.System) -> tuple[Row, Row]:
    fresh = Row("denizen up, fresh directory", "s", [denizen.start()], target=8, smaller=True)
    denizen.stop()
    again = Row("denizen up, existing directory", "s", [denizen.start()], target=3, smaller=True)
    return fresh, again


def _store(plan: Plan, url: str) -> list[Row]:
    store.prepare(url)
    one = Row("append, 1 in flight", "/s", limit="single-row commits")
    hundred = Row("append, 100 in flight", "/s", limit="single-row commits")
    of_copy = Row("append, 100 in flight", "/s", limit="COPY of events")
    single = Row("single-row commits, 1 connection", "/s")
    copy = Row("COPY of events", "/s")
    for number in range(plan.rounds):
        typer.echo(f"store, round {number + 1} of {plan.rounds}", err=True)
        single.values.append(store.committed(url, plan.seconds))
        one.values.append(store.appends(url, 1, plan.seconds))
        copy.values.append(store.copied(url, plan.rows))
        hundred.values.append(store.appends(url, 100, plan.seconds))
    one.limits = hundred.limits = single.values
    of_copy.values, of_copy.limits = hundred.values, copy.values
    return [single, copy, one, hundred, of_copy]


@dataclass
class Request:
    """A kind of request at a number in flight, and what is wanted of its ratio to the echo."""

    kind: Kind
    in_flight: int
    least: float | None = None
    target: float | None = None
    p99: float | None = None

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.in_flight} in flight"


REQUESTS = [
    Request("CreateUser", 1),
    Request("CreateUser", 64, least=0.08, target=0.15, p99=40),
    Request("CreateUser with id", 64),
    Request("GetUserByEmail", 1),
    Request("GetUserByEmail", 64, least=0.25, target=0.40, p99=15),
    Request("GetUser", 64),
    Request("UpdateUser", 64),
    Request("BlockUser", 64),
]


def _requests(plan: Plan, url: str) -> list[Row]:
    """Each kind of request beside the echo with as many in flight, in turns."""
    rates = [Row(each.name, "/s", [], f"echo, {each.in_flight}", [], each.least, each.target) for each in REQUESTS]
    tails = [Row(f"{each.name}, p99", MILLISECONDS, target=each.p99, smaller=True) for each in REQUESTS]
    echoes = {in_flight: Row(f"echo of nats-py, {in_flight} in flight", "/s") for in_flight in (1, 64)}
    client = Row("the client's share of a core, CreateUser, 64 in flight", "", smaller=True)
    with system.echo() as echo_url:
        for number in range(plan.rounds):
            for request, rate, tail in zip(REQUESTS, rates, tails, strict=True):
                typer.echo(f"{rate.name}, round {number + 1} of {plan.rounds}", err=True)
                echo = Load(echo_url, "echo", plan.seconds / 2, request.in_flight).run()
                result = Load(url, request.kind, plan.seconds, request.in_flight).run()
                _assert_clean(request.kind, result)
                echoes[request.in_flight].values.append(echo.rate)
                rate.values.append(result.rate)
                rate.limits.append(echo.rate)
                tail.values.append(result.p99)
                if (request.kind, request.in_flight) == ("CreateUser", 64):
                    client.values.append(result.cpu)
    return [*echoes.values(), *(row for pair in zip(rates, tails, strict=True) for row in pair), client]


def _latencies(plan: Plan, url: str) -> list[Row]:
    """At 2,000 requests a second (open loop); and how long a command takes to be seen, at rest and with that load."""
    busy = Load(url, "CreateUser", plan.seconds + 2, rate=2000)
    rows: dict[str, Row] = {}

    def note(name: str, result: Result, target: float | None) -> None:
        _assert_clean("CreateUser", result)
        rows.setdefault(f"{name}, p50", Row(f"{name}, p50", MILLISECONDS, smaller=True)).values.append(result.p50)
        p99 = rows.setdefault(f"{name}, p99", Row(f"{name}, p99", MILLISECONDS, target=target, smaller=True))
        p99.values.append(result.p99)

    for number in range(plan.rounds):
        typer.echo(f"latency, round {number + 1} of {plan.rounds}", err=True)
        note("CreateUser at 2,000/s", Load(url, "CreateUser", plan.seconds, rate=2000).run(), 40)
        note("GetUserByEmail at 2,000/s", Load(url, "GetUserByEmail", plan.seconds, rate=2000).run(), 15)
        note("reply to projection, at rest", Load(url, "projection", plan.seconds).run(), None)
        note("command to subscriber, at rest", Load(url, "event", plan.seconds).run(), None)
        watches: list[tuple[str, Kind]] = [("reply to projection", "projection"), ("command to subscriber", "event")]
        for name, kind in watches:
            background = busy.begin()
            time.sleep(1)  # The load is under way before the watch begins.
            note(f"{name}, at 2,000 creates/s", Load(url, kind, plan.seconds).run(), 50)
            load.finish(background)
    return list(rows.values())


_VERIFIERS: tuple[tuple[revocation.Language, int], ...] = (("Python", 20), ("Python", 4), ("TypeScript", 4))


def _revocation(plan: Plan, url: str) -> list[Row]:
    """A blocked user is out everywhere at once (design, section 1)."""
    rows: list[Row] = []
    for language, processes in _VERIFIERS:
        if language == "TypeScript":
            if not node.is_ready():
                typer.echo(_NO_NODE, err=True)
                continue
            typescript.build()
        of = f"{revocation.VERIFIERS} {language} verifiers in {processes} processes"
        name = f"BlockUser to the last refusal of {of}, at 2,000 creates/s"
        median = Row(f"{name}, p50", MILLISECONDS, target=10, smaller=True)
        tail = Row(f"{name}, p99", MILLISECONDS, target=50, smaller=True)
        for number in range(plan.rounds):
            typer.echo(f"revocation, {language}, {processes} processes, round {number + 1} of {plan.rounds}", err=True)
            latencies = revocation.measure(url, processes, plan.seconds, 2000, language)
            median.values.append(latencies[len(latencies) // 2])
            tail.values.append(latencies[len(latencies) * 99 // 100])
        rows += [median, tail]
    return rows


_LOGINS_IN_FLIGHT = (8, 16, 32, 64)


def _logins(plan: Plan, denizen: system.System) -> list[Row]:
    """Beside what the machine can hash; and in a flood of ten times that.

    The target is set by the rate of argon2-cffi, the usual library; beside it is the rate of our own implementation.
    """
    theirs, ours = "argon2id by argon2-cffi, all cores", "argon2id as we compute it, all cores"
    hashes, quicker = Row(theirs, "/s"), Row(ours, "/s")
    flooded = "in a flood of 10 times the rate"
    rates = {n: f"logins, {n} in flight" for n in _LOGINS_IN_FLIGHT} | {0: f"logins {flooded}"}
    beside = {n: Row(name, "/s", limit=theirs, limits=hashes.values, target=0.9) for n, name in rates.items()}
    around: list[float] = []
    beside[0].limits = around
    queries = Row(f"GetUserByEmail at {logins.QUERIES}/s {flooded}, p99", MILLISECONDS, target=50, smaller=True)
    surplus = Row(f"overloaded {flooded}, share", "")
    at_once = Row(f"overloaded {flooded}, p99", MILLISECONDS, smaller=True)
    client = Row(f"the client's share of a core {flooded}", "", smaller=True)
    memory = [Row(f"memory of accounts, {when} the flood", "MB", smaller=True) for when in ("before", "in", "after")]
    # So many that none is tried as often as guesses are limited, however fast the machine.
    count = max(2000, round(20 * logins.hash_rate(1)))
    accounts = logins.prepare(denizen.nats_url, count)
    for number in range(plan.rounds):
        typer.echo(f"logins, round {number + 1} of {plan.rounds}", err=True)
        # Before and after the flood, and before the rest: the machine is another one half a minute later.
        before = logins.hash_rate(plan.seconds)
        rate = 10 * before
        load = logins.Logins(denizen.nats_url, accounts, count, plan.seconds + 1, rate=rate)
        flood = logins.flood(denizen, load)
        beside[0].values.append(_admitted(flood.outcome).rate)
        queries.values.append(flood.query_p99)
        surplus.values.append(flood.outcome.overloaded)
        at_once.values.append(flood.outcome.overloaded_p99)
        client.values.append(flood.outcome.cpu)
        for row, value in zip(memory, (flood.before, flood.peak, flood.after), strict=True):
            row.values.append(value)
        after = logins.hash_rate(plan.seconds)
        around.append((before + after) / 2)
        hashes.values.append(after)
        quicker.values.append(logins.hash_rate(plan.seconds, ours=True))
        for in_flight in _LOGINS_IN_FLIGHT:
            load = logins.Logins(denizen.nats_url, accounts, count, plan.seconds, in_flight)
            beside[in_flight].values.append(_admitted(load.run()).rate)
    stricter = [Row(row.name, "/s", row.values, ours, quicker.values) for row in beside.values()]
    return [hashes, quicker, *beside.values(), *stricter, queries, surplus, at_once, client, *memory]


def _admitted(outcome: logins.Outcome) -> logins.Outcome:
    if outcome.codes:
        raise RuntimeError(f"logins: {outcome.codes}")
    return outcome


def _memory(plan: Plan, denizen: system.System, rest: dict[str, float]) -> list[Row]:
    """Of each process: at rest, after load, and after as much load again."""
    typer.echo("memory", err=True)
    readings = [rest]
    for _ in range(2):
        for kind in ("CreateUser", "GetUserByEmail"):
            Load(denizen.nats_url, kind, 3 * plan.seconds, 64).run()
        readings.append(denizen.memory())
    rows: list[Row] = []
    for name in rest:
        for when, reading in zip(("at rest", "after load", "after as much again"), readings, strict=True):
            target = 150 if when == "at rest" else None
            rows.append(Row(f"memory of {name}, {when}", "MB", [reading[name]], target=target, smaller=True))
    return rows


def _verify(denizen: system.System) -> Row:
    from services.eventstore.log.verify import verify

    typer.echo("verify", err=True)
    began = time.perf_counter()
    result = verify(denizen.database_url, "denizen", _unwatched)
    if result.findings:
        raise RuntimeError("the log is not intact")
    return Row("denizen log verify", "events/s", [result.events / (time.perf_counter() - began)])


def _directory(plan: Plan, url: str) -> list[Row]:
    """Queries at many users beside those at few, and rebuilds with reads going on; in a cell of their own."""
    few, many = 10_000, 20 * plan.rows
    directory.prepare(url)
    measured: list[dict[str, list[float]]] = []
    rebuilds: list[Row] = []
    names = [each.name for each in projections.ALL]
    for users in (few, many):
        typer.echo(f"directory, {users:,} users", err=True)
        directory.grow(url, users)
        alone = [(f"rebuild of {name}", [name]) for name in names] if users == many else []
        for what, chosen in [*alone, ("rebuild of all", names)]:
            done = directory.rebuild(url, chosen, users)
            target = None if chosen == names else 40_000
            rebuilds.append(Row(f"{what}, {users:,} events", "/s", [done.rate], target=target))
            reads = Row(f"{what}, {users:,} events, GetUserByEmail meanwhile, p99", MILLISECONDS, smaller=True)
            reads.values.append(done.read_p99)
            rebuilds.append(reads)
        measured.append(directory.measure(url, users, 40 * plan.rounds))
    rows: list[Row] = []
    for kind, at_few in measured[0].items():
        at_many = measured[1][kind]
        for per_cent in (50, 99):
            values, limits = ([directory.percentile(each, per_cent)] for each in (at_many, at_few))
            what = f"{kind}, {many:,} users, p{per_cent}"
            target = 1.5 if per_cent == 50 and kind in directory.ALIKE else None
            rows.append(Row(what, MILLISECONDS, values, f"at {few:,} users", limits, target=target, smaller=True))
            if per_cent == 99 and kind.startswith("search"):
                rows.append(Row(f"{what} alone", MILLISECONDS, values, target=50, smaller=True))
    return rebuilds + rows


def _typescript(plan: Plan, denizen: system.System) -> list[Row]:
    if not node.is_ready():
        typer.echo(_NO_NODE, err=True)
        return []
    typer.echo("typescript", err=True)
    return typescript.rates(denizen, plan.rounds)


def _unwatched(_done: int, _total: int) -> None:
    """Progress that is not shown."""


def _assert_clean(kind: str, result: Result) -> None:
    if result.errors:
        raise RuntimeError(f"{kind}: {result.errors} refusals")


if __name__ == "__main__":
    app()
