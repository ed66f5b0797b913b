"""Prints the report on an import: the counts on standard output; refusals, rows left out and changes on standard error.

All is in groups, which hold line numbers, names of fields and sentences of the program, and no value of a row.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.cli import show

if TYPE_CHECKING:
    from denizen.import_results import ImportSummary

_WIDTH = 79
_GROUPS = 20
"""Groups of a kind that are printed; `--json` has all."""
_COUNTS = ("created", "updated", "skipped", "failed")


def print_report(summary: "ImportSummary", results: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Print what became of an import. `results`: the file of `--results`."""
    counts = {name: getattr(summary, name) for name in _COUNTS}
    if as_json:
        head = {"importId": summary.import_id, "dryRun": dry_run, "before": summary.before}
        counts |= {"leftOut": summary.left_out, "notChanged": summary.not_changed}
        show.json(head | counts | {"report": summary.report.as_json()})
        return
    if summary.before:
        show.say(f"{summary.before:,} rows by an earlier run; --import-id NAME begins a job of its own", err=True)
    if summary.left_out:
        counts["left out"] = summary.left_out
    would = " (nothing was changed)" if dry_run else ""
    show.say(", ".join(f"{count:,} {name}" for name, count in counts.items()) + would)
    report = summary.report
    _print_groups("refused:", report.refused.shown())
    _print_forgotten(summary.failed - report.refused.count)
    _print_groups("left out:", report.left_out.shown())
    _print_groups("fields that are not taken:", report.not_taken.shown())
    _print_groups("changed on the way:", report.changed.shown())
    if summary.not_changed:
        kept = f"{summary.not_changed:,} users keep fields that they or operators have changed"
        show.say(f"{kept}; see notChanged of --results", err=True)
    if summary.failed or len(report.changed):
        where = f"{results} has" if results else "--results FILE keeps"
        show.say(f"{where} the result of every row", err=True)
    if not dry_run and summary.created + summary.updated:
        show.say(f"import id: {summary.import_id}", err=True)


def _print_groups(title: str, groups: Sequence[dict[str, Any]]) -> None:
    if not groups:
        return
    show.say(title, err=True)
    for group in groups[:_GROUPS]:
        lines = textwrap.wrap(f"{_words(group)} ({_lines(group)})", _WIDTH - 10, break_on_hyphens=False)
        show.say(f"{group['count']:>8,}  {show.plain(lines[0])}", err=True)
        for line in lines[1:]:
            show.say(" " * 10 + show.plain(line), err=True)
    if (more := len(groups) - _GROUPS) > 0:
        show.say(f"          and {more:,} more kinds: --json shows them all", err=True)


def _words(group: dict[str, Any]) -> str:
    code, field = group.get("code"), group.get("field")
    head = f"{code} ({field})" if code and field else code or field
    said = group.get("message") or group.get("because")
    return f"{head}: {said}" if head and said else head or str(said)


def _lines(group: dict[str, Any]) -> str:
    lines = group["lines"]
    more = ", ..." if group["count"] > len(lines) else ""
    return f"line{'s' if more or len(lines) > 1 else ''} {', '.join(map(str, lines))}{more}"


def _print_forgotten(count: int) -> None:
    """Say how many rows an earlier run refused for reasons that are not kept any more."""
    if count > 0:
        show.say(f"{count:>8,}  refused by an earlier run, for reasons that are not kept any longer", err=True)
