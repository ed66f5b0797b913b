"""`UndoImport` erases the users that an import created and that no one has used or changed since."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import Append, Result
from services.transfer import undo
from tests.support.accounts import Accounts, Json, ask
from tests.transfer.support import HASHES, Taker, name, taker
from tests.transfer.test_conflicts import row
from tests.transfer.test_repair import end_block, sign_in

_KEPT = "select user_id from denizen.{} where user_id = any(%s)"


async def imported(one: Taker, rows: Sequence[Json], job: str, chunk: int = 0, **options: Any) -> list[str]:
    """Ids of users, in the order of the rows."""
    reply = await one.take(list(rows), importId=job, chunk=chunk, **options)
    return [each["userId"] for each in reply["results"]]


async def undone(one: Taker, job: str, *, steps: int = 1_000) -> tuple[int, int, dict[str, str]]:
    """How many were erased, how many were gone, and why each of the others stays."""
    counts, gone, kept, after = 0, 0, dict[str, str](), 0
    for _ in range(steps):
        reply = await one.undo(job, after)
        counts, gone = counts + reply["undone"], gone + reply["gone"]
        kept |= {each["userId"]: each["because"] for each in reply["kept"]}
        after = reply["after"]
        if after >= reply["until"]:
            break
    return counts, gone, kept


def left(url: str, user_ids: list[str]) -> dict[str, int]:
    """How many rows tables of the write side have of users."""
    with psycopg.connect(url) as connection:
        return {
            table: len(connection.execute(_KEPT.format(table), [user_ids]).fetchall())
            for table in ("claims", "data_keys", "passwords", "codes", "sessions", "snapshots")
        }


def full(**more: Any) -> Json:
    linked = {"provider": "x", "providerId": name()}
    return row(externalId=name(), identities=[linked], passwordHash=HASHES[0], emailVerified=True, **more)


async def test_undo_erases_the_users_of_an_import(database_url: str) -> None:
    async with taker(database_url) as one:
        job = name()
        rows = [full(createdAt="2001-01-01T00:00:00Z"), full(status="BLOCKED"), row()]
        users = await imported(one, rows[:2], job) + await imported(one, rows[2:], job, 1)
        other = await imported(one, [row()], f"{job}0")
        assert await undone(one, job) == (3, 0, {})
        assert set(left(database_url, users).values()) == {0}
        assert left(database_url, other)["data_keys"] == 1, "another import, whose name begins alike"
        again = await imported(one, rows, name())
        assert len(set(again) - set(users)) == 3, "addresses, external ids and identities are free"
        assert await undone(one, job) == (0, 3, {}), "it says that it is done"


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("UpdateUser", {"metadata": {"a": 1}}),
        ("BlockUser", {}),
        ("LinkIdentity", {"provider": "own", "providerId": "1"}),
        ("SendVerificationEmail", {}),
    ],
)
async def test_undo_keeps_a_user_who_was_changed(database_url: str, command: str, body: Json) -> None:
    async with taker(database_url) as one:
        job = name()
        users = await imported(one, [row(), row()], job)
        if "providerId" in body:
            body = {**body, "providerId": name()}
        await Accounts(one.store).one(ask(command, {"userId": users[0], **body}))
        counts, gone, kept = await undone(one, job)
        assert (counts, gone, list(kept)) == (1, 0, users[:1])
        assert left(database_url, users[:1])["data_keys"] == 1
        await Accounts(one.store).one(ask("DeleteUser", {"userId": users[0]}))
        assert await undone(one, job) == (0, 2, {})


async def test_undo_erases_a_user_whose_imported_block_ended(database_url: str) -> None:
    """The import said when. Where an operator had set the block, that is a change."""
    async with taker(database_url) as one:
        job, end = name(), "2020-01-01T00:00:00Z"
        users = await imported(one, [row(status="BLOCKED", blockedUntil=end), row()], job)
        accounts = Accounts(one.store)
        await accounts.one(ask("BlockUser", {"userId": users[1], "until": "2020-01-01T00:00:00.000000Z"}))
        for user_id in users:
            await end_block(one, user_id, end)
        assert await undone(one, job) == (1, 0, {users[1]: "UserBlocked"})


async def test_undo_keeps_what_commands_did_whose_ids_begin_like_the_imports(database_url: str) -> None:
    """A back end chooses the ids of its commands."""
    async with taker(database_url) as one:
        job = name()
        users = await imported(one, [row(), row()], job)
        accounts = Accounts(one.store)
        made = await accounts.one(ask("CreateUser", {"email": f"{name()}@example.com"}, id=f"import/{job}/0/7"))
        await accounts.one(ask("UpdateUser", {"userId": users[0], "metadata": {"a": 1}}, id=f"import/{job}/0/8"))
        assert await undone(one, job) == (1, 0, {made["user"]["id"]: "UserCreated", users[0]: "UserUpdated"})


async def test_undo_keeps_a_user_who_has_signed_in(database_url: str) -> None:
    async with taker(database_url) as one:
        job = name()
        users = await imported(one, [full(), full()], job)
        await sign_in(one, users[1])
        assert await undone(one, job) == (1, 0, {users[1]: "LoginSucceeded"})


async def test_undo_keeps_what_another_import_has_updated(database_url: str) -> None:
    """The other file has the user too. An update by the same import is no reason."""
    async with taker(database_url) as one:
        job = name()
        rows = [row(), row()]
        users = await imported(one, rows, job)
        await imported(one, [{**each, "metadata": {"a": 1}} for each in rows], job, 1, onConflict="update")
        await imported(one, [{**rows[0], "metadata": {"a": 2}}], name(), onConflict="update")
        assert await undone(one, job) == (1, 0, {users[0]: "UserUpdated"})


@pytest.mark.parametrize("what", ["sign-in", "change"])
async def test_undo_sees_what_happens_before_its_append(
    database_url: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """On another connection, between the look at the user and the append. A user who has signed in is never erased."""
    async with taker(database_url) as one, taker(database_url) as other:
        job = name()
        users = await imported(one, [full(), full()], job)
        append = PostgresEventStore.append
        left_to_do = [users[0]]

        async def racing(self: PostgresEventStore, batch: Sequence[Append]) -> list[Result]:
            if self is one.store and left_to_do:
                user_id = left_to_do.pop()
                if what == "sign-in":
                    await sign_in(other, user_id)
                else:
                    unlink = ask("UnlinkIdentity", {"userId": user_id, **identity})
                    await Accounts(other.store).one(unlink)
            return await append(self, batch)

        identity = (await Accounts(one.store).users.user(users[0])).body()["identities"][0]
        identity = {"provider": identity["provider"], "providerId": identity["providerId"]}
        monkeypatch.setattr(PostgresEventStore, "append", racing)
        because = "LoginSucceeded" if what == "sign-in" else "IdentityUnlinked"
        assert await undone(one, job) == (1, 0, {users[0]: because})
        assert left(database_url, users[:1])["data_keys"] == 1


async def test_sign_in_after_an_undo_is_refused(database_url: str) -> None:
    """The other way round: the undo is stored between the check of a password and the session."""
    async with taker(database_url) as one, taker(database_url) as other:
        job = name()
        users = await imported(one, [full()], job)
        stream = await Accounts(other.store).users.user(users[0])
        assert await undone(one, job) == (1, 0, {})
        with pytest.raises(AssertionError, match="invalid_credentials"):
            await sign_in(other, users[0], version=stream.version)


async def test_undo_goes_in_bounded_steps_and_goes_on(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo, "_USERS", 3)
    monkeypatch.setattr(undo, "_POSITIONS", 5)
    async with taker(database_url) as one:
        job = name()
        for chunk in range(3):
            await imported(one, [row() for _ in range(4)], job, chunk)
            await imported(one, [row() for _ in range(2)], name())
        first = await one.undo(job, 0)
        assert first["after"] == 5 or first["undone"] <= 3
        while not first["undone"]:
            first = await one.undo(job, first["after"])
        assert 0 < first["undone"] <= 3
        # Its client was killed here. Another one starts again.
        assert await undone(one, job) == (12 - first["undone"], first["undone"], {})
        assert await undone(one, job) == (0, 12, {})


async def test_undo_of_an_unknown_import_finds_no_user(database_url: str) -> None:
    async with taker(database_url) as one:
        await imported(one, [row()], name())
        assert await undone(one, name()) == (0, 0, {})


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


_ROWS: st.SearchStrategy[list[Json]] = st.lists(
    st.fixed_dictionaries(
        {"email": st.integers(0, 4)},
        optional={
            "externalId": st.integers(0, 3),
            "identities": st.lists(st.integers(0, 3), max_size=2, unique=True),
            "status": st.sampled_from(["ACTIVE", "BLOCKED", "DEACTIVATED"]),
            "emailVerified": st.booleans(),
        },
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=_ROWS, choice=st.sampled_from(["fail", "skip", "update"]))
def test_undone_import_leaves_no_user_and_no_claim(
    runner: asyncio.Runner, database_url: str, drawn: list[Json], choice: str
) -> None:
    async def check() -> None:
        job = name()
        rows: list[Json] = []
        for each in drawn:
            made = {**each, "email": f"{job}.{each['email']}@example.com"}
            if "externalId" in each:
                made["externalId"] = f"{job}.{each['externalId']}"
            if "identities" in each:
                made["identities"] = [{"provider": "x", "providerId": f"{job}.{one}"} for one in each["identities"]]
            rows.append(made)
        async with taker(database_url) as one:
            reply = await one.take(rows, importId=job, chunk=0, onConflict=choice)
            created = [each["userId"] for each in reply["results"] if each["status"] == "created"]
            assert await undone(one, job) == (len(created), 0, {})
            assert set(left(database_url, created).values()) == {0}
            for chunk, user in enumerate(rows, 1):
                again = name()
                alone = await one.take([user], importId=again, chunk=chunk)
                assert alone["results"][0]["status"] == "created", "nothing that it had is taken"
                await undone(one, again)

    runner.run(check())
