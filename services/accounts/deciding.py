"""Decides one command: on its user as the batch has left them so far, and to what is stored of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.accounts.handlers import handler_of
from services.accounts.handlers.handler import HandlerRow
from services.accounts.pending import PendingCommand, Repeat, named_user
from services.domain import refusals
from services.domain.claim_kinds import ClaimKind
from services.domain.decide import logins
from services.domain.decide.logins import Verdict
from services.domain.events import AnyEvent
from services.domain.record import record
from services.domain.refusals import Refusal
from services.domain.state import UserState
from services.domain.streams import logins_of
from services.domain.user import UserAggregate
from services.eventstore.log.store import Append
from services.platform.ids import new_event_id, new_user_id


@dataclass(slots=True)
class Decided:
    """A command on its way into the log: what to store, and the user after it, or why it is refused."""

    pending: PendingCommand
    append: Append
    after: UserState
    refusal: Refusal | None = None


def decide(pending: PendingCommand, streams: dict[str, UserState]) -> Decided | Refusal:
    """Decide one command, and put the user after it into `streams`.

    A refusal that depends on what is not stored yet, or is to be kept, goes through the store like a change.
    """
    call = pending.call
    try:
        call.check_deadline()
    except Refusal as refusal:
        return refusal
    handler = handler_of(pending)
    user_id = named_user(pending.command) or new_user_id()
    before = streams.get(user_id) or UserState(user_id)
    decision, refused = _decision(pending, handler, before.user)
    expected = call.expected_version
    if expected not in (None, before.version) and (before.user or not isinstance(decision, Refusal)):
        decision = refusals.version_conflict(before.version)
    if isinstance(decision, Refusal) or (refused is not None and not decision):
        refusal = decision if isinstance(decision, Refusal) else refused
        assert refusal
        return refusing(pending, refusal, before) if call.repeatable or before.pending else refusal
    stored = record(before, pending.command, decision, pending.facts, now=datetime.now(UTC), new_id=new_event_id)
    streams[user_id] = stored.after
    of_logins = handler.stream == "logins"
    append = Append(
        stream=logins_of(user_id) if of_logins else user_id,
        expected=before.logins if of_logins else before.version,
        events=stored.events,
        metadata=call.metadata(),
        at=stored.at,
        take=stored.take,
        release=stored.release,
        command_id=_kept_id(pending, refused),
        operation=call.operation.name,
        digest=call.digest,
        refusal=refused.body() if refused and call.repeatable else None,
        requires=before.version if of_logins else None,
        effects=stored.effects,
        snapshot=stored.snapshot,
        pending=before.pending,
    )
    return Decided(pending, append, stored.after, refused)


def refusing(pending: PendingCommand, refusal: Refusal, on: UserState) -> Decided:
    """A refusal as an append: kept under the command id, so that a repeat is refused alike; stored if `on` is."""
    repeatable = pending.call.repeatable
    append = Append(
        stream=on.user_id,
        expected=on.version,
        events=(),
        metadata={},
        at=datetime.now(UTC),
        command_id=pending.call.key if repeatable else None,
        operation=pending.call.operation.name,
        # Of an erased user none is kept: their address could be guessed from it.
        digest=None if on.user is None and on.version else pending.call.digest,
        refusal=refusal.body() if repeatable else None,
        pending=on.pending,
    )
    return Decided(pending, append, on, refusal)


def losing(decided: Decided, kind: ClaimKind, refusal: Refusal) -> Decided:
    """The refusal of a command that lost a claim; its digest is erased with the user that it named, else the holder."""
    refused = refusing(decided.pending, refusal, UserState(""))
    lost = next(claim for claim in decided.append.take if claim[0] == kind)
    refused.append.about = named_user(decided.pending.command) or lost
    return refused


def _decision(
    pending: PendingCommand, handler: HandlerRow, user: UserAggregate | None
) -> tuple[Sequence[AnyEvent] | Refusal, Refusal | None]:
    """The events or the refusal; and the refusal of a sign-in whose failure is recorded."""
    if pending.call.operation.kind == "self" and user and (held := logins.held(user)):
        return held, None  # The access token was checked before the block was stored.
    if isinstance(pending.command, Repeat):
        return refusals.outcome_expired(), None
    if user is None and handler.missing is not None:
        return handler.missing(), None
    assert handler.decide is not None
    decision = handler.decide(user, pending.command, pending.facts)
    return decision if isinstance(decision, Verdict) else (decision, None)


def _kept_id(pending: PendingCommand, refused: Refusal | None) -> str | None:
    """The id under which the outcome is kept.

    Of a login only where a session begins: what was recorded of it begins no other, also when that one has ended.
    """
    if pending.call.repeatable:
        return pending.call.key
    session = pending.facts.session if refused is None else None
    return None if session is None else session.command_id
