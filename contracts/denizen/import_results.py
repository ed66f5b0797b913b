"""The results of an import: of each row, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from denizen.importing.report import ImportReport
from denizen.messages import ErrorBody

_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a row.

    Attributes:
        line: that of the file, or its number in an iterable, from 1.
        reason: why the row was left out.
        not_taken: the first paths of filled fields that the user did not get.
        changed: fields of the user whose value is not that of the source, each with a message.
        not_changed: of an updated user, the fields that are not as in the row, because users or operators decided on
            them.
    """

    line: int
    status: Literal["created", "updated", "skipped", "failed", "left_out"]
    user_id: str | None = None
    error: ErrorBody | None = None
    reason: str | None = None
    not_taken: Sequence[str] = ()
    changed: Sequence[tuple[str, str]] = ()
    not_changed: tuple[str, ...] = ()


@dataclass(slots=True)
class ImportSummary:
    """The results of an import, counted.

    Attributes:
        before: rows that an earlier run of the same job had sent.
        left_out: rows that are no users, such as service accounts; they are in no other count.
        not_changed: updated users who are not wholly as in their rows (`ImportResult.not_changed`).
        results: of those that were sent now, and of those that an earlier run refused: of the first thousand rows that
            failed, and, in imports of at most a thousand rows, of all.
        report: refusals, rows left out, fields not taken and changed values, in groups; over all runs of the job.
    """

    import_id: str
    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    before: int = 0
    left_out: int = 0
    not_changed: int = 0
    results: list[ImportResult] = field(default_factory=list[ImportResult])
    report: ImportReport = field(default_factory=ImportReport)

    @property
    def success(self) -> int:
        """Rows that did not fail."""
        return self.created + self.updated + self.skipped

    @property
    def rows(self) -> int:
        return self.success + self.failed

    def add(self, result: ImportResult) -> None:
        """Count a row."""
        setattr(self, result.status, getattr(self, result.status) + 1)
        if result.not_changed:
            self.not_changed += 1
        self.keep(result)

    def keep(self, result: ImportResult) -> None:
        """Keep the result of a row, as far as there is room."""
        rows = self.rows
        if rows == _SHOWN + 1:
            self.results = [each for each in self.results if each.status == "failed"]
        if (rows <= _SHOWN or result.status == "failed") and len(self.results) < _SHOWN:
            self.results.append(result)
