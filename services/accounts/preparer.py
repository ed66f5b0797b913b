"""Takes requests over: those with secrets are prepared, many at a time, and all of them are queued to be decided."""

import asyncio
import logging
import re
from collections.abc import Callable

from denizen import messages as m
from denizen.operations import Operation
from denizen.tokens import TokenClaims

from services.accounts import limits, preparation, recent, signing_in
from services.accounts.answers import Answers
from services.accounts.fingerprint import fingerprint, without_secrets
from services.accounts.selves import TRANSLATE
from services.accounts.task import Instant, Task
from services.accounts.throttle import network
from services.accounts.tools import Tools
from services.domain.refusals import Refusal
from services.endpoint.call import Call
from services.platform.database import LOST, DatabaseUnavailable
from services.tokens.bearer import Bearers

log = logging.getLogger(__name__)

_AT_ONCE = 1024
"""Requests that are prepared at a time; most of them wait for their turn to be hashed, in a queue that is shorter."""


class Preparer:
    """What stands between the door and the queue of commands."""

    def __init__(self, tools: Tools, bearers: Bearers, queue: Callable[[Task], bool], answers: Answers) -> None:
        """`queue` says False where it is full."""
        self._tools = tools
        self._bearers = bearers
        self._queue = queue
        self._answers = answers
        self._running: set[asyncio.Task[None]] = set()

    def accept(self, call: Call) -> bool:
        """Take a request over; False where too many wait. Raises Refusal."""
        limits.check(call.request)
        kind = type(call.request)
        if kind not in _PREPARED or (
            isinstance(call.request, m.CreateUser) and not preparation.has_secret(call.request)
        ):
            call.digest = without_secrets(self._tools.ring, call)
            return self._queue(Task(call, call.request))
        if isinstance(call.request, m.Authenticate):
            self._tools.guesses.reserve(network(call.request.ip))
        elif len(self._running) >= _AT_ONCE:
            return False
        running = asyncio.create_task(self._take(call))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return True

    def full(self, operation: Operation, body: bytes) -> bool:
        """Whether a request need not be understood: in a flood of logins or registrations, most are refused."""
        if operation.request is m.Authenticate:
            return self._tools.guesses.full(_network(body))
        return operation.request is m.Register and self._tools.pool.full("new password")

    async def drained(self) -> None:
        """Wait until all that was accepted is queued or answered."""
        while self._running:
            await asyncio.wait(self._running)

    async def _take(self, call: Call) -> None:
        """Prepare one, and queue or answer it, whatever happens."""
        try:
            prepared = await self._prepare(call)
            if isinstance(prepared, Task) and not self._queue(prepared):
                raise Refusal("overloaded", "too many requests are waiting; nothing was done, try again")
        except Refusal as refusal:
            # Its traceback holds this frame, and this frame would hold it: a flood of them would fill the memory.
            prepared = Instant(refusal.with_traceback(None))
        except (DatabaseUnavailable, *LOST):
            prepared = Instant(Refusal("overloaded", "the log is out of reach; nothing was done, try again"))
        except Exception as error:
            log.exception("preparation_failed", extra={"error": type(error).__name__})
            prepared = Instant(Refusal("internal", "the request failed"))
        if isinstance(prepared, Instant):
            await self._answers.instant(call, prepared)

    async def _admit_change(self, call: Call, claims: TokenClaims, asked: m.Request) -> None:
        """A signed-in user makes a bounded number of changes, and proves who they are for some. Raises Refusal."""
        if isinstance(call.request, _CHANGES) and not await self._tools.throttle.change(claims.user_id):
            raise Refusal("too_many_attempts", "you make too many changes; wait a little and try again")
        if isinstance(asked, m.GuardedRequest):
            await recent.prove(self._tools, call, claims, asked)

    async def _prepare(self, call: Call) -> Task | Instant:
        asked, claims = call.request, None
        if call.operation.kind == "self":
            claims = await self._bearers.identify(call.authorization)
            call.actor = claims.user_id
            if translate := TRANSLATE.get(type(call.request)):
                translated = await translate(self._tools, call, claims, call.request)
                if isinstance(translated, Instant):
                    return translated
                call.request = translated
        if isinstance(call.request, m.Authenticate):
            return await signing_in.authenticate(self._tools, call, call.request)
        call.digest = await fingerprint(self._tools, call)
        if isinstance(call.request, m.RefreshSession):
            return await signing_in.refresh_session(self._tools, call, call.request)
        if isinstance(call.request, m.ListSessions):
            return Instant(await signing_in.list_sessions(self._tools, call.request.user_id))
        if repeated := await preparation.repeated(self._tools, call):
            return repeated
        if claims is not None:
            await self._admit_change(call, claims, asked)
        prepare = preparation.PREPARE.get(type(call.request))
        prepared = await prepare(self._tools, call, call.request) if prepare else Task(call, call.request)
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
_PREPARED = {*preparation.PREPARE, *TRANSLATE, m.Authenticate, m.RefreshSession, m.ListSessions}
