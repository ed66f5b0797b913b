"""Queries about tokens and the service's public keys, and those of whoever a token stands for."""

import asyncio
import logging
from collections.abc import Callable

import orjson
from denizen import messages as m

from services.domain.refusals import Refusal
from services.endpoint.call import Call
from services.endpoint.server import Server
from services.platform.database import LOST, Database, DatabaseUnavailable
from services.platform.settings import Settings
from services.tokens.bearer import Bearers
from services.tokens.keys import ServerKeys

log = logging.getLogger(__name__)

_AT_ONCE = 1024


class TokenQueries:
    """Answers VerifyToken, GetJwks, GetSealingKey; hands on what a user asks about himself."""

    def __init__(
        self,
        settings: Settings,
        server: Server,
        hand_on: Callable[[Call], bool],
    ) -> None:
        """`hand_on` takes over a query about a user; it says False where its queue is full, and may raise Refusal."""
        self._sessions = Database(settings, "directory sessions")
        self._published = Database(settings, "directory keys")
        self._keys = ServerKeys(self._published, settings)
        self._bearers = Bearers(self._sessions, self._keys, settings)
        self._server = server
        self._hand_on = hand_on
        self._running: set[asyncio.Task[None]] = set()

    def accept(self, call: Call) -> bool:
        """Take a query over; False where too many are under way."""
        if call.operation.kind != "self" and type(call.request) not in _QUERIES:
            return self._hand_on(call)
        if len(self._running) >= _AT_ONCE:
            return False
        running = asyncio.create_task(self._take(call))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return True

    async def drained(self) -> None:
        """Wait until all that was accepted is answered or handed on."""
        while self._running:
            await asyncio.wait(self._running)

    async def close(self) -> None:
        await self._sessions.close()
        await self._published.close()

    async def _take(self, call: Call) -> None:
        """Answer one, whatever happens."""
        try:
            if call.operation.kind == "self":
                await self._about_oneself(call)
            else:
                await self._server.answer(call, await self._body(call.request))
            return
        except Refusal as error:
            refusal = error
        except (DatabaseUnavailable, *LOST):
            refusal = Refusal("overloaded", "the database is out of reach, try again")
        except Exception as error:
            log.exception("token_query_failed", extra={"error": type(error).__name__})
            refusal = Refusal("internal", "the query failed")
        await self._server.refuse_call(call, refusal)

    async def _about_oneself(self, call: Call) -> None:
        claims = await self._bearers.identify(call.authorization)
        user_id = claims.user_id
        call.known = True  # The session lives.
        if isinstance(call.request, m.GetMyLoginHistory):
            cursor = call.request.cursor
            if cursor is not None:
                cursor = str(self._server.positions.opened(cursor, "cursor"))
            call.request = m.GetLoginHistory(user_id=user_id, count=call.request.count, cursor=cursor)
        elif isinstance(call.request, m.ListMyIdentities):
            call.request = m.ListIdentities(user_id=user_id)
        else:
            call.request = m.GetUser(user_id=user_id)
        if not self._hand_on(call):
            raise Refusal("overloaded", "too many requests are waiting; nothing was done, try again")

    async def _body(self, request: m.Request) -> bytes:
        if isinstance(request, m.VerifyToken):
            claims = await self._bearers.check(request.token.get_secret_value())
            expires_at = claims.expires_at.isoformat().replace("+00:00", "Z")
            return orjson.dumps({"userId": claims.user_id, "sessionId": claims.session_id, "expiresAt": expires_at})
        found = await (self._keys.jwks() if isinstance(request, m.GetJwks) else self._keys.sealing_public())
        return found.model_dump_json(by_alias=True).encode()


_QUERIES = (m.VerifyToken, m.GetJwks, m.GetSealingKey)
