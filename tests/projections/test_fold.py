"""Hypothesis: whatever is commanded, the projections and the queries show the fold of the log."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import pairwise

import orjson
import psycopg
import pytest
from denizen import messages as m
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import projections
from services.accounts.decision import Facts, LogIn
from services.accounts.task import Task, deleted, fold, with_user
from services.accounts.user import User, rfc3339
from services.database import Database, Row
from services.directory.lookups import LOOKUPS, SINGLES, look_up
from services.eventstore.event import Event
from services.eventstore.secrets import NewSession
from services.projector import checkpoints
from tests.support import log
from tests.support.accounts import Accounts, Json, ask

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
_BATCHES = st.lists(st.lists(_COMMANDS, min_size=1, max_size=6), min_size=1, max_size=6)


class ReadSide:
    """The projections in a database of the test's own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.database = Database(log.settings(url), "test")
        self.positions: dict[str, int] = {}

    async def empty(self) -> None:
        async with self.database.connection() as connection:
            await checkpoints.prepare(connection, projections.ALL)
        with psycopg.connect(self._url) as owner:
            owner.execute("truncate denizen.users, denizen.by_email, denizen.by_external_id, denizen.login_history")
            owner.execute("update denizen.projections set position = 0")
        self.positions = dict.fromkeys((projection.name for projection in projections.ALL), 0)

    async def apply(self, events: Sequence[Event]) -> None:
        async with self.database.connection() as connection:
            self.positions = await checkpoints.advance(connection, projections.ALL, self.positions, events)

    async def apply_again(self, events: Sequence[Event]) -> None:
        """As after a crash that lost the checkpoint, were that possible: straight into the tables."""
        async with self.database.connection() as connection, connection.transaction():
            for projection in projections.ALL:
                await projection.apply(connection, events)

    async def tables(self) -> tuple[dict[str, Json], dict[str, str], dict[str, str], list[Row]]:
        users = await self.database.fetch("select user_id, doc from users", [])
        emails = await self.database.fetch("select email_key, user_id from by_email", [])
        external_ids = await self.database.fetch("select external_id, user_id from by_external_id", [])
        logins = await self.database.fetch("select user_id, position, outcome, ip from login_history order by 2", [])
        return dict(users), dict(emails), dict(external_ids), logins  # pyright: ignore[reportArgumentType]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


async def commanded(batches: Sequence[Sequence[tuple[str, Json]]]) -> list[Event]:
    """The log after these commands; `userId` n is the n-th user that was created."""
    accounts = Accounts()
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


def task(name: str, body: Json) -> Task:
    if name == "LogIn":
        call = ask("Authenticate", {"email": "any@example.com", "password": "any"})
        return Task(call, LogIn(body["userId"], body["ip"], None), _PROVEN)
    call = ask(name, body)
    return Task(call, call.request, _PROVEN, deleted if name == "DeleteUser" else with_user)


def folded(stored: Sequence[Event]) -> list[User]:
    """Every user of a log."""
    streams: dict[str, list[Event]] = {}
    for event in stored:
        if event.stream == event.user_id:
            streams.setdefault(event.user_id, []).append(event)
    users = [fold(user_id, own).user for user_id, own in streams.items()]
    return [user for user in users if user is not None]


def logins(stored: Sequence[Event], user: User) -> list[Event]:
    return [event for event in stored if event.user_id == user.id and event.type.startswith("Login")]


def shown(stored: Sequence[Event], user: User) -> Json:
    """A user as queries show him: the read side counts logins."""
    body = user.body() | {"loginCount": 0}
    for event in logins(stored, user):
        if event.type == "LoginSucceeded":
            ip = (event.private or {}).get("ip")
            at = rfc3339(event.recorded_at)
            body |= {"loginCount": body["loginCount"] + 1, "lastLoginAt": at, "lastLoginIp": ip}
    return body


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=_BATCHES, data=st.data())
def test_projections_are_the_fold_of_the_log(
    runner: asyncio.Runner, database_url: str, batches: list[list[tuple[str, Json]]], data: st.DataObject
) -> None:
    stored = runner.run(commanded(batches))
    cuts = data.draw(st.sets(st.integers(0, len(stored))))
    edges = sorted({0, len(stored)} | cuts)
    runner.run(_check(ReadSide(database_url), stored, list(pairwise(edges))))


