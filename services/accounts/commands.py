"""Runs commands, many at a time: read what they need, decide each, store all in one append, answer each."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from denizen import messages as m
from typeid import TypeID

from services.accounts import events
from services.accounts.decide import decide
from services.accounts.user import User, evolve
from services.database import DatabaseUnavailable
from services.endpoint.call import Call
from services.eventstore.event import Event, NewEvent
from services.eventstore.store import (
    Append,
    Appended,
    Claim,
    ClaimKind,
    ClaimTaken,
    EventStore,
    Outcome,
    OutcomeUnknown,
    Repeated,
    VersionConflict,
)
from services.refusal import Refusal

log = logging.getLogger(__name__)

_ROUNDS = 8
"""How often a command is decided again because another process changed its user first."""
_TAKEN: Mapping[ClaimKind, tuple[str, str]] = {
    "email": ("email_taken", "email"),
    "externalId": ("external_id_taken", "externalId"),
    "identity": ("identity_taken", "providerId"),
}


@dataclass(slots=True)
class Stream:
    """A user as far as the log and this batch have him.

    Attributes:
        position: of his newest stored event.
        pending: something of this batch is in it that is not stored yet.
    """

    user_id: str
    user: User | None
    position: int
    pending: bool = False

    @property
    def version(self) -> int:
        return self.user.version if self.user else 0

    @property
    def claims(self) -> frozenset[Claim]:
        return self.user.claims() if self.user else frozenset()

    def reply(self, position: int) -> bytes:
        """The body of the reply to a command (design section 3)."""
        assert self.user
        return orjson.dumps({"user": self.user.body(), "version": self.version, "position": position})


@dataclass(slots=True)
class Decided:
    """A command on its way into the log: what to store, and the user after it, or why it is refused."""

    call: Call
    append: Append
    after: Stream
    refusal: Refusal | None = None

    def answer(self, position: int) -> bytes | Refusal:
        return self.refusal or self.after.reply(position)


class Commands:
    """Decides and stores commands over an event store."""

    def __init__(
        self,
        store: EventStore,
        answer: Callable[[Call, bytes], Awaitable[None]],
        refuse: Callable[[Call, Refusal], Awaitable[None]],
        appended: Callable[[], Awaitable[None]],
    ) -> None:
        """`answer` and `refuse` send a reply; `appended` is told after each commit of events."""
        self._store = store
        self._answer = answer
        self._refuse = refuse
        self._appended = appended

    async def run(self, batch: list[Call]) -> None:
        """Answer each command of a batch, whatever happens."""
        waiting = dict.fromkeys(batch)
        try:
            for _ in range(_ROUNDS):
                await self._round(waiting)
                if not waiting:
                    return
            refusal = Refusal("overloaded", "the user is being changed by too many at once; nothing was done")
        except DatabaseUnavailable:
            refusal = Refusal("overloaded", "the log is out of reach; nothing was done, try again")
        except OutcomeUnknown:
            refusal = Refusal(
                "internal", "the log went out of reach; repeat with the same command id to learn the outcome"
            )
        except Exception as error:
            log.exception("commands_failed", extra={"error": type(error).__name__})
            refusal = Refusal("internal", "the command failed")
        for call in waiting:
            await self._refuse(call, refusal)

    async def _round(self, waiting: dict[Call, None]) -> None:
        """Try all once. Who is answered leaves `waiting`; copies, and who lost a race to another process, stay."""
        ids = {call.command_id for call in waiting if call.repeatable}
        outcomes = await self._store.outcomes(list(ids)) if ids else {}
        repeats = [call for call in waiting if call.repeatable and call.command_id in outcomes]
        await self._repeat([(call, outcomes[call.command_id]) for call in repeats], waiting)

        calls = _first_of_each_id(waiting)
        streams = await self._streams([c.request.user_id for c in calls if isinstance(c.request, m.UserRequest)])
        decided: list[Decided] = []
        for call in calls:
            decision = _decide(call, streams)
            if isinstance(decision, Refusal):
                await self._settle(call, decision, waiting)
            else:
                decided.append(decision)
        await self._store_all(decided, waiting)

    async def _store_all(self, decided: Sequence[Decided], waiting: dict[Call, None]) -> None:
        """Store what was decided, and answer; a claim that is somebody else's makes a refusal, which is kept too."""
        results = await self._store.append([each.append for each in decided]) if decided else []
        if any(isinstance(result, Appended) and result.position for result in results):
            await self._appended()
        kept: list[Decided] = []
        positions: dict[str, int] = {}
        for each, result in zip(decided, results, strict=True):
            match result:
                case Appended(position):
                    positions[each.append.stream] = position or positions.get(each.append.stream, each.after.position)
                    await self._settle(each.call, each.answer(positions[each.append.stream]), waiting)
                case ClaimTaken(kind):
                    code, field = _TAKEN[kind]
                    refusal = Refusal(code, f"another user has this {field}", field=field)
                    if each.call.repeatable:
                        kept.append(_refused(each.call, refusal, Stream("", None, 0)))
                    else:
                        await self._settle(each.call, refusal, waiting)
                case VersionConflict() | Repeated():
                    pass  # The next round sees what happened.
        if kept:
            await self._store_all(kept, waiting)

    async def _repeat(self, repeats: Sequence[tuple[Call, Outcome]], waiting: dict[Call, None]) -> None:
        """Answer as the first time: the reply is not kept, it is the user as he was at that version of the log."""
        users = [outcome.user_id for _, outcome in repeats if outcome.user_id is not None]
        stored = await self._store.load(users) if users else {}
        for call, outcome in repeats:
            if outcome.refusal is not None:
                await self._settle(call, Refusal.of(outcome.refusal), waiting)
            else:
                stream = _fold(outcome.user_id or "", stored.get(outcome.user_id or "", [])[: outcome.version])
                await self._settle(call, stream.reply(stream.position), waiting)

    async def _streams(self, user_ids: Sequence[str]) -> dict[str, Stream]:
        loaded = await self._store.load(list(set(user_ids))) if user_ids else {}
        return {user_id: _fold(user_id, loaded.get(user_id, [])) for user_id in user_ids}

    async def _settle(self, call: Call, answer: bytes | Refusal, waiting: dict[Call, None]) -> None:
        del waiting[call]
        if isinstance(answer, Refusal):
            await self._refuse(call, answer)
        else:
            await self._answer(call, answer)


