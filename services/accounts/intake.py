"""Takes requests over: prepares those that need it, beside each other, and queues all of them to be decided."""

import time
from functools import partial

from denizen import messages as m
from denizen.operations import Operation
from denizen.tokens import TokenClaims

from services.accounts.answers import Answers
from services.accounts.fingerprint import fingerprint, without_secrets
from services.accounts.guessing import recent_sign_in
from services.accounts.handlers import HANDLERS
from services.accounts.handlers.handler import HandlerRow, OwnAccount, Prepared
from services.accounts.pending import Answer, PendingCommand, Repeat
from services.accounts.tools import Tools
from services.domain import fields, refusals
from services.domain.refusals import Refusal
from services.domain.sessions import ENDING_COMMANDS
from services.endpoint.answering import answering
from services.endpoint.call import Call
from services.platform.batching import Batcher
from services.platform.tasks import TaskSet
from services.tokens.bearer import Bearers

_AT_ONCE = 1024
"""Requests that are prepared at a time; most of them wait for their turn to be hashed, in a queue that is shorter."""


class Intake:
    """Takes requests from the endpoint, prepares them, and queues the commands."""

    def __init__(self, tools: Tools, bearers: Bearers, decisions: Batcher[PendingCommand], answers: Answers) -> None:
        """`decisions` is the queue of commands that wait to be decided."""
        self._tools = tools
        self._bearers = bearers
        self._decisions = decisions
        self._answers = answers
        self._preparing = TaskSet(_AT_ONCE)

    def accept(self, call: Call) -> bool:
        """Take a request over; False where too many wait. Raises Refusal."""
        request = call.request
        fields.check(request)
        handler = HANDLERS[type(request)]
        if not handler.is_prepared(request):
            call.digest = without_secrets(self._tools.ring, call)
            return self._queue(PendingCommand(call, request))
        if handler.reserve is not None:
            handler.reserve(self._tools, request)
        elif self._preparing.full:
            return False
        self._preparing.start(answering(self._take(call), partial(self._refuse, call)))
        return True

    def full(self, operation: Operation, _: str, body: bytes) -> bool:
        """Whether a request need not be understood: in a flood of logins or registrations, most are refused."""
        full = HANDLERS[operation.request].full
        return full is not None and full(self._tools, body)

    async def drained(self) -> None:
        """Wait until all that was accepted is queued or answered."""
        await self._preparing.drained()

    async def _take(self, call: Call) -> None:
        """Prepare a request, and queue or answer it. Raises Refusal."""
        prepared = await self._prepare(call)
        if isinstance(prepared, Answer):
            await self._answers.at_once(call, prepared)
        elif not self._queue(prepared):
            raise refusals.too_many_requests()

    def _queue(self, pending: PendingCommand) -> bool:
        """Whether there is room for a command among those that wait to be decided; it is queued if so."""
        return self._decisions.put(pending, urgent=pending.is_urgent)

    async def _refuse(self, call: Call, refusal: Refusal) -> None:
        await self._answers.at_once(call, Answer(refusal))

    async def _prepare(self, call: Call) -> Prepared:
        handler = HANDLERS[type(call.request)]
        if handler.own is not None:
            return await self._prepare_own(call, handler.own)
        if handler.repeats == "outcome":
            call.digest = await fingerprint(self._tools, call)
            if repeat := await self._repeat(call, handler):
                return repeat
        return await self._prepared(call, handler)

    async def _prepare_own(self, call: Call, own: OwnAccount) -> Prepared:
        """Prepare a request of a signed-in user, as that of a back end which does the same for them."""
        claims = await self._bearers.identify(call.authorization)
        call.actor = claims.user_id
        asked, call.request = call.request, own.becomes(claims, call.request)
        handler = HANDLERS[type(call.request)]
        call.digest = await fingerprint(self._tools, call)
        if repeat := await self._repeat(call, handler):
            return repeat
        await self._admit(call, claims, own, asked)
        prepared = await self._prepared(call, handler)
        if call.compared is not None:
            await self._bearers.identify(call.authorization)  # The session may have ended while the password waited.
        return prepared

    async def _prepared(self, call: Call, handler: HandlerRow) -> Prepared:
        if handler.prepare is None:
            return PendingCommand(call, call.request)
        return await handler.prepare(self._tools, call, call.request)

    async def _admit(self, call: Call, claims: TokenClaims, own: OwnAccount, asked: m.Request) -> None:
        """A signed-in user makes a bounded number of changes, and proves who they are for some. Raises Refusal."""
        if own.lengthens and not await self._tools.rate_limits.change(claims.user_id):
            raise refusals.too_many_changes()
        if isinstance(asked, m.GuardedRequest):
            await recent_sign_in.prove(self._tools, call, claims, asked)

    async def _repeat(self, call: Call, handler: HandlerRow) -> PendingCommand | None:
        """The command of an id that ran before: nothing is compared or hashed again, it gets its first answer."""
        if not call.repeatable:
            return None
        outcome = (await self._tools.store.outcomes([call.key])).get(call.key)
        if outcome is None:
            return None
        if handler.counts_repeats and not await self._tools.rate_limits.code(f"command/{call.key}"):
            raise refusals.too_many_attempts()
        named = isinstance(call.request, m.UserRequest)
        # One that ended sessions has them told to the verifiers again.
        repeat = next((made for made in handler.makes if made in ENDING_COMMANDS), Repeat)
        discreet = handler.is_discreet(register_discreet=self._tools.settings.register_discreet)
        return PendingCommand(
            call,
            call.request if named else repeat(outcome.user_id or ""),
            reply=handler.discreet_reply if discreet else None,
            began=time.monotonic() if discreet else None,
            discreet=discreet,
        )
