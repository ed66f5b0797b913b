"""Queries on sessions and access tokens, and the public keys that tokens and secrets are made for."""

from typing import assert_never, get_args

import orjson
from denizen import messages as m

from services.domain import refusals
from services.domain.values import rfc3339
from services.endpoint.answer_size import fitting, listed
from services.eventstore.credentials.rows import session_bound_to
from services.eventstore.keys.data_keys import KeyRing
from services.platform import sql
from services.platform.database import Database, ResultRow
from services.tokens.bearer import Bearers
from services.tokens.keys import ServerKeys

SessionQuery = m.VerifyToken | m.ListSessions | m.GetJwks | m.GetSealingKey
SESSION_QUERIES = frozenset(get_args(SessionQuery))
"""The queries that are answered here."""


class SessionQueries:
    """Answers queries on sessions and keys from the tables themselves: an ended session is gone from them at once.

    Methods raise Refusal and DatabaseUnavailable.
    """

    def __init__(self, database: Database, ring: KeyRing, keys: ServerKeys, bearers: Bearers) -> None:
        self._database = database
        self._ring = ring
        self._keys = keys
        self._bearers = bearers

    async def answer(self, request: SessionQuery) -> bytes:
        """The body of the reply."""
        match request:
            case m.VerifyToken():
                return await self._verify(request.token.get_secret_value())
            case m.ListSessions():
                return await self.list(request.user_id)
            case m.GetJwks():
                return (await self._keys.jwks()).model_dump_json(by_alias=True).encode()
            case m.GetSealingKey():
                return (await self._keys.sealing_public()).model_dump_json(by_alias=True).encode()
            case _:
                assert_never(request)

    async def _verify(self, token: str) -> bytes:
        claims = await self._bearers.check(token)
        expires_at = claims.expires_at.isoformat().replace("+00:00", "Z")
        return orjson.dumps({"userId": claims.user_id, "sessionId": claims.session_id, "expiresAt": expires_at})

    async def list(self, user_id: str, current: str | None = None) -> bytes:
        """The body of ListSessions: the newest sessions, as many as go into one answer; `current` is one's own."""
        rows = await self._database.fetch(sql.load("services.directory", "list_sessions"), [user_id])
        if not rows:
            raise refusals.user_not_found()
        shown = [orjson.dumps(self._shown(user_id, row, current)) for row in rows if row[0] is not None]
        return listed(fitting(shown))

    def _shown(self, user_id: str, row: ResultRow, current: str | None) -> dict[str, object]:
        session_id, created_at, refreshed_at, expires_at, private, epoch, wrapped = row
        opened = self._ring.unwrap(user_id, epoch, wrapped).decrypt(bytes(private), session_bound_to(session_id))
        return {
            "id": session_id,
            "createdAt": rfc3339(created_at),
            "refreshedAt": rfc3339(refreshed_at),
            "expiresAt": rfc3339(expires_at),
            **opened,
            "current": session_id == current,
        }
