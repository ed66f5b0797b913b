"""Signing keys are rotated while callers name keys that do not exist: no good token is called bad."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
from denizen import AsyncTokenVerifier, StaleRead, TokenInvalid
from pydantic import SecretStr

from services.eventstore.keys import data_keys as keys
from services.platform.database import Database
from services.platform.settings import Settings
from services.tokens.keys import ServerKeys
from tests.support.backend import Json
from tests.support.people import Talk, sql, talking
from tests.support.servers import Denizen
from tests.support.tokens import Signer, user_id

pytestmark = pytest.mark.embedded


@pytest.fixture
async def server_keys(own_denizen: Denizen) -> AsyncIterator[ServerKeys]:
    """The keys as `denizen keys` has them."""
    home = Settings(home=own_denizen.home, database_url=SecretStr(own_denizen.database_url))
    database = Database(home, "test keys")
    yield ServerKeys(database, home, keys.load(home))
    await database.close()


def key_of(token: str) -> str:
    header = token.split(".", maxsplit=1)[0]
    kid: str = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]
    return kid


class Caller:
    """A user who goes on refreshing, and has each token checked by every kind of checker."""

    def __init__(self, talk: Talk, verifier: AsyncTokenVerifier, session: Json) -> None:
        self._talk = talk
        self._verifier = verifier
        self._session = session
        self.stale = 0

    async def next(self) -> str:
        """A fresh token."""
        self._session = await self._talk.done("RefreshSession", {"refreshToken": self._session["refreshToken"]})
        return str(self._session["accessToken"])

    async def is_good(self, token: str) -> bool:
        """Whether the verifier and the services let it in. Raises TimeoutError where the verifier never knows."""
        async with asyncio.timeout(10):
            while True:
                try:
                    self._verifier.verify(token)
                except StaleRead:
                    self.stale += 1
                    await asyncio.sleep(0.005)
                except TokenInvalid:
                    return False
                else:
                    break
        asked = await self._talk.query("VerifyToken", {"token": token}), await self._talk.self(token, "ListSessions")
        return [each.code for each in asked] == ["", ""]


async def inventing(talk: Talk, verifier: AsyncTokenVerifier, over: asyncio.Event) -> None:
    """Name keys that do not exist until it is over: Python 3.11 loses a cancellation that comes with a reply."""
    while not over.is_set():
        token = Signer().sign(user_id())
        with pytest.raises((TokenInvalid, StaleRead)):
            verifier.verify(token)
        assert (await talk.query("VerifyToken", {"token": token})).code == "token_invalid"


@pytest.mark.slow
async def test_key_rotation_under_invented_key_ids_refuses_no_token(
    own_denizen: Denizen, server_keys: ServerKeys
) -> None:
    async with (
        talking(own_denizen) as talk,
        talking(own_denizen) as thief,
        AsyncTokenVerifier(own_denizen.nats_url) as verifier,
    ):
        caller = Caller(talk, verifier, await talk.sign_in(await talk.member()))
        over = asyncio.Event()
        flood = asyncio.create_task(inventing(thief, verifier, over))
        first = key_of(await caller.next())
        second = (await server_keys.rotate("signing")).key_id
        for _ in range(100):
            token = await caller.next()
            assert await caller.is_good(token)
            assert key_of(token) == first, "the new key is published, and signs later"
        sql(own_denizen, "update server_keys set retired_at = now() where retired_at > now()")
        async with asyncio.timeout(20):
            while key_of(token := await caller.next()) != second:
                assert await caller.is_good(token)
        assert caller.stale == 0, "every verifier has learned the new key before its first use"
        assert await caller.is_good(token)
        # In an emergency the new key signs at once: it may not be known yet, but it is never called bad.
        third = (await server_keys.rotate("signing", at_once=True)).key_id
        async with asyncio.timeout(20):
            while key_of(token := await caller.next()) != third:
                pass
        for _ in range(100):
            assert await caller.is_good(token)
            token = await caller.next()
        assert not flood.done()
        over.set()
        await flood
