"""Imports the rows of one message: into the log, or into the rehearsal of a dry run."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from denizen import messages as m

from services.domain import fields, refusals
from services.domain.claim_kinds import Claim, ClaimKind
from services.domain.commands import ImportUser
from services.domain.decide import lifecycle
from services.domain.record import record
from services.domain.refusals import Refusal
from services.domain.state import UserState
from services.domain.values import Json
from services.endpoint.call import Call
from services.eventstore.credentials.store import SecretStore
from services.eventstore.log.store import Append, Appended, ClaimTaken, EventStore
from services.eventstore.log.tails import Wanted
from services.platform.ids import new_event_id
from services.transfer.histories import BY_IMPORT, is_of_import
from services.transfer.pace import Pace
from services.transfer.rehearsal import Holders
from services.transfer.repairs import Repairs
from services.transfer.results import done, failed, forgotten
from services.transfer.validation import ImportRow

RowOutcome = str | Refusal
"""The id of the user that a row became, or why it became none."""

_UPDATES = 64
"""Rows of one append."""
_TAKEN = ("email_taken", "external_id_taken", "identity_taken")


class RowImport:
    """Imports the rows of a call. Methods raise Refusal where the message is to be sent again, DatabaseUnavailable and
    OutcomeUnknown.
    """

    def __init__(
        self,
        store: EventStore,
        holders: Holders,
        secrets: SecretStore,
        *,
        call: Call,
        pace: Pace,
        appended: Callable[[bool], Awaitable[None]],
    ) -> None:
        """`appended` is told after each commit."""
        self._store = store
        self._pace = pace
        self._holders = holders
        self._call = call
        self._metadata = call.metadata()
        self._prefix = f"{call.key}/"
        self._appended = appended
        self._repairs = Repairs(store, secrets, call, appended)

    async def earlier(self, wanted: Sequence[ImportRow]) -> dict[int, RowOutcome]:
        """The outcomes of rows that a repeated call imported before, by their index."""
        outcomes = await self._store.outcomes([self._key(row) for row in wanted])
        made_by = await self._made_by(wanted)
        said: dict[int, RowOutcome] = {}
        for row in wanted:
            outcome = outcomes.get(self._key(row))
            if outcome is not None and outcome.refusal is not None and is_of_import(outcome):
                said[row.index] = Refusal.of(outcome.refusal)
            elif made_by.get(row.user_id) == self._key(row):
                said[row.index] = row.user_id
        return said

    async def answer_again(self, wanted: Sequence[ImportRow], on_conflict: m.OnConflict) -> dict[int, Json]:
        """The result of each row of a chunk that is done, as far as it is still kept. No row is imported again."""
        said = await self.earlier(wanted)
        results: dict[int, Json] = await self._repairs.answers(wanted)
        left: list[ImportRow] = []
        for row in wanted:
            what = said.get(row.index)
            if row.index in results:
                continue
            if what is None:
                results[row.index] = forgotten(row.index)
            elif isinstance(what, Refusal) and on_conflict == "update":
                results[row.index] = failed(row.index, what)  # Or there would be the outcome of an update.
            else:
                left.append(row)
        return results | await self.run(left, on_conflict, said)

    async def run(
        self, wanted: Sequence[ImportRow], on_conflict: m.OnConflict, earlier: Mapping[int, RowOutcome] | None = None
    ) -> dict[int, Json]:
        """Import rows. Returns the result of each, by its index."""
        self._call.check_deadline()  # Here alone: later it would be refused as if nothing had been done.
        results: dict[int, Json] = {}
        said = dict(earlier or {})
        said |= await self._create([row for row in wanted if row.index not in said])
        conflicts: list[tuple[ImportRow, Refusal]] = []
        for row in wanted:
            what = said[row.index]
            if not isinstance(what, Refusal):
                results[row.index] = done(row.index, "created", what)
            elif on_conflict != "fail" and _is_conflict(what):
                conflicts.append((row, what))
            else:
                results[row.index] = failed(row.index, what)
        return results | await self._settle(conflicts, on_conflict) if conflicts else results

    async def _settle(
        self, conflicts: Sequence[tuple[ImportRow, Refusal]], on_conflict: m.OnConflict
    ) -> dict[int, Json]:
        """Skip or update the users that exist already."""
        results: dict[int, Json] = {}
        holders = await self._holders.holders([_email(row) for row, _ in conflicts])
        updates: list[tuple[ImportRow, str]] = []
        for row, said in conflicts:
            holder = holders.get(_email(row))
            # An id that is taken is a conflict like the others where the user with this address has it.
            if said.field == "id" and holder != row.user.id:
                results[row.index] = failed(row.index, said)
            elif on_conflict == "skip":
                results[row.index] = done(row.index, "skipped")
            elif holder is not None and (said.code == "email_taken" or said.field == "id"):
                updates.append((row, holder))
            else:
                results[row.index] = failed(row.index, said)
        for first in range(0, len(updates), _UPDATES):
            await self._pace.rest()
            results |= await self._repairs.run(updates[first : first + _UPDATES])
            self._pace.lose_count()
        return results

    # --- new users ----------------------------------------------------------------------------------------------

    async def _create(self, wanted: Sequence[ImportRow]) -> dict[int, RowOutcome]:
        """Append the users that rows become, as many at a time as the pace says."""
        said: dict[int, RowOutcome] = {}
        while len(said) < len(wanted):
            await self._pace.rest()
            said |= await self._create_some(wanted[len(said) : len(said) + self._pace.rows])
        return said

    async def _create_some(self, wanted: Sequence[ImportRow]) -> dict[int, RowOutcome]:
        at = datetime.now(UTC)
        appends = [self._append(row, at) for row in wanted]
        results = await self._store.append(appends)
        said: dict[int, RowOutcome] = {}
        lost: list[tuple[ImportRow, ClaimKind | None]] = []
        count = position = 0
        for row, append, result in zip(wanted, appends, results, strict=True):
            if isinstance(result, Appended):
                said[row.index] = row.user_id
                count += len(append.events)
                position = max(position, result.position)
            else:
                lost.append((row, result.kind if isinstance(result, ClaimTaken) else None))
        if said:
            self._pace.appended(count, position)
            await self._appended(False)
        return said | await self._explain(lost, at) if lost else said

    async def _explain(self, lost: Sequence[tuple[ImportRow, ClaimKind | None]], at: datetime) -> dict[int, RowOutcome]:
        """Find out why rows became no user: another user has the claim or the id.

        Or they did become one: another process imported the same message first.
        """
        asked = [row for row, _ in lost if self._call.repeatable or row.user.id is not None]
        made_by = await self._made_by(asked) if asked else {}
        said: dict[int, RowOutcome] = {}
        kept: list[Append] = []
        for row, kind in lost:
            if made_by.get(row.user_id) == self._key(row):
                said[row.index] = row.user_id
                continue
            said[row.index] = refusal = _refusal(None if row.user_id in made_by else kind)
            key, body = self._key(row), refusal.body()
            kept.append(Append("", 0, (), {}, at, command_id=key, refusal=body, operation=BY_IMPORT))
        if kept and self._call.repeatable:
            await self._store.append(kept)  # A repeat gets the same refusal, even if an address was freed meanwhile.
        return said

    def _append(self, row: ImportRow, now: datetime) -> Append:
        """A user who is new; the expected version, 0, holds that there was none of this id."""
        command, before = ImportUser(row.user, row.user_id), UserState(row.user_id)
        decision = lifecycle.import_user(command)
        assert not isinstance(decision, Refusal)
        stored = record(before, command, decision, row.facts, now=now, new_id=new_event_id)
        return Append(
            stream=row.user_id,
            expected=0,
            events=stored.events,
            metadata={**self._metadata, "commandId": self._key(row)},
            at=stored.at,
            take=stored.take,
            effects=stored.effects,
            snapshot=stored.snapshot,
        )

    async def _made_by(self, wanted: Sequence[ImportRow]) -> dict[str, str]:
        """The command that created each user of a row who exists or existed."""
        tails = await self._store.load([Wanted(row.user_id, until=1) for row in wanted])
        return {tail.stream: tail.events[0].metadata["commandId"] for tail in tails if tail.events}

    def _key(self, row: ImportRow) -> str:
        return f"{self._prefix}{row.index}"


def passing(refusal: Refusal, call: Call) -> Refusal:
    """The answer to the whole message where the outcome of a row is unknown, or nothing was done."""
    if refusal.code == "internal" and call.repeatable:
        # Some rows may be stored. Sent again, the message gets the answers that it would have got.
        return refusals.import_interrupted()
    return refusal


def _is_conflict(said: RowOutcome) -> bool:
    return isinstance(said, Refusal) and (said.code in _TAKEN or said.field == "id")


def _refusal(taken: ClaimKind | None) -> Refusal:
    """Another user has a claim of this kind; None: another user has or had the id."""
    if taken is None:
        return refusals.id_taken()
    return refusals.taken(taken)


def _email(row: ImportRow) -> Claim:
    return ("email", fields.email_key(row.user.email))
