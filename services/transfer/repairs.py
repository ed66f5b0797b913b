"""Updates existing users by the rows of an import: what imports answer for becomes what the row says."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from denizen import messages as m

from services.domain import refusals
from services.domain.commands import RepairUser
from services.domain.decide.repair import Repair, repair
from services.domain.record import record
from services.domain.refusals import Refusal
from services.domain.values import Json
from services.endpoint.call import Call
from services.eventstore.credentials.store import SecretStore
from services.eventstore.log.store import Append, Appended, ClaimTaken, EventStore, Outcome
from services.platform.ids import new_event_id
from services.transfer import histories, results
from services.transfer.histories import History
from services.transfer.validation import ImportRow

_ROUNDS = 8
"""How often a user is decided on again because another process changed them first."""

Update = tuple[ImportRow, str]
"""A row, and the user who has its address."""


@dataclass(slots=True)
class _Decided:
    row: ImportRow
    user_id: str
    append: Append
    kept: Sequence[str]
    refusal: Refusal | None = None


class Repairs:
    """Updates users for one message. Methods raise DatabaseUnavailable and OutcomeUnknown; Refusal where the message
    is to be sent again.
    """

    def __init__(
        self, store: EventStore, secrets: SecretStore, call: Call, appended: Callable[[bool], Awaitable[None]]
    ) -> None:
        """`appended` is told after each commit of events."""
        self._store = store
        self._secrets = secrets
        self._call = call
        self._appended = appended

    async def answers(self, rows: Sequence[ImportRow]) -> dict[int, Json]:
        """The results of those rows that have updated a user before, or were refused as an update, by their index."""
        ids = {self._id(row): row for row in rows}
        outcomes = await self._store.outcomes(list(ids)) if self._call.repeatable else {}
        return {
            row.index: await self._answer(row, command_id, outcomes[command_id])
            for command_id, row in ids.items()
            if command_id in outcomes and histories.is_of_import(outcomes[command_id])
        }

    async def _answer(self, row: ImportRow, command_id: str, outcome: Outcome) -> Json:
        """The result of a row, from the history of its user before that: what is kept is whether it was refused."""
        if outcome.refusal is not None:
            return results.failed(row.index, Refusal.of(outcome.refusal))
        user_id = outcome.user_id or ""
        read = await histories.read(self._store, self._secrets, {user_id: outcome.version or 0}, without=[command_id])
        hashes = await self._secrets.passwords([user_id])
        decision = self._decide(row, read[user_id], hashes.get(user_id))
        return results.updated(row.index, user_id, [] if isinstance(decision, Refusal) else decision.kept)

    async def run(self, updates: Sequence[Update]) -> dict[int, Json]:
        """Update users. Returns the result of each row, by its index."""
        done: dict[int, Json] = {}
        lost = 0
        while left := [(row, user_id) for row, user_id in updates if row.index not in done]:
            if lost == _ROUNDS:
                raise refusals.user_changed_by_too_many()
            done |= await self.answers([row for row, _ in left])
            # Of rows about one user, one at a time.
            first = {user_id: row for row, user_id in reversed(left) if row.index not in done}
            settled = await self._round(first)
            lost = 0 if settled else lost + 1
            done |= settled
        return done

    async def _round(self, rows: Mapping[str, ImportRow]) -> dict[int, Json]:
        """Decide and store once. Absent: rows whose user was changed by another process meanwhile."""
        read = await histories.read(self._store, self._secrets, histories.newest(rows))
        hashes = await self._secrets.passwords(rows)
        decided = [self._decided(row, read[user_id], hashes.get(user_id)) for user_id, row in rows.items()]
        stored = await self._store.append([each.append for each in decided]) if decided else []
        done: dict[int, Json] = {}
        lost: list[_Decided] = []
        for each, result in zip(decided, stored, strict=True):
            if isinstance(result, ClaimTaken):
                each.refusal = refusals.taken(result.kind)
                lost.append(each)
            elif isinstance(result, Appended):
                refusal = each.refusal
                index = each.row.index
                done[index] = (
                    results.updated(index, each.user_id, each.kept)
                    if refusal is None
                    else results.failed(index, refusal)
                )
        if any(each.append.events for each in decided):
            await self._appended(False)
        if lost:
            await self._store.append([self._refused(each.row, each.refusal) for each in lost if each.refusal])
            done |= {each.row.index: results.failed(each.row.index, each.refusal) for each in lost if each.refusal}
        return done

    def _decide(self, row: ImportRow, history: History, hash: str | None) -> Repair | Refusal:
        """`hash`: of the user's password."""
        user = history.state.user
        if user is None:
            return refusals.user_not_found()
        return repair(user, self._command(row, user.id, hash), history.provenance, datetime.now(UTC))

    def _command(self, row: ImportRow, user_id: str, hash: str | None) -> RepairUser:
        given = frozenset(cast(m.ImportUsers, self._call.request).users[row.index])
        new = row.facts.password_hash
        return RepairUser(user_id, row.user, given, row.password is not None or (new is not None and new != hash))

    def _decided(self, row: ImportRow, history: History, hash: str | None) -> _Decided:
        decision = self._decide(row, history, hash)
        state = history.state
        if isinstance(decision, Refusal):
            return _Decided(row, state.user_id, self._refused(row, decision), (), decision)
        command = self._command(row, state.user_id, hash)
        stored = record(state, command, decision.events, row.facts, now=datetime.now(UTC), new_id=new_event_id)
        append = Append(
            stream=state.user_id,
            expected=state.version,
            events=stored.events,
            metadata={
                **self._call.metadata(),
                "commandId": self._id(row),
                histories.OPERATION: histories.BY_IMPORT,
            },
            at=stored.at,
            take=stored.take,
            release=stored.release,
            command_id=self._id(row) if self._call.repeatable else None,
            operation=histories.BY_IMPORT,
            effects=stored.effects,
            snapshot=stored.snapshot,
            logins=history.logins,
        )
        return _Decided(row, state.user_id, append, decision.kept)

    def _refused(self, row: ImportRow, refusal: Refusal) -> Append:
        """Keeps a refusal under the id of the row, where the message can be repeated: a repeat is refused alike."""
        command_id = self._id(row) if self._call.repeatable else None
        body = refusal.body() if self._call.repeatable else None
        now = datetime.now(UTC)
        return Append("", 0, (), {}, now, command_id=command_id, refusal=body, operation=histories.BY_IMPORT)

    def _id(self, row: ImportRow) -> str:
        return f"{self._call.command_id}/{row.index}/update"
