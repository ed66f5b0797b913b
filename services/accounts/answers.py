"""Sends answers: after verifiers know of sessions that ended, and at a time that does not reveal an account."""

import asyncio
import math
import time

from denizen import headers as h

from services.accounts.handlers import handler_of
from services.accounts.pending import Answer, PendingCommand, accepted
from services.domain import refusals
from services.domain.refusals import Refusal
from services.domain.sessions import Ended
from services.endpoint.call import Call
from services.endpoint.server import RequestServer
from services.platform.tasks import TaskSet
from services.tokens.revocations import RevocationFailed, Revocations

FLOOR_SECONDS = 0.5
_FLOOR_HASHES = 3
"""Answers that must not tell by their time what was compared go out at multiples of the floor: as long as three of the
dearest hashes take that are accepted on this machine. A password that is not in NFC is hashed twice; and beside as many
busy processes as there are cores a hash takes more than twice as long."""


class Answers:
    """Sends answers over one connection, after it has stored revocations over another."""

    def __init__(self, server: RequestServer, revocations: Revocations, dearest: float) -> None:
        """`dearest`: seconds that the dearest accepted hash takes."""
        self._floor = max(FLOOR_SECONDS, _FLOOR_HASHES * dearest)
        self._server = server
        self._revocations = revocations
        self._late = TaskSet()

    async def __call__(self, pending: PendingCommand, answer: Answer) -> None:
        """Answer a command, later where it must be. Never raises."""
        if pending.discreet and pending.replies is accepted:
            conceals = handler_of(pending).conceals
            concealed = isinstance(answer.said, Refusal) and answer.said.code in conceals
            answer = Answer(b"{}" if concealed else answer.said)
        if answer.ended is not None:
            self._late.start(self._revoke_first(pending.call, answer, answer.ended))
        else:
            delayed = isinstance(answer.said, Refusal) or pending.discreet
            began = pending.call.compared if pending.began is None else pending.began
            await self._send(pending.call, answer, began if delayed else None)

    async def at_once(self, call: Call, answer: Answer) -> None:
        """Answer a request for which nothing is stored."""
        delayed = isinstance(answer.said, Refusal)
        await self._send(call, Answer(answer.said, answer.position), call.compared if delayed else None)

    async def drained(self) -> None:
        """Wait until every answer is sent."""
        await self._late.drained()

    async def _send(self, call: Call, answer: Answer, began: float | None) -> None:
        if began is None:
            await self._answer(call, answer)
        else:
            self._late.start(self._answer_at_floor(call, answer, began))

    async def _answer_at_floor(self, call: Call, answer: Answer, began: float) -> None:
        passed = time.monotonic() - began
        await asyncio.sleep(self._floor * math.ceil(passed / self._floor) - passed)
        await self._answer(call, answer)

    async def _revoke_first(self, call: Call, answer: Answer, ended: Ended) -> None:
        try:
            await self._revocations.put_ended(ended)
        except RevocationFailed:
            # It is in the log, and so the relay stores the revocation as soon as NATS lets it.
            answer = Answer(refusals.done_but_not_revoked())
        await self._answer(call, answer)

    async def _answer(self, call: Call, answer: Answer) -> None:
        if isinstance(answer.said, Refusal):
            await self._server.refuse_call(call, answer.said)
        else:
            headers = None if answer.position is None else {h.POSITION: str(answer.position)}
            await self._server.answer(call, answer.said, headers)
