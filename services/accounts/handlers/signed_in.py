"""The reply SignedIn: tokens of a session that began or was refreshed, the same again to a repeat."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson
from joserfc.jwk import OKPKey

from services.accounts.pending import Answer, Reply
from services.accounts.repeats import is_repeat
from services.accounts.tools import Tools
from services.domain import refusals
from services.domain.sessions import NewSession, place
from services.domain.state import UserState
from services.endpoint.call import Call
from services.eventstore.credentials.session import StoredSession
from services.tokens import access, refresh


async def reply_of(tools: Tools, session: NewSession) -> Reply:
    """Makes SignedIn of a session that begins, once its login is stored."""
    signed = _body(tools, await tools.keys.signing(), session, 0)
    return lambda stream, _: signed(stream, place(stream.version, stream.logins))


async def again(tools: Tools, call: Call, session: StoredSession | None) -> Answer:
    """The answer to a command whose id was there before: the tokens of the session that it began, if it is the same."""
    outcome = (await tools.store.outcomes([call.key])).get(call.key)
    if outcome is not None and not is_repeat(call, outcome):
        return Answer(refusals.command_id_used())
    if session is None:
        return Answer(refusals.sign_in_not_repeatable())
    began_at = outcome and outcome.position
    if call.is_opaque and began_at is not None:
        began_at = await tools.store.head()
    return await signed_in(tools, call, session, began_at)


async def signed_in(tools: Tools, call: Call, session: StoredSession, began_at: int | None = None) -> Answer:
    """New tokens of a session. `began_at`: a position that shows its login; a refresh changes nothing that is shown."""
    stream = await tools.user(session.user_id)
    if stream.user is None or stream.user.status != "ACTIVE":
        return Answer(refusals.refresh_token_invalid())
    issued_at = session.refreshed_at if is_in_grace(tools, session) else None
    signed = _body(tools, await tools.keys.signing(), session, session.generation, issued_at)
    if began_at is None and not call.is_opaque:
        began_at = stream.position
    return Answer(signed(stream, session.place), position=None if began_at is None else call.shown(began_at))


def life(tools: Tools) -> timedelta:
    """How long a session lives after its last refresh."""
    return timedelta(days=tools.settings.session_days)


def is_in_grace(tools: Tools, session: StoredSession) -> bool:
    """Whether the session was refreshed, or began, so lately that its newest tokens are given once more."""
    grace = tools.settings.refresh_grace_seconds
    return grace > 0 and datetime.now(UTC) - session.refreshed_at <= timedelta(seconds=grace)


def _body(
    tools: Tools, key: OKPKey, session: NewSession | StoredSession, generation: int, issued_at: datetime | None = None
) -> Callable[[UserState, int], bytes]:
    """Makes SignedIn, once the place is known at which the session began (services/domain/sessions.py).

    `issued_at`: when the access token was issued the first time; by default it is issued now.
    """

    def reply(stream: UserState, began: int) -> bytes:
        now = datetime.now(UTC)
        at = issued_at or now
        token = access.issue(
            key,
            tools.settings,
            user_id=stream.user_id,
            session_id=session.session_id,
            place=began,
            at=at,
        )
        return orjson.dumps(
            {
                "accessToken": token,
                "refreshToken": refresh.refresh_token(tools.ring, session.session_id, session.salt, generation),
                "expiresIn": tools.settings.access_token_seconds - int((now - at).total_seconds()),
                "sessionId": session.session_id,
                "user": stream.body(),
            }
        )

    return reply
