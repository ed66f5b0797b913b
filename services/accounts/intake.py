"""Takes requests over: those with secrets are prepared, many at a time, and all of them are queued to be decided."""

import re
from collections.abc import Callable

from denizen import messages as m
from denizen.operations import Operation
from denizen.tokens import TokenClaims

from services.accounts import preparation, signing_in
from services.accounts.answers import Answers
from services.accounts.fingerprint import fingerprint, without_secrets
from services.accounts.guessing import recent_sign_in
from services.accounts.guessing.rate_limits import network
from services.accounts.own_account import TRANSLATE
from services.accounts.pending import Answer, PendingCommand
from services.accounts.tools import Tools
from services.domain import fields
from services.domain.refusals import Refusal
from services.endpoint.answering import answering
from services.endpoint.call import Call
from services.platform.tasks import TaskSet
from services.tokens.bearer import Bearers

_AT_ONCE = 1024
"""Requests that are prepared at a time; most of them wait for their turn to be hashed, in a queue that is shorter."""


class Intake:
    """What stands between the door and the queue of commands."""

    def __init__(
        self, tools: Tools, bearers: Bearers, queue: Callable[[PendingCommand], bool], answers: Answers
    ) -> None:
        """`queue` says False where it is full."""
        self._tools = tools
        self._bearers = bearers
        self._queue = queue
        self._answers = answers
        self._preparing = TaskSet(_AT_ONCE)

    def accept(self, call: Call) -> bool:
        """Take a request over; False where too many wait. Raises Refusal."""
        fields.check(call.request)
        kind = type(call.request)
        if kind not in _PREPARED or (
            isinstance(call.request, m.CreateUser) and not preparation.has_secret(call.request)
        ):
            call.digest = without_secrets(self._tools.ring, call)
            return self._queue(PendingCommand(call, call.request))
        if isinstance(call.request, m.Authenticate):
            self._tools.guesses.reserve(network(call.request.ip))
        elif self._preparing.full:
            return False
        self._preparing.start(self._take(call))
        return True

    def full(self, operation: Operation, body: bytes) -> bool:
        """Whether a request need not be understood: in a flood of logins or registrations, most are refused."""
        if operation.request is m.Authenticate:
            return self._tools.guesses.full(_network(body))
        return operation.request is m.Register and self._tools.pool.full("new password")

    async def drained(self) -> None:
        """Wait until all that was accepted is queued or answered."""
        await self._preparing.drained()

    async def _take(self, call: Call) -> None:
        """Prepare one, and queue or answer it, whatever happens."""

        async def refuse(refusal: Refusal) -> None:
            await self._answers.instant(call, Answer(refusal))

        await answering(self._hand_on(call), refuse)

    async def _hand_on(self, call: Call) -> None:
        prepared = await self._prepare(call)
        if isinstance(prepared, Answer):
            await self._answers.instant(call, prepared)
        elif not self._queue(prepared):
            raise Refusal("overloaded", "too many requests are waiting; nothing was done, try again")

    async def _admit_change(self, call: Call, claims: TokenClaims, asked: m.Request) -> None:
        """A signed-in user makes a bounded number of changes, and proves who they are for some. Raises Refusal."""
        if isinstance(call.request, _CHANGES) and not await self._tools.rate_limits.change(claims.user_id):
            raise Refusal("too_many_attempts", "you make too many changes; wait a little and try again")
        if isinstance(asked, m.GuardedRequest):
            await recent_sign_in.prove(self._tools, call, claims, asked)

    async def _prepare(self, call: Call) -> PendingCommand | Answer:
        asked, claims = call.request, None
        if call.operation.kind == "self":
            claims = await self._bearers.identify(call.authorization)
            call.actor = claims.user_id
            if translate := TRANSLATE.get(type(call.request)):
                call.request = translate(claims, call.request)
        if isinstance(call.request, m.Authenticate):
            return await signing_in.authenticate(self._tools, call, call.request)
        call.digest = await fingerprint(self._tools, call)
        if isinstance(call.request, m.RefreshSession):
            return await signing_in.refresh_session(self._tools, call, call.request)
        if repeated := await preparation.repeated(self._tools, call):
            return repeated
        if claims is not None:
            await self._admit_change(call, claims, asked)
        prepare = preparation.PREPARE.get(type(call.request))
        prepared = await prepare(self._tools, call, call.request) if prepare else PendingCommand(call, call.request)
        if isinstance(asked, _SLOW):
            await self._bearers.identify(call.authorization)
        return prepared


_IP = re.compile(rb'"ip"\s*:\s*"([0-9A-Fa-f:.]{2,45})"')


def _network(body: bytes) -> str:
    """The network that the body of an Authenticate comes from, without parsing the rest.

    No text inside another string looks like this: its quotation marks would have backslashes.
    """
    try:
        return network(found[1].decode()) if (found := _IP.search(body)) else ""
    except ValueError:
        return ""


_CHANGES = (m.UpdateUser, m.ChangeMyEmail, m.ChangePassword, m.LinkIdentity, m.UnlinkIdentity)
"""What makes the stream of a signed-in user longer, as often as they like."""
_SLOW = (m.ChangeMyEmail, m.ChangeMyPassword, m.GuardedRequest)
"""A session may end while a password of its user waits for its turn."""
_PREPARED = {*preparation.PREPARE, *TRANSLATE, m.Authenticate, m.RefreshSession}