async def _check(read_side: ReadSide, stored: list[Event], splits: list[tuple[int, int]]) -> None:
    await read_side.empty()
    for first, last in splits:
        await read_side.apply(stored[first:last])
    users = folded(stored)
    expected = (
        {user.id: shown(stored, user) for user in users},
        {user.email_key: user.id for user in users},
        {user.external_id: user.id for user in users if user.external_id is not None},
        sorted(
            (
                (user.id, event.position, event.public.get("reason", "succeeded"), (event.private or {}).get("ip"))
                for user in users
                for event in logins(stored, user)
            ),
            key=lambda row: row[1],
        ),
    )
    assert await read_side.tables() == expected
    for first, last in splits[-1:]:
        await read_side.apply_again(stored[first:last])
    assert await read_side.tables() == expected
    await _check_queries(read_side, users, stored)
    await read_side.database.close()


async def _check_queries(read_side: ReadSide, users: Sequence[User], stored: Sequence[Event]) -> None:
    position = len(stored)
    for kind, keys in (
        (m.GetUser, {user.id: user for user in users}),
        (m.GetUserByEmail, {user.email_key: user for user in users}),
        (m.GetUserByExternalId, {user.external_id: user for user in users if user.external_id is not None}),
    ):
        at, found = await look_up(read_side.database, LOOKUPS[kind], [*keys, "nobody"])
        assert at == position
        assert {key: orjson.loads(document) for key, document in found.items()} == {
            key: shown(stored, user) for key, user in keys.items()
        }
    for status in (None, "BLOCKED", "ACTIVE"):
        at, page = await SINGLES[m.ListUsers](read_side.database, m.ListUsers(status=status, count=500))
        wanted = sorted((u for u in users if status in (None, u.status)), key=lambda user: user.id, reverse=True)
        assert at == position
        assert page is not None
        assert orjson.loads(page) == {
            "data": [shown(stored, u) for u in wanted],
            "total": len(wanted),
            "nextCursor": None,
        }


async def test_a_batch_and_its_checkpoint_are_one_transaction(database_url: str) -> None:
    read_side = ReadSide(database_url)
    await read_side.empty()
    stored = await commanded([[("CreateUser", {"email": f"{number}@example.com"}) for number in range(10)]])
    await read_side.apply(stored[:5])
    before = await read_side.tables()
    stale = ReadSide(database_url)
    stale.positions = dict.fromkeys(read_side.positions, 0)
    with pytest.raises(checkpoints.CheckpointMoved):
        await stale.apply(stored)
    assert await read_side.tables() == before, "a second projector's batch is undone"
    await read_side.apply(stored[5:])
    assert len((await read_side.tables())[0]) == 10
    for each in (read_side, stale):
        await each.database.close()


async def test_tables_of_an_earlier_form_are_made_anew(database_url: str) -> None:
    read_side = ReadSide(database_url)
    await read_side.empty()
    stored = await commanded([[("CreateUser", {"email": "a@example.com"})]])
    await read_side.apply(stored)
    before = await read_side.tables()
    with psycopg.connect(database_url) as owner:
        owner.execute("update denizen.projections set version = 0 where name = 'users'")
        owner.execute("alter table denizen.users drop column status")
    async with read_side.database.connection() as connection:
        read_side.positions = await checkpoints.prepare(connection, projections.ALL)
    assert read_side.positions == {"users": 0, "by_email": 1, "by_external_id": 1, "login_history": 1}
    await read_side.apply(stored)
    assert await read_side.tables() == before
    await read_side.database.close()


async def test_tables_of_a_later_form_are_not_touched(database_url: str) -> None:
    read_side = ReadSide(database_url)
    await read_side.empty()
    with psycopg.connect(database_url) as owner:
        owner.execute("update denizen.projections set version = 1000 where name = 'users'")
    async with read_side.database.connection() as connection:
        with pytest.raises(checkpoints.ProjectionNewer):
            await checkpoints.prepare(connection, projections.ALL)
    await read_side.database.close()