def _first_of_each_id(waiting: Iterable[Call]) -> list[Call]:
    """Copies of one command wait for the first of them."""
    seen: set[str] = set()
    return [call for call in waiting if call.command_id not in seen and not seen.add(call.command_id)]


def _fold(user_id: str, stored: Sequence[Event]) -> Stream:
    user = None
    for event in stored:
        user = evolve(user, events.decode(event), user_id, event.recorded_at)
    return Stream(user_id, user, stored[-1].position if stored else 0)


def _decide(call: Call, streams: dict[str, Stream]) -> Decided | Refusal:
    """Decide one command on the users as this batch has left them so far; puts the user after it into `streams`.

    A refusal that depends on what is not stored yet, or is to be kept, goes through the store like a change.
    """
    try:
        call.check_deadline()
    except Refusal as refusal:
        return refusal
    user_id = call.request.user_id if isinstance(call.request, m.UserRequest) else str(TypeID("user"))
    before = streams.get(user_id, Stream(user_id, None, 0))
    decision = decide(before.user, call.request)
    if call.expected_version not in (None, before.version) and (before.user or not isinstance(decision, Refusal)):
        message = f"the user has version {before.version}"
        decision = Refusal("version_conflict", message, details=[{"version": before.version}])
    if isinstance(decision, Refusal):
        return _refused(call, decision, before) if call.repeatable or before.pending else decision
    at = datetime.now(UTC)
    if before.user:
        at = max(at, before.user.updated_at)  # Clocks differ between machines; a user's history never runs backwards.
    user, encoded = before.user, list[NewEvent]()
    for event in decision:
        user = evolve(user, event, user_id, at)
        encoded.append(events.encode(event, user_id, user.version, user.status))
    after = Stream(user_id, user, before.position, pending=before.pending or bool(encoded))
    streams[user_id] = after
    append = Append(
        stream=user_id,
        expected=before.version,
        events=encoded,
        metadata=call.metadata(),
        at=at,
        take=after.claims - before.claims,
        release=before.claims - after.claims,
        command_id=call.command_id if call.repeatable else None,
    )
    return Decided(call, append, after)


def _refused(call: Call, refusal: Refusal, on: Stream) -> Decided:
    """A refusal as an append: stored under its command id, so that a repeat is refused alike, if `on` is stored too."""
    command_id = call.command_id if call.repeatable else None
    body = refusal.body() if call.repeatable else None
    append = Append(on.user_id, on.version, (), {}, datetime.now(UTC), command_id=command_id, refusal=body)
    return Decided(call, append, on, refusal)
