"""`client.auth.users.undo_import`: takes an import back, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from denizen import arguments
from denizen.messages import ImportUndone, KeptUser
from denizen.transport import CommandOptions, Transport

_STEP_SECONDS = 60.0
"""How long a step is tried, over a short outage of Denizen's too."""
_SHOWN = 1000


@dataclass(slots=True)
class UndoSummary:
    """What became of the users that an import created.

    Attributes:
        undone: how many were erased now.
        gone: how many had been erased before, by an earlier undo or another command.
        kept: how many stay, because they have signed in or were changed.
        users: the first thousand of those who stay, and why.
        after, until: how far the log is looked through, and how far it is to be.
    """

    import_id: str
    undone: int = 0
    gone: int = 0
    kept: int = 0
    users: list[KeptUser] = field(default_factory=list[KeptUser])
    after: int = 0
    until: int = 0

    def add(self, step: ImportUndone) -> None:
        """Count what a step did."""
        self.undone += step.undone
        self.gone += step.gone
        self.kept += len(step.kept)
        self.users += step.kept[: _SHOWN - len(self.users)]
        self.after, self.until = step.after, step.until


async def undo(transport: Transport, import_id: str, on_progress: Callable[[UndoSummary], None] | None) -> UndoSummary:
    """Take an import back. Raises DenizenError."""
    arguments.function("on_progress", on_progress)
    summary = UndoSummary(arguments.text("import_id", import_id))
    options = CommandOptions(timeout=_STEP_SECONDS)
    while True:
        body = {"importId": import_id, "after": summary.after}
        summary.add(ImportUndone.model_validate(await transport.command("UndoImport", body, options)))
        if on_progress is not None:
            on_progress(summary)
        if summary.after >= summary.until:
            return summary
