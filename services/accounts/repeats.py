"""Repeats: a command whose id was used before is answered as the first time, if it asks for the same."""

from dataclasses import replace

from denizen import messages as m

from services.domain import refusals
from services.domain.refusals import Refusal
from services.domain.state import UserState
from services.endpoint.call import Call
from services.eventstore.log.store import Outcome


def is_repeat(call: Call, outcome: Outcome) -> bool:
    """Whether a call asks for what the command with its id asked for: else the answer would be another command's."""
    if outcome.operation not in (None, call.operation.name):
        return False
    if outcome.digest is not None and call.digest is not None:
        return outcome.digest == call.digest
    # An outcome from before digests were kept.
    named = call.request.user_id if isinstance(call.request, m.UserRequest) else None
    return named is None or outcome.user_id is None or named == outcome.user_id


def first_result(call: Call, outcome: Outcome, then: UserState | None) -> UserState | Refusal | None:
    """The outcome of the first command: its refusal, or the user whom its reply showed. The reply itself is not kept.

    `then` is the user at the version of the outcome; None where that is to be folded first, and so is the result.
    """
    if not is_repeat(call, outcome):
        return refusals.command_id_used()
    if outcome.refusal is not None:
        return Refusal.of(outcome.refusal)
    if then is None:
        return None
    if then.gone:
        # Its digest is gone, so this may be another request, which must learn nothing of the first.
        gone = refusals.user_deleted()
        return refusals.command_id_used() if call.operation.kind == "public" else gone
    return replace(then, logins=outcome.logins)
