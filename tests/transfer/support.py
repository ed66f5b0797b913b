"""Imports without their network, and users to import."""

import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from denizen import messages as m
from denizen.operations import OPERATIONS

from services.endpoint.call import understand
from services.eventstore.credentials.store import SecretStore
from services.eventstore.log.postgres import PostgresEventStore
from services.passwords.pool import HashingPool
from services.platform.database import Database
from services.tokens.keys import ServerKeys
from services.transfer.imports import Imports
from tests.support import log
from tests.support.accounts import ask

Json = dict[str, Any]

PASSWORD = "correct horse battery"
HASHES = [
    "$2b$04$bc45lTOjof3BcC2vqd19AO6OptjbXMAjejeifaV7Ngm2425JncRpW",  # by bcrypt 5
    "$argon2id$v=19$m=256,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$Pr65ir4OH2pYe2BlpqbUz7SjMTtAOu3+Ha3a7SCwSK0",
]
"""Of PASSWORD; cheap."""


def name() -> str:
    """What no other test has."""
    return secrets.token_hex(8)


class Taker:
    """Takes messages as the service does."""

    def __init__(self, imports: Imports, store: PostgresEventStore) -> None:
        self._imports = imports
        self.store = store

    async def take(
        self, users: Sequence[Json], *, id: str | None = None, deadline: str | None = None, **options: Any
    ) -> Json:
        """The reply to ImportUsers; `id`: the message's."""
        headers = {name: value for name, value in (("id", id), ("deadline", deadline)) if value is not None}
        call = ask("ImportUsers", {"users": list(users), **options}, **headers)
        assert isinstance(call.request, m.ImportUsers)
        _, body = await self._imports.run(call, call.request)
        reply: Json = orjson.loads(body)
        return reply

    async def undo(self, import_id: str, after: int = 0) -> Json:
        """The reply to UndoImport."""
        call = ask("UndoImport", {"importId": import_id, "after": after})
        assert isinstance(call.request, m.UndoImport)
        _, body = await self._imports.undo.step(call, call.request)
        reply: Json = orjson.loads(body)
        return reply

    async def status(self, import_id: str) -> Json:
        call = understand(OPERATIONS["ImportStatus"], "_INBOX.a", {}, orjson.dumps({"importId": import_id}))
        assert isinstance(call.request, m.ImportStatus)
        reply: Json = orjson.loads(await self._imports.status(call.request))
        return reply


@asynccontextmanager
async def taker(url: str, **more: object) -> AsyncGenerator[Taker]:
    """Over a database; `more`: other settings."""
    settings, ring = log.settings(url).model_copy(update=more), log.ring()
    store, secret_store = PostgresEventStore(settings, ring, "test"), SecretStore(settings, ring, "test")
    await store.check_keys()
    published, pool = Database(settings, "test keys"), HashingPool(settings)
    keys = ServerKeys(published, settings, ring)
    imports = Imports(settings, store, secret_store, ring=ring, pool=pool, keys=keys, appended=_ignored)
    try:
        yield Taker(imports, store)
    finally:
        await pool.close()
        for each in (store, secret_store, published, imports):
            await each.close()


async def _ignored(_: bool) -> None:
    """No listener."""


def shapes(reply: Json) -> list[tuple[str, str | None, str | None]]:
    """Status, code and field of each result."""
    return [
        (each["status"], each.get("error", {}).get("code"), each.get("error", {}).get("field"))
        for each in reply["results"]
    ]
