"""A user whose stream is long makes no other user wait: what is read for them does not grow with it (threat 28).

Judged by the work that is done, for what it takes depends on the machine.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import orjson
import psycopg
import pytest_asyncio
from denizen import messages as m

from services.accounts.users import UserReader
from services.directory.history import Histories
from services.domain.snapshots import EVERY
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import Append, Result
from services.eventstore.log.tails import Tail, Wanted
from tests.support.accounts import Accounts, ask
from tests.support.backend import Backend, connected, email
from tests.support.log import ring, settings
from tests.support.read_side import ReadSide, task
from tests.support.servers import Denizen

PASSWORD = "correct horse battery"
FEW, MANY = 10, 100_000
REFUSED = "too_many_attempts"
_LENGTHEN = """
with added as (
    insert into events (position, event_id, stream, version, type, schema_version, public, metadata, recorded_at, hash)
    select (select position from log_head) + n, gen_random_uuid(), %(user_id)s, n + 1,
           case mod(n, 2) when 1 then 'UserBlocked' else 'UserUnblocked' end, 1,
           jsonb_build_object('userId', %(user_id)s::text, 'version', n + 1, 'changed', array['status'],
                              'status', case mod(n, 2) when 1 then 'BLOCKED' else 'ACTIVE' end),
           '{"commandId": "long"}', now() + n * interval '1 microsecond', '\\x00'
    from generate_series(1, %(count)s) n
)
update log_head set position = position + %(count)s
"""


class Watched(PostgresEventStore):
    """Counts the statements that load streams, and the rows that they load."""

    work: Counter[str]

    def begin(self) -> None:
        self.work = Counter()

    def _note(self, tails: Sequence[Tail]) -> None:
        self.work["statements"] += 1
        self.work["rows"] += sum(len(tail.events) + (tail.snapshot is not None) for tail in tails)

    async def load(self, wanted: Sequence[Wanted]) -> list[Tail]:
        tails = await super().load(wanted)
        self._note(tails)
        return tails

    async def load_as_of(self, stream: str, at: datetime, after: int = 0) -> Tail:
        tail = await super().load_as_of(stream, at, after)
        self._note([tail])
        return tail

    async def append(self, batch: Sequence[Append]) -> list[Result]:
        self.work["appends"] += 1
        return await super().append(batch)


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Watched]:
    opened = Watched(settings(database_url), ring(), "long")
    opened.begin()
    yield opened
    await opened.close()


async def test_command_on_a_long_stream_reads_a_bounded_number(store: Watched, database_url: str) -> None:
    async with ReadSide(database_url) as side:
        histories = Histories(store, side.database)
        few, many = [await _work(store, histories, database_url, count) for count in (FEW, MANY)]
    for name, work in many.items():
        assert work["statements"] <= few[name]["statements"] + 1, name
        assert work["appends"] == few[name]["appends"], name
        assert work["rows"] <= EVERY + 6, name
    with psycopg.connect(database_url, options="-c search_path=denizen") as owner:
        assert owner.execute("select count(*) from snapshots").fetchall() == [(0,)]


async def _work(store: Watched, histories: Histories, url: str, count: int) -> dict[str, Counter[str]]:
    """What each kind of request costs on a user of so many events, who is deleted in the end."""
    accounts, works = Accounts(store), dict[str, Counter[str]]()
    create = ask("CreateUser", {"email": f"{count}@example.com", "emailVerified": True}, id=f"create-{count}")
    (created,) = await accounts.raw(create)
    user = orjson.loads(created)["user"]["id"]
    with psycopg.connect(url, options="-c search_path=denizen") as owner:
        owner.execute(_LENGTHEN, {"user_id": user, "count": count - 1})
    update = {"userId": user, "metadata": {"n": 1}}
    assert "user" in await accounts.one(ask("UpdateUser", update))  # As a stream from before, it is folded once.

    async def watched(name: str, asked: Callable[[], Awaitable[Any]]) -> Any:
        store.begin()
        answer = await asked()
        works[name] = Counter(store.work)
        return answer

    async def history(cursor: str | None = None) -> str:
        _, body = await histories.history(m.GetUserHistory(user_id=user, count=3, cursor=cursor))
        page = orjson.loads(body or b"")
        assert len(page["data"]) == 3
        return str(page["nextCursor"])

    (half,) = await store.read(await store.head() - 1 - count // 2, 1)
    then = m.GetUser(user_id=user, as_of=half.recorded_at.isoformat().replace("+00:00", "Z"))
    await watched("command", lambda: accounts.one(ask("UpdateUser", update | {"metadata": {"n": 2}})))
    assert await watched("repeat", lambda: accounts.raw(create)) == [created]
    await watched("sign-in and sessions", lambda: UserReader(store).user(user))
    _, body = await watched("as of", lambda: histories.as_of(then))
    assert orjson.loads(body)["version"] == half.version
    cursor = str(await watched("history", history))
    await watched("history, next page", lambda: history(cursor))
    await watched("deletion", lambda: accounts.one(task("DeleteUser", {"userId": user})))
    await watched("after the deletion", lambda: accounts.one(ask("BlockUser", {"userId": user})))
    refused = await accounts.one(create)
    assert refused["error"]["code"] == "user_not_found"
    return works


async def test_changes_of_a_signed_in_user_are_limited(denizen: Denizen) -> None:
    """Generous for people; and others, and the way out, are not concerned."""
    async with connected(denizen.nats_url) as backend:
        tokens = [await _signed_in(backend) for _ in range(2)]
        big = {"metadata": {"text": secrets.token_hex(7000)}}

        async def change(number: int) -> str:
            body = big | {"profile": {"firstName": f"Name {number}"}}
            return (await backend.ask("users.v1.self.UpdateUser", body, 30, Authorization=tokens[0])).code

        codes = Counter(await asyncio.gather(*(change(number) for number in range(300))))
        assert set(codes) == {"", REFUSED}
        assert 100 <= codes[""] < 200
        identity = {"provider": "google", "providerId": secrets.token_hex(8)}
        linked = await backend.ask("users.v1.self.LinkIdentity", identity, 30, Authorization=tokens[1])
        assert linked.code == ""
        codes = Counter(await asyncio.gather(*(change(number) for number in range(50))))
        assert codes[REFUSED] > 0
        assert (await backend.command("CreateUser", {"email": email()})).code == ""
        assert (await backend.ask("users.v1.self.ListSessions", {}, 30, Authorization=tokens[0])).code == ""
        assert (await backend.ask("users.v1.self.LogOut", {}, 30, Authorization=tokens[0])).code == ""


async def test_repeat_of_a_change_is_not_counted(denizen: Denizen) -> None:
    async with connected(denizen.nats_url) as backend:
        headers = {"Authorization": await _signed_in(backend), "Nats_Msg_Id": secrets.token_hex(8)}
        first = await backend.ask("users.v1.self.UpdateUser", {"profile": {"firstName": "Ada"}}, 30, **headers)
        for _ in range(150):
            again = await backend.ask("users.v1.self.UpdateUser", {"profile": {"firstName": "Ada"}}, 30, **headers)
            # The position is encrypted again each time.
            assert again.body | {"position": None} == first.body | {"position": None}


async def _signed_in(backend: Backend) -> str:
    address = email()
    await backend.create(email=address, password=PASSWORD, emailVerified=True)
    reply = await backend.command("Authenticate", {"email": address, "password": PASSWORD})
    return f"Bearer {reply.body['accessToken']}"
