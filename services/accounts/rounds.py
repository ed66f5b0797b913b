"""Runs commands, many at a time: read what they need, decide each, store all in one append, answer each."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from denizen import messages as m
from typeid import TypeID

from services.accounts.fingerprint import is_repeat, used
from services.accounts.pending import Answer, PendingCommand
from services.accounts.users import Users
from services.domain import refusals
from services.domain.commands import Command, OnUser
from services.domain.decide import decide, logins
from services.domain.events import AnyEvent
from services.domain.record import record
from services.domain.refusals import Refusal
from services.domain.sessions import ENDING_COMMANDS, ended_by_command
from services.domain.state import UserState
from services.domain.streams import logins_of
from services.endpoint.answering import answering
from services.eventstore.log.ids import new_event_id
from services.eventstore.log.store import Append, Appended, ClaimTaken, EventStore, Outcome, Repeated, VersionConflict
from services.platform.tasks import TaskSet

_ROUNDS = 8
"""How often a command is decided again because another process changed its user first."""
_ASIDE = 256
"""Commands that wait for the stream of one user to be folded."""
_NAMING = (m.UserRequest, OnUser)
"""Commands that name their user by the id."""
Waiting = dict[PendingCommand, None]
"""Commands that are not answered yet, in the order in which they came."""
Send = Callable[[PendingCommand, Answer], Awaitable[None]]
"""Sends the answer to a command, once everybody knows of the sessions that it ended. It must not raise."""


@dataclass(slots=True)
class Decided:
    """A command on its way into the log: what to store, and the user after it, or why it is refused."""

    task: PendingCommand
    append: Append
    after: UserState
    refusal: Refusal | None = None


class Rounds:
    """Decides and stores commands over an event store."""

    def __init__(self, store: EventStore, send: Send, appended: Callable[[bool], Awaitable[None]]) -> None:
        """`appended` is told after each commit of events, and whether there are mails among it."""
        self.users = Users(store)
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
        """Do the work, which answers commands, and answer those that it leaves."""

        async def refuse(refusal: Refusal) -> None:
            for task in waiting:
                await self._send(task, Answer(refusal))

        await answering(work, refuse)

    async def _rounds(self, waiting: Waiting, *, folded: bool = False) -> None:
        for _ in range(_ROUNDS):
            await self._round(waiting, folded)
            if not waiting:
                return
        raise Refusal("overloaded", "the user is being changed by too many at once; nothing was done")

    async def _round(self, waiting: Waiting, folded: bool) -> None:
        """Try all once. Who is answered leaves `waiting`; copies, and who lost a race to another process, stay.

        `folded`: the streams of their users were folded before, and are not set aside for that again.
        """
        ids = {task.call.key for task in waiting if task.call.repeatable}
        outcomes = await self._store.outcomes(list(ids)) if ids else {}
        repeats = [task for task in waiting if task.call.repeatable and task.call.key in outcomes]
        await self._repeat([(task, outcomes[task.call.key]) for task in repeats], waiting, folded)

        tasks = _first_of_each_id(waiting)
        streams = await self._streams([task.command for task in tasks])
        decided: list[Decided] = []
        for task in tasks:
            if isinstance(task.command, _NAMING) and task.command.user_id not in streams:
                await self._set_aside(task, task.command.user_id, waiting, folded)
                continue
            decision = _decide(task, streams)
            if isinstance(decision, Refusal):
                await self._settle(task, decision, waiting)
            else:
                decided.append(decision)
        await self._store_all(decided, waiting)

    async def _set_aside(self, task: PendingCommand, user_id: str, waiting: Waiting, folded: bool) -> None:
        """Answer a command once the long stream of its user is folded. The rest of the batch does not wait for that."""
        aside = self._aside.setdefault(user_id, {})
        if folded or len(aside) >= _ASIDE:
            await self._settle(task, Refusal("overloaded", "too many commands wait for this user, try again"), waiting)
            return
        del waiting[task]
        aside[task] = None
        if len(aside) == 1:
            self._folding.start(self._answering(aside, self._fold_first(user_id, aside)))

    async def _fold_first(self, user_id: str, waiting: Waiting) -> None:
        try:
            await self.users.fold(user_id)
        finally:
            del self._aside[user_id]
        await self._rounds(waiting, folded=True)

    async def _store_all(self, decided: Sequence[Decided], waiting: Waiting) -> None:
        """Store what was decided, and answer; a claim that is somebody else's makes a refusal, which is kept too."""
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
                    if each.task.call.repeatable:
                        kept.append(_refused(each.task, refusal, UserState("")))
                    else:
                        await self._settle(each.task, refusal, waiting)
                case Repeated() if each.task.repeat is not None:
                    copies.append((each.task, each.task.repeat))
                case VersionConflict() | Repeated():
                    pass  # The next round sees what happened.
        await self._tell(await self._placed(stored), waiting)
        if kept:
            await self._store_all(kept, waiting)
        for task, repeat in copies:
            first = await repeat()
            del waiting[task]
            await self._send(task, Answer(first.said, first.position))

    async def _placed(self, stored: Sequence[tuple[Decided, int, bool]]) -> Sequence[tuple[Decided, int, bool]]:
        """The same, but what added nothing for a front end or a user is at the head of the log.

        A client cannot compare opaque positions: each is to be behind those that were named before the command came.
        """
        if all(added or not each.task.call.is_opaque for each, _, added in stored):
            return stored
        head = await self._store.head()
        return [(each, head if each.task.call.is_opaque and not added else at, added) for each, at, added in stored]

    async def _tell(self, stored: Sequence[tuple[Decided, int, bool]], waiting: Waiting) -> None:
        """Answer what was stored, what ends sessions first. With each: the position to name, and were events added?"""
        ending = [each for each in stored if is_urgent(each[0].task)]
        for each, position, added in ending:
            await self._succeed(each, position, waiting, added=added)
        if ending:
            # One turn of the loop begins to tell the verifiers, one more has nats-py write it: before the answers of
            # this batch are made, the next batch is decided, and other services are woken.
            for _ in range(2):
                await asyncio.sleep(0)
        appends = [each.append for each, _, _ in stored]
        mails = any(append.effects and append.effects.mails for append in appends)
        if mails or any(append.events for append in appends):
            await self._appended(mails)
        for each, position, added in stored:
            if each.task in waiting:
                await self._succeed(each, position, waiting, added=added)

    async def _succeed(self, each: Decided, position: int, waiting: Waiting, *, added: bool) -> None:
        if each.refusal is not None:
            await self._settle(each.task, each.refusal, waiting)
        else:
            await self._reply(each.task, each.after, position, waiting, added=added)

    async def _repeat(self, repeats: Sequence[tuple[PendingCommand, Outcome]], waiting: Waiting, folded: bool) -> None:
        """Answer as the first time: the reply is not kept, it is the user as he was at that version of the log."""
        places = {(outcome.user_id, outcome.version or 0) for _, outcome in repeats if outcome.user_id is not None}
        found = await self.users.at(places) if places else {}
        for task, outcome in repeats:
            if not is_repeat(task.call, outcome):
                await self._settle(task, used(), waiting)
                continue
            if outcome.refusal is not None:
                await self._settle(task, Refusal.of(outcome.refusal), waiting)
                continue
            user_id = outcome.user_id or ""
            stream = found.get((user_id, outcome.version or 0))
            if stream is None:
                await self._set_aside(task, user_id, waiting, folded)
            elif stream.gone:
                # Its digest is gone, so this may be another request, which must learn nothing of the first.
                gone = Refusal("user_not_found", "the user was deleted", field="userId")
                await self._settle(task, used() if task.call.operation.kind == "public" else gone, waiting)
            else:
                added = outcome.position is not None
                at = await self._store.head() if task.call.is_opaque else outcome.position or stream.position
                first = replace(stream, logins=outcome.logins)
                await self._reply(task, first, at, waiting, added=added)

    async def _streams(self, commands: Iterable[Command]) -> dict[str, UserState]:
        """The users of commands; without those whose streams are to be folded first."""
        on_users = [command for command in commands if isinstance(command, _NAMING)]
        user_ids = {command.user_id for command in on_users}
        streams = await self.users.load(user_ids) if user_ids else {}
        sessions = {command.user_id for command in on_users if logins.is_about_sessions(command)} & streams.keys()
        tips = await self._store.tips([logins_of(user_id) for user_id in sessions]) if sessions else {}
        for user_id in sessions:
            streams[user_id].logins = tips.get(logins_of(user_id), 0)
        return streams

    async def _reply(
        self, task: PendingCommand, stream: UserState, position: int, waiting: Waiting, *, added: bool
    ) -> None:
        """`added`: the command added something to the stream of the user's logins, if it is about them."""
        ended = ended_by_command(task.command, stream.user_id, stream.version, stream.logins, added=added)
        del waiting[task]
        shown = task.call.shown(position)
        await self._send(task, Answer(task.reply(stream, shown), shown, ended))

    async def _settle(self, task: PendingCommand, refusal: Refusal, waiting: Waiting) -> None:
        del waiting[task]
        await self._send(task, Answer(refusal))


