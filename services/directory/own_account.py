"""Queries of a signed-in user on their own account: the access token alone says who they are."""

from collections.abc import Callable

from denizen import messages as m
from denizen.tokens import TokenClaims

from services.directory.sessions import SessionQueries
from services.domain import refusals
from services.endpoint.call import Call
from services.endpoint.opaque_positions import Positions
from services.endpoint.server import RequestServer
from services.tokens.bearer import Bearers


class OwnAccountQueries:
    """Identifies the user, and has the query of a back end that asks for the same answered for them."""

    def __init__(
        self, server: RequestServer, bearers: Bearers, sessions: SessionQueries, route: Callable[[Call], bool]
    ) -> None:
        """`route` takes over a query on a user. It returns False where its queue is full, and may raise Refusal."""
        self._server = server
        self._bearers = bearers
        self._sessions = sessions
        self._route = route

    async def answer(self, call: Call) -> None:
        """Answer a query, or hand it on. Raises Refusal and DatabaseUnavailable."""
        claims = await self._bearers.identify(call.authorization)
        if isinstance(call.request, m.ListMySessions):
            await self._server.answer(call, await self._sessions.list(claims.user_id, claims.session_id))
            return
        call.request = _of_user(call.request, claims, self._server.positions)
        call.known = True  # The session lives.
        if not self._route(call):
            raise refusals.too_many_requests()


def _of_user(request: m.Request, claims: TokenClaims, positions: Positions) -> m.Request:
    """The query of a back end that asks for the same of the token's user."""
    match request:
        case m.GetMyLoginHistory():
            cursor = None if request.cursor is None else str(positions.opened(request.cursor, "cursor"))
            return m.GetLoginHistory(user_id=claims.user_id, count=request.count, cursor=cursor)
        case m.ListMyIdentities():
            return m.ListIdentities(user_id=claims.user_id)
        case _:
            return m.GetUser(user_id=claims.user_id)
