"""The TypeScript client: its rate beside an echo of nats.js, and its verifiers."""

import subprocess
from collections.abc import Sequence

import orjson

from bench.report import Row
from bench.system import System
from scripts import node
from services.embedded.home import Home

_CALLS = 10_000
_PROGRAMS = node.PACKAGE / "build" / "programs"


def build() -> None:
    """Compile the programs. Raises CalledProcessError where a type is wrong."""
    subprocess.run(["tsc", "--build"], cwd=node.PACKAGE, env=node.environment(), check=True)


def program(name: str, *arguments: str) -> Sequence[str]:
    """The command that starts one of the programs, in `node.environment`."""
    return ["node", "--expose-gc", str(_PROGRAMS / f"{name}.js"), *arguments]


def rates(denizen: System, rounds: int) -> list[Row]:
    """Creates and look-ups at 64 in flight beside the echo in the same run, and the heap."""
    build()
    password = Home(denizen.home).password("nats-responder")
    settings = {"DENIZEN_NATS_URL": denizen.nats_url, "DENIZEN_TEST_RESPONDER_PASSWORD": password}
    echo = Row("echo of nats.js, 64 in flight", "/s")
    names = {"creates": "users.create in TypeScript", "lookUps": "users.getByEmail in TypeScript"}
    beside = {kind: Row(f"{name}, 64 in flight", "/s", [], echo.name, echo.values) for kind, name in names.items()}
    heaps = {
        kind: Row(f"{name}, heap at the end", "MB", [], "after a tenth of the calls", [], target=1.2, smaller=True)
        for kind, name in names.items()
    }
    for _ in range(rounds):
        done = subprocess.run(
            program("rate", str(_CALLS)), env=node.environment() | settings, stdout=subprocess.PIPE, check=True
        )
        measured = orjson.loads(done.stdout)
        echo.values.append(measured["echo"]["perSecond"])
        for kind in names:
            first, last = measured[kind]["heap"]
            beside[kind].values.append(measured[kind]["perSecond"])
            heaps[kind].values.append(last)
            heaps[kind].limits.append(first)
    return [echo, *beside.values(), *heaps.values()]
