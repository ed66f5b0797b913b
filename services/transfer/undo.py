"""Takes an import back: erases the users that it created and that are still as it left them, a step at a time.

The log says which users they are, so nothing is kept about an undo. One that was interrupted, or is asked for again,
looks through the log from its start and finds which users are gone already.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
from denizen import messages as m

from services.domain import refusals
from services.domain.decision import NOTHING
from services.domain.events import UserDeleted
from services.domain.record import record
from services.domain.streams import StoredEvent
from services.domain.values import Json
from services.endpoint.call import Call
from services.eventstore.credentials.store import SecretStore
from services.eventstore.log.store import Append, Appended, EventStore, OutcomeUnknown
from services.platform import sql
from services.platform.database import Database
from services.platform.ids import new_event_id
from services.transfer import histories
from services.transfer.command_ids import CommandIds
from services.transfer.histories import History
from services.transfer.pace import Pace

_POSITIONS = 20_000
"""Events of the log that a step looks through."""
_USERS = 64
"""Users that a step takes back."""
_ROUNDS = 8
"""How often a user is looked at again because they changed meanwhile."""


@dataclass(slots=True)
class _Step:
    """What a step did. `kept`: by user, the type of the event for which they stay."""

    undone: int = 0
    gone: int = 0
    kept: dict[str, str] = field(default_factory=dict[str, str])


class Undo:
    """Undoes imports over an event store. Methods raise Refusal, DatabaseUnavailable and OutcomeUnknown."""

    def __init__(
        self,
        store: EventStore,
        secrets: SecretStore,
        log: Database,
        command_ids: CommandIds,
        appended: Callable[[bool], Awaitable[None]],
    ) -> None:
        """`log` reads the log; `appended` is told after each commit."""
        self._store = store
        self._secrets = secrets
        self._log = log
        self._command_ids = command_ids
        self._appended = appended
        self._pace = Pace()

    async def step(self, call: Call, request: m.UndoImport) -> tuple[int, bytes]:
        """Take back some users. The position of the log, and the body of the reply."""
        await self._command_ids.keep(call, request.import_id, request.after)
        head = await self._store.head()
        parameters: Json = {"prefix": f"import/{request.import_id}/", "limit": _USERS}
        parameters |= {"after": request.after, "until": request.after + _POSITIONS}
        found = await self._log.fetch(sql.load("services.transfer", "created_by_import"), parameters)
        await self._pace.rest()
        step = _Step()
        try:
            await self._take_back(call, request.import_id, {user_id for _, user_id in found}, step)
        except OutcomeUnknown:
            raise refusals.outcome_unknown() from None
        after = found[-1][0] if len(found) == _USERS else min(request.after + _POSITIONS, head)
        body = {
            "importId": request.import_id,
            "after": after,
            "until": head,
            "undone": step.undone,
            "gone": step.gone,
            "kept": [{"userId": user_id, "because": event} for user_id, event in sorted(step.kept.items())],
        }
        return await self._store.head(), orjson.dumps(body)

    async def _take_back(self, call: Call, import_id: str, users: set[str], step: _Step) -> None:
        for _ in range(_ROUNDS):
            touched: dict[str, str] = {}

            def note(event: StoredEvent, by_import: bool, touched: dict[str, str] = touched) -> None:
                # A back end chooses the ids of its commands: one may begin like those of an import.
                if not by_import or not event.metadata["commandId"].startswith(f"import/{import_id}/"):
                    touched.setdefault(event.user_id, event.type)

            read = await histories.read(self._store, self._secrets, histories.newest(users), note=note)
            appends: list[Append] = []
            for user_id, history in read.items():
                if history.state.user is None:
                    step.gone += 1
                elif history.signed_in:
                    step.kept[user_id] = "LoginSucceeded"
                elif user_id in touched:
                    step.kept[user_id] = touched[user_id]
                else:
                    appends.append(_deleting(call, import_id, history))
            users = await self._append(appends, step)
            if not users:
                return
        raise refusals.user_changed_by_too_many()

    async def _append(self, appends: list[Append], step: _Step) -> set[str]:
        """Returns the users who changed meanwhile, and so are to be looked at again."""
        results = await self._store.append(appends) if appends else []
        lost = {
            append.stream for append, result in zip(appends, results, strict=True) if not isinstance(result, Appended)
        }
        positions = [result.position for result in results if isinstance(result, Appended)]
        step.undone += len(positions)
        if positions:
            self._pace.appended(len(positions), max(positions))
            await self._appended(False)
        return lost


def _deleting(call: Call, import_id: str, history: History) -> Append:
    """The erasure of a user, as DeleteUser does it; not stored where the user signs in or changes before it."""
    state = history.state
    command = m.DeleteUser(user_id=state.user_id)
    stored = record(state, command, [UserDeleted()], NOTHING, now=datetime.now(UTC), new_id=new_event_id)
    return Append(
        stream=state.user_id,
        expected=state.version,
        events=stored.events,
        metadata={**call.metadata(), "commandId": f"import/{import_id}/undo"},
        at=stored.at,
        release=stored.release,
        effects=stored.effects,
        logins=history.logins,
    )