def is_urgent(task: PendingCommand) -> bool:
    """Whether it ends sessions: every verifier is told before anything else is done."""
    return type(task.command) in ENDING_COMMANDS


def _first_of_each_id(waiting: Iterable[PendingCommand]) -> list[PendingCommand]:
    """Copies of one command wait for the first of them."""
    seen: set[str] = set()
    return [task for task in waiting if task.call.key not in seen and not seen.add(task.call.key)]


def _decide(task: PendingCommand, streams: dict[str, UserState]) -> Decided | Refusal:
    """Decide one command on the users as this batch has left them so far; puts the user after it into `streams`.

    A refusal that depends on what is not stored yet, or is to be kept, goes through the store like a change.
    """
    try:
        task.call.check_deadline()
    except Refusal as refusal:
        return refusal
    command = task.command
    user_id = command.user_id if isinstance(command, _NAMING) else str(TypeID("user"))
    before = streams.get(user_id, UserState(user_id))
    about_sessions = logins.is_about_sessions(command)
    held = logins.held(before.user) if task.call.operation.kind == "self" and before.user else None
    decision: Sequence[AnyEvent] | Refusal
    if held is not None:
        decision, refused = held, None  # His token was looked up before the block was stored.
    elif about_sessions:
        decision, refused = logins.decide_session(before.user, command, task.facts)
    else:
        decision, refused = decide(before.user, command, task.facts), None
    expected = task.call.expected_version
    if expected not in (None, before.version) and (before.user or not isinstance(decision, Refusal)):
        message = f"the user has version {before.version}"
        decision = Refusal("version_conflict", message, details=[{"version": before.version}])
    if isinstance(decision, Refusal) or (refused is not None and not decision):
        refusal = decision if isinstance(decision, Refusal) else refused
        assert refusal
        return _refused(task, refusal, before) if task.call.repeatable or before.pending else refusal
    stored = record(before, command, decision, task.facts, now=datetime.now(UTC), new_id=new_event_id)
    streams[user_id] = stored.after
    append = Append(
        stream=logins_of(user_id) if about_sessions else user_id,
        expected=before.logins if about_sessions else before.version,
        events=stored.events,
        metadata=task.call.metadata(),
        at=stored.at,
        take=stored.take,
        release=stored.release,
        command_id=_kept_id(task, refused),
        operation=task.call.operation.name,
        digest=task.call.digest,
        refusal=refused.body() if refused and task.call.repeatable else None,
        requires=before.version if about_sessions else None,
        effects=stored.effects,
        snapshot=stored.snapshot,
        pending=before.pending,
    )
    return Decided(task, append, stored.after, refused)


def _kept_id(task: PendingCommand, refused: Refusal | None) -> str | None:
    """The id under which its outcome is kept.

    Of a login only where a session begins: what was recorded of it begins no other, also when that one has ended.
    """
    if task.call.repeatable:
        return task.call.key
    session = task.facts.session if refused is None else None
    return None if session is None else session.command_id


def _refused(task: PendingCommand, refusal: Refusal, on: UserState) -> Decided:
    """A refusal as an append: stored under its command id, so that a repeat is refused alike, if `on` is stored too."""
    command_id = task.call.key if task.call.repeatable else None
    body = refusal.body() if task.call.repeatable else None
    append = Append(
        stream=on.user_id,
        expected=on.version,
        events=(),
        metadata={},
        at=datetime.now(UTC),
        command_id=command_id,
        operation=task.call.operation.name,
        # Of the erased none is kept: it would hold what they are called.
        digest=None if on.user is None and on.version else task.call.digest,
        refusal=body,
        pending=on.pending,
    )
    return Decided(task, append, on, refusal)
