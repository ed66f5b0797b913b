"""The form of a handler row: all that accounts knows of one request, beside its operation in the contract."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from denizen import messages as m
from denizen.tokens import TokenClaims

from services.accounts.pending import Answer, PendingCommand, Reply
from services.accounts.tools import Tools
from services.domain import refusals
from services.domain.commands import OnUser
from services.domain.decide.logins import Verdict
from services.domain.decision import Decision
from services.domain.refusals import Refusal
from services.endpoint.call import Call

Prepared = PendingCommand | Answer
Prepare = Callable[[Tools, Call, Any], Awaitable[Prepared]]
"""Looks up, proves, hashes or draws what the decision needs. Raises Refusal and DatabaseUnavailable."""
Decide = Callable[[Any, Any, Any], Decision | Verdict]
"""A decision of services/domain: of the user, the command and its facts."""


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """How a request of a signed-in user on their own account is handled.

    Attributes:
        becomes: makes the command of a back end that does the same for the token's user; or leaves it as it is.
        lengthens: it adds to the user's stream as often as the user likes, so such requests are counted.
    """

    becomes: Callable[[TokenClaims, Any], m.Request]
    lengthens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerRow:
    """One request. Which sessions a command ends, and so whether it is urgent, says services/domain/sessions.py.

    Attributes:
        request: its class.
        decide: the decision; None where the request becomes another one, whose row has it.
        prepare: what is done before the decision; None where nothing is.
        prepare_where: of which requests that is needed; by default of all.
        makes: commands of ours that `prepare` makes of the request, where it is not decided as it is.
        missing: the refusal where the user does not exist; None where `decide` says it.
        stream: the stream that its events belong to: the user's own, or that of the user's logins.
        hides_timing: its reply, too, goes out at a multiple of the floor (answers.py), so that its time does not tell
            who has an account: always, or in the discreet setting.
        discreet_reply: what it is answered with there, where that is not what it is answered with elsewhere.
        conceals: the codes of refusals that look like its reply there: they would tell of another user.
        repeats: how a repeat is recognised: by the outcome that is kept under its command id, or by the session that it
            began or refreshed, which `prepare` looks for.
        counts_repeats: repeats are counted: one that is made up would else be a guess at the password of the first one
            that costs no hash.
        own: where a user asks for their own account.
        hot: it comes so often that nats-py serves it directly (RequestServer).
        full: whether it can be refused unread, by its body, because too many like it are waiting.
        reserve: takes a place for it among those that wait. Raises Refusal where there is none.
    """

    request: type[m.Request]
    decide: Decide | None = None
    prepare: Prepare | None = None
    prepare_where: Callable[[Any], bool] | None = None
    makes: Sequence[type[OnUser]] = ()
    missing: Callable[[], Refusal] | None = refusals.user_not_found
    stream: Literal["user", "logins"] = "user"
    hides_timing: Literal["always", "discreet"] | None = None
    discreet_reply: Reply | None = None
    conceals: Sequence[str] = ()
    repeats: Literal["outcome", "session"] = "outcome"
    counts_repeats: bool = False
    own: OwnAccount | None = None
    hot: bool = False
    full: Callable[[Tools, bytes], bool] | None = None
    reserve: Callable[[Tools, Any], None] | None = None

    def is_prepared(self, request: m.Request) -> bool:
        """Whether something must be done before a request is decided."""
        if self.prepare_where is not None:
            return self.prepare_where(request)
        return self.prepare is not None or self.own is not None

    def is_discreet(self, *, register_discreet: bool) -> bool:
        """Whether its reply hides its timing; `register_discreet` is the setting of that name."""
        return self.hides_timing == "always" or (register_discreet and self.hides_timing == "discreet")
