"""The projections in a database, and random histories to fill them with."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

import orjson
import psycopg
from denizen import messages as m
from hypothesis import strategies as st
from psycopg import sql

import projections
from services.accounts.pending import PendingCommand, deleted, with_user
from services.directory.search.pages import PLANS, list_users
from services.domain.commands import LogIn
from services.domain.decision import Facts
from services.domain.sessions import NewSession
from services.domain.streams import StoredEvent
from services.domain.user import UserAggregate
from services.domain.values import rfc3339
from services.eventstore.log.store import EventStore
from services.platform.database import Database, ResultRow
from services.projector import checkpoints
from tests.support import log
from tests.support.accounts import Accounts, Json, ask, whole

_ADDRESSES = [
    "ada@example.com",
    "ADA@example.com",
    "bob@b\u00fccher.example",
    "bob@xn--bcher-kva.example",
    "\u00e9ve@example.com",
]
_EXTERNAL_IDS = [None, "1", "2", "\U0001f469"]
_SECTIONS = st.dictionaries(st.sampled_from(["a", "b", "\u00fc"]), st.sampled_from([None, 1, "x", [None], {"a": None}]))
_PROFILES = st.dictionaries(st.sampled_from(["firstName", "lastName"]), st.sampled_from([None, "Ada", "O'Neil \\ \""]))

_COMMANDS = st.one_of(
    st.fixed_dictionaries(
        {"email": st.sampled_from(_ADDRESSES), "emailVerified": st.booleans()},
        optional={
            "externalId": st.sampled_from(_EXTERNAL_IDS),
            "profile": _PROFILES,
            "metadata": _SECTIONS,
            "appMetadata": _SECTIONS,
        },
    ).map(lambda body: ("CreateUser", body)),
    st.fixed_dictionaries(
        {"userId": st.integers(0, 3)},
        optional={"externalId": st.sampled_from(_EXTERNAL_IDS), "profile": _PROFILES, "metadata": _SECTIONS},
    ).map(lambda body: ("UpdateUser", body)),
    st.tuples(
        st.sampled_from(["BlockUser", "UnblockUser", "DeactivateUser", "ReactivateUser", "DeleteUser"]),
        st.fixed_dictionaries({"userId": st.integers(0, 3)}),
    ),
    st.fixed_dictionaries({"userId": st.integers(0, 3), "email": st.sampled_from(_ADDRESSES)}).map(
        lambda body: ("ChangeEmail", body)
    ),
    st.tuples(
        st.sampled_from(["LinkIdentity", "UnlinkIdentity"]),
        st.fixed_dictionaries(
            {
                "userId": st.integers(0, 3),
                "provider": st.sampled_from(["google", "github"]),
                "providerId": st.sampled_from(["1", "2"]),
            }
        ),
    ),
    st.fixed_dictionaries({"userId": st.integers(0, 3)}).map(lambda body: ("VerifyEmail", body | {"code": "123456"})),
    st.fixed_dictionaries({"userId": st.integers(0, 3), "requireChange": st.booleans()}).map(
        lambda body: ("ResetPassword", body | {"password": "a good long one"})
    ),
    st.fixed_dictionaries({"userId": st.integers(0, 3), "ip": st.sampled_from([None, "127.0.0.1"])}).map(
        lambda body: ("LogIn", body)
    ),
)
BATCHES = st.lists(st.lists(_COMMANDS, min_size=1, max_size=6), min_size=1, max_size=6)


USER_ID = "'user_' || lpad((n / 32)::text, 25, '0') || substr('0123456789abcdefghjkmnpqrstvwxyz', mod(n, 32) + 1, 1)"
"""SQL: the id of the n-th user, in order; one of 32 ends with each letter."""

WORDS = """
insert into denizen.user_words
select distinct word, user_id
from denizen.users, regexp_split_to_table(btrim(regexp_replace(search, '[^0-9A-Za-z]+', ' ', 'g')), ' ') as word
on conflict do nothing;
insert into denizen.words select distinct word from denizen.user_words on conflict do nothing;
"""
"""The words of users who were put into their table by SQL."""


class ReadSide:
    """The projections in a database of the test's own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.database = Database(log.settings(url), "test", role="projector")
        self.lists = Database(log.settings(url), "test lists", options=PLANS)
        self.positions: dict[str, int] = {}

    async def empty(self) -> None:
        async with self.database.connection() as connection:
            await checkpoints.prepare(connection, projections.ALL)
        with psycopg.connect(self._url) as owner:
            for table in (table for projection in projections.ALL for table in projection.tables):
                owner.execute(sql.SQL("truncate {}").format(sql.Identifier("denizen", table)))
            owner.execute("update denizen.projections set position = 0")
        self.positions = dict.fromkeys((projection.name for projection in projections.ALL), 0)

    async def apply(self, events: Sequence[StoredEvent]) -> None:
        if not events:
            return
        async with self.database.connection() as connection:
            self.positions = await checkpoints.advance(connection, projections.ALL, self.positions, events)

    async def apply_again(self, events: Sequence[StoredEvent]) -> None:
        """As after a crash that lost the checkpoint, were that possible: straight into the tables."""
        async with self.database.connection() as connection, connection.transaction():
            for projection in projections.ALL:
                await projection.apply(connection, events)

    async def page(self, **asked: Any) -> Json:
        """The answer to ListUsers."""
        found: Json = orjson.loads((await list_users(self.lists, m.ListUsers(**asked)))[1])
        return found

    async def walk(self, **asked: Any) -> list[Json]:
        """Every page of a list, one after another."""
        pages = [await self.page(**asked)]
        while pages[-1]["nextCursor"] is not None:
            pages.append(await self.page(**asked, cursor=pages[-1]["nextCursor"]))
        return pages

    async def __aenter__(self) -> Self:
        """Empty."""
        await self.empty()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.database.close()
        await self.lists.close()

    async def tables(self) -> tuple[dict[str, Json], dict[str, str], dict[str, str], list[ResultRow]]:
        users = await self.database.fetch("select user_id, doc from users", [])
        emails = await self.database.fetch("select email_key, user_id from by_email", [])
        external_ids = await self.database.fetch("select external_id, user_id from by_external_id", [])
        logins = await self.database.fetch("select user_id, position, outcome, ip from login_history order by 2", [])
        numbers = await self.database.fetch(
            "select succeeded, count(*) filter (where outcome = 'succeeded') over until_then from login_history"
            " window until_then as (partition by user_id order by position)",
            [],
        )
        assert all(kept == counted for kept, counted in numbers), "each attempt has the number of logins until then"
        counts = await self.database.fetch("select status, count from user_counts where count <> 0", [])
        words = await self.database.fetch("select user_id || ' ' || word from user_words", [])
        searches = await self.database.fetch("select user_id, search from users", [])
        held = {f"{user_id} {word}" for user_id, search in searches for word in re.findall("[0-9A-Za-z]+", search)}
        assert {word for (word,) in words} == held
        known = {word for (word,) in await self.database.fetch("select word from words", [])}
        assert known == {word.partition(" ")[2] for word in held}, "no word is left that no user has"
        assert dict(counts) == Counter(document["status"] for _, document in users)  # pyright: ignore[reportArgumentType]
        return dict(users), dict(emails), dict(external_ids), logins  # pyright: ignore[reportArgumentType]


