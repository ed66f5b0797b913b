"""Runs commands, many at a time: read what they need, decide each, store all in one append, answer each."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from services.accounts.deciding import Decided, decide, losing
from services.accounts.handlers import handler_of
from services.accounts.pending import Answer, PendingCommand, named_user
from services.accounts.repeats import first_result
from services.accounts.users import UserReader
from services.domain import refusals
from services.domain.refusals import Refusal
from services.domain.sessions import ended_by_command
from services.domain.state import UserState
from services.domain.streams import logins_of
from services.endpoint.answering import answering
from services.eventstore.log.store import Appended, ClaimTaken, EventStore, Outcome, Repeated, StaleVersion
from services.platform.database import LOST, DatabaseUnavailable
from services.platform.tasks import TaskSet

_ROUNDS = 8
"""How often a command is decided again because another process changed its user first."""
_ASIDE = 256
"""Commands that wait for the stream of one user to be folded."""

Waiting = dict[PendingCommand, None]
"""Commands that are not answered yet, in the order in which they came."""
Send = Callable[[PendingCommand, Answer], Awaitable[None]]
"""Sends the answer to a command, once verifiers know of the sessions that it ended. It must not raise."""
Stored = Sequence[tuple[Decided, int, bool]]
"""What was stored, the position to name in each answer, and whether events were added."""


class Rounds:
    """Decides and stores commands over an event store."""

    def __init__(self, store: EventStore, send: Send, appended: Callable[[bool], Awaitable[None]]) -> None:
        """`appended` is called after each commit of events, and told whether mails were stored with them."""
        self.users = UserReader(store)
        self._store = store
        self._send = send
        self._appended = appended
        self._aside: dict[str, Waiting] = {}
        self._folding = TaskSet()

    async def run(self, batch: list[PendingCommand]) -> None:
        """Answer each command of a batch, whatever happens; a few of them only when `drained` returns."""
        waiting = dict.fromkeys(batch)
        await self._answering(waiting, self._rounds(waiting))

    async def drained(self) -> None:
        """Wait until every command is answered."""
        await self._folding.drained()

    async def _answering(self, waiting: Waiting, work: Awaitable[None]) -> None:
        """Do work that answers commands, and refuse those that it leaves."""

        async def refuse(refusal: Refusal) -> None:
            for pending in waiting:
                await self._send(pending, Answer(refusal))

        await answering(work, refuse)

    async def _rounds(self, waiting: Waiting, *, folded: bool = False) -> None:
        for _ in range(_ROUNDS):
            await self._round(waiting, folded)
            if not waiting:
                return
        raise refusals.user_changed_by_too_many()

    async def _round(self, waiting: Waiting, folded: bool) -> None:
        """Try all once. Answered commands leave `waiting`; copies, and those that lost a race to a process, stay.

        `folded`: the streams of their users were folded before, and are not set aside for that again.
        """
        ids = {pending.call.key for pending in waiting if pending.call.repeatable}
        outcomes = await self._store.outcomes(list(ids)) if ids else {}
        repeats = [pending for pending in waiting if pending.call.repeatable and pending.call.key in outcomes]
        if repeats:
            await self._repeat([(pending, outcomes[pending.call.key]) for pending in repeats], waiting, folded)

        commands = _first_of_each_id(waiting)
        streams = await self._streams(commands)
        decided: list[Decided] = []
        for pending in commands:
            user_id = named_user(pending.command)
            if user_id is not None and user_id not in streams:
                await self._set_aside(pending, user_id, waiting, folded)
                continue
            decision = decide(pending, streams)
            if isinstance(decision, Refusal):
                await self._refuse(pending, decision, waiting)
            else:
                decided.append(decision)
        await self._store_all(decided, waiting)

    async def _streams(self, commands: Iterable[PendingCommand]) -> dict[str, UserState]:
        """The users of commands; without those whose streams are to be folded first."""
        on_users = [(user_id, each) for each in commands if (user_id := named_user(each.command)) is not None]
        if not on_users:
            return {}
        streams = await self.users.load({user_id for user_id, _ in on_users})
        sessions = {user_id for user_id, each in on_users if handler_of(each).stream == "logins"} & streams.keys()
        tips = await self._store.tips([logins_of(user_id) for user_id in sessions]) if sessions else {}
        for user_id in sessions:
            streams[user_id].logins = tips.get(logins_of(user_id), 0)
        return streams

    async def _set_aside(self, pending: PendingCommand, user_id: str, waiting: Waiting, folded: bool) -> None:
        """Answer a command once the long stream of its user is folded. The rest of the batch does not wait for that."""
        aside = self._aside.setdefault(user_id, {})
        if folded or len(aside) >= _ASIDE:
            refusal = refusals.too_many_commands()
            await self._refuse(pending, refusal, waiting)
            return
        del waiting[pending]
        aside[pending] = None
        if len(aside) == 1:
            self._folding.start(self._answering(aside, self._fold_first(user_id, aside)))

    async def _fold_first(self, user_id: str, waiting: Waiting) -> None:
        try:
            await self.users.fold(user_id)
        finally:
            del self._aside[user_id]
        await self._rounds(waiting, folded=True)

    async def _store_all(self, decided: Sequence[Decided], waiting: Waiting) -> None:
        """Store what was decided, and answer. A claim that another user holds makes a refusal, which is kept too."""
        results = await self._store.append([each.append for each in decided]) if decided else []
        stored: list[tuple[Decided, int, bool]] = []
        kept: list[Decided] = []
        copies: list[tuple[PendingCommand, Callable[[], Awaitable[Answer]]]] = []
        positions: dict[str, int] = {}
        for each, result in zip(decided, results, strict=True):
            match result:
                case Appended(position):
                    stream = each.append.stream
                    positions[stream] = position or positions.get(stream, each.after.position)
                    stored.append((each, positions[stream], position > 0))
                case ClaimTaken(kind):
                    refusal = refusals.taken(kind)
                    if each.pending.call.repeatable:
                        kept.append(losing(each, kind, refusal))
                    else:
                        await self._refuse(each.pending, refusal, waiting)
                case Repeated() if each.pending.repeat is not None:
                    copies.append((each.pending, each.pending.repeat))
                case StaleVersion() | Repeated():
                    pass  # The next round sees what happened.
        await self._answer_stored(await self._placed(stored, waiting), waiting)
        if kept:
            await self._store_all(kept, waiting)
        for pending, repeat in copies:
            first = await repeat()
            del waiting[pending]
            await self._send(pending, Answer(first.said, first.position))

    async def _placed(self, stored: Stored, waiting: Waiting) -> Stored:
        """The same, but where nothing was added for a front end or a user, its position is the head of the log.

        A client cannot compare opaque positions: each is to be behind those that were named before the command came.
        Where the head cannot be read, these commands are refused as of unknown outcome, for they are stored.
        """
        if all(added or not each.pending.call.is_opaque for each, _, added in stored):
            return stored
        head = await self._head()
        placed: list[tuple[Decided, int, bool]] = []
        for each, at, added in stored:
            if added or not each.pending.call.is_opaque:
                placed.append((each, at, added))
            elif head is None:
                await self._refuse(each.pending, refusals.outcome_unknown(), waiting)
            else:
                placed.append((each, head, added))
        return placed

    async def _head(self) -> int | None:
        """The position of the newest event; None where the log went out of reach after commands were stored."""
        try:
            return await self._store.head()
        except (DatabaseUnavailable, *LOST):
            return None

    async def _answer_stored(self, stored: Stored, waiting: Waiting) -> None:
        """Answer what was stored, and before all else what ends sessions."""
        urgent = [each for each in stored if each[0].pending.is_urgent]
        for each, position, added in urgent:
            await self._answer(each, position, waiting, added=added)
        if urgent:
            # One turn of the loop begins to tell the verifiers, one more has nats-py write it: before the answers of
            # this batch are made, the next batch is decided, and other services are woken.
            for _ in range(2):
                await asyncio.sleep(0)
        appends = [each.append for each, _, _ in stored]
        mails = any(append.effects and append.effects.mails for append in appends)
        if mails or any(append.events for append in appends):
            await self._appended(mails)
        for each, position, added in stored:
            if each.pending in waiting:
                await self._answer(each, position, waiting, added=added)

    async def _answer(self, each: Decided, position: int, waiting: Waiting, *, added: bool) -> None:
        if each.refusal is not None:
            await self._refuse(each.pending, each.refusal, waiting)
        else:
            await self._reply(each.pending, each.after, position, waiting, added=added)

    async def _repeat(self, repeats: Sequence[tuple[PendingCommand, Outcome]], waiting: Waiting, folded: bool) -> None:
        """Answer as the first time: the reply is made of the user at that version of the log."""
        places = {(outcome.user_id, outcome.version or 0) for _, outcome in repeats if outcome.user_id is not None}
        found = await self.users.at(places) if places else {}
        for pending, outcome in repeats:
            user_id = outcome.user_id or ""
            first = first_result(pending.call, outcome, found.get((user_id, outcome.version or 0)))
            if first is None:
                await self._set_aside(pending, user_id, waiting, folded)
            elif isinstance(first, Refusal):
                await self._refuse(pending, first, waiting)
            else:
                at = await self._head() if pending.call.is_opaque else outcome.position or first.position
                if at is None:
                    await self._refuse(pending, refusals.outcome_unknown(), waiting)
                else:
                    await self._reply(pending, first, at, waiting, added=outcome.position is not None)

    async def _reply(
        self, pending: PendingCommand, stream: UserState, position: int, waiting: Waiting, *, added: bool
    ) -> None:
        """`added`: the command added something to the stream of the user's logins, if it is about them."""
        del waiting[pending]
        shown = pending.call.shown(position)
        ended = ended_by_command(pending.command, stream.user_id, stream.version, stream.logins, added=added)
        await self._send(pending, Answer(pending.replies(stream, shown), shown, ended))

    async def _refuse(self, pending: PendingCommand, refusal: Refusal, waiting: Waiting) -> None:
        del waiting[pending]
        await self._send(pending, Answer(refusal))


def _first_of_each_id(waiting: Iterable[PendingCommand]) -> list[PendingCommand]:
    """Copies of one command wait for the first of them."""
    seen: set[str] = set()
    return [pending for pending in waiting if pending.call.key not in seen and not seen.add(pending.call.key)]
