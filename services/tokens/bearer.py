"""Identifies the user of an access token, and asks PostgreSQL whether the session is alive."""

from denizen.tokens import TokenClaims

from services.domain import refusals
from services.platform import sql
from services.platform.database import Database
from services.platform.settings import Settings
from services.tokens import access
from services.tokens.keys import ServerKeys

_SCHEME = "bearer "


def bearer_token(authorization: str | None) -> str | None:
    """The token of a header Authorization; None where there is none."""
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    return authorization[len(_SCHEME) :].strip()


class Bearers:
    """Checks access tokens. Methods raise Refusal and DatabaseUnavailable."""

    def __init__(self, database: Database, keys: ServerKeys, settings: Settings) -> None:
        self._database = database
        self._keys = keys
        self._settings = settings

    async def identify(self, authorization: str | None) -> TokenClaims:
        """By the header `Authorization: Bearer <access token>` (RFC 6750)."""
        if authorization is None:
            raise refusals.no_token()
        token = bearer_token(authorization)
        if token is None:
            raise refusals.no_bearer_token()
        return await self.check(token)

    async def check(self, token: str) -> TokenClaims:
        """The claims of a valid token whose session has not ended."""
        claims = await access.verify(token, self._keys, self._settings)
        parameters = [claims.session_id, claims.user_id]
        if not await self._database.fetch(sql.load("services.tokens", "session_alive"), parameters):
            raise refusals.session_ended()
        return claims