async def commanded(
    batches: Sequence[Sequence[tuple[str, Json]]], store: EventStore | None = None
) -> list[StoredEvent]:
    """The log after these commands; `userId` n is the n-th user that was created."""
    accounts = Accounts(store)
    ids: list[str] = []
    for batch in batches:
        tasks = [
            task(name, body | ({"userId": ids[body["userId"] % len(ids)]} if "userId" in body else {}))
            for name, body in batch
            if ids or "userId" not in body
        ]
        for each, reply in zip(tasks, await accounts.run(*tasks), strict=True):
            if each.call.operation.name == "CreateUser" and "user" in reply:
                ids.append(reply["user"]["id"])
    return await accounts.store.read(0, 10_000)


_PROVEN = Facts(
    proven_at=1_000_000, password_hash="hash", session=NewSession("sess_1", bytes(16), {}, None, log.AT, log.AT)
)
"""Whatever is asked with a secret: the secret is right."""


def task(name: str, body: Json) -> PendingCommand:
    if name == "LogIn":
        call = ask("Authenticate", {"email": "any@example.com", "password": "any"})
        return PendingCommand(call, LogIn(body["userId"], body["ip"], None), _PROVEN)
    call = ask(name, body)
    return PendingCommand(call, call.request, _PROVEN, deleted if name == "DeleteUser" else with_user)


def folded(stored: Sequence[StoredEvent]) -> list[UserAggregate]:
    """Every user of a log."""
    streams: dict[str, list[StoredEvent]] = {}
    for event in stored:
        if event.stream == event.user_id:
            streams.setdefault(event.user_id, []).append(event)
    users = [whole(user_id, own).user for user_id, own in streams.items()]
    return [user for user in users if user is not None]


def logins(stored: Sequence[StoredEvent], user: UserAggregate) -> list[StoredEvent]:
    return [event for event in stored if event.user_id == user.id and event.type.startswith("Login")]


def shown(stored: Sequence[StoredEvent], user: UserAggregate) -> Json:
    """A user as queries show them: the read side counts logins."""
    body = user.body() | {"loginCount": 0}
    for event in logins(stored, user):
        if event.type == "LoginSucceeded":
            ip = (event.private or {}).get("ip")
            at = rfc3339(event.recorded_at)
            body |= {"loginCount": body["loginCount"] + 1, "lastLoginAt": at, "lastLoginIp": ip}
    return body
