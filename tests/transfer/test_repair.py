"""`onConflict: update` repairs what a wrong import set. What users and operators decided since stays."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import count
from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.accounts.pending import PendingCommand, accepted
from services.domain.commands import EndBlock, LogIn
from services.domain.decision import Facts
from services.domain.fold import show
from services.domain.sessions import NewSession
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import Append, Result
from tests.support.accounts import Accounts, Json, ask
from tests.support.log import AT, streams
from tests.transfer.support import HASHES, Taker, name, shapes, taker
from tests.transfer.test_conflicts import row, user

WRONG: Json = {
    "status": "BLOCKED",
    "emailVerified": False,
    "passwordHash": HASHES[0],
    "passwordChangeRequired": True,
    "createdAt": "2001-01-01T00:00:00Z",
    "updatedAt": "2003-01-01T00:00:00Z",
    "blockedAt": "2002-01-01T00:00:00Z",
    "profile": {"firstName": "A", "locale": "en"},
    "metadata": {"a": 1, "b": 1},
    "appMetadata": {"a": 1},
}


DATES: Json = {"createdAt": "2001-01-01T00:00:00Z", "updatedAt": "2003-01-01T00:00:00Z"}


def there(**more: Any) -> Json:
    return {**WRONG, **row(externalId=name()), "identities": [identity("wrong"), identity("both")], **more}


def identity(of: str, at: str = "2002-01-01T00:00:00Z") -> Json:
    return {"provider": of, "providerId": name(), "linkedAt": at}


async def created(one: Taker, made: Json) -> str:
    reply = await one.take([made])
    assert [each["status"] for each in reply["results"]] == ["created"]
    return str(reply["results"][0]["userId"])


async def updated(one: Taker, made: Json, **options: Any) -> list[str]:
    """The fields that an update by a row did not change."""
    reply = await one.take([made], onConflict="update", **options)
    (result,) = reply["results"]
    assert result["status"] == "updated", result
    return list(result.get("notChanged", []))


async def shown(one: Taker, user_id: str) -> Json:
    """The document that queries show, folded from the events as the projection does."""
    document: Json | None = None
    for event in (await streams(one.store, [user_id]))[user_id]:
        document = show(document, event)
    assert document is not None
    return document


def password(url: str, user_id: str) -> str:
    with psycopg.connect(url) as connection:
        found = connection.execute("select hash from denizen.passwords where user_id = %s", [user_id]).fetchone()
    assert found is not None
    return str(found[0])


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        ({"status": "ACTIVE"}, {"status": "PENDING_VERIFICATION", "blockedAt": None}),
        ({"status": "DEACTIVATED"}, {"status": "DEACTIVATED", "blockedAt": None}),
        (
            {"status": "DEACTIVATED", "blockedAt": "2002-02-02T00:00:00Z", **DATES},
            {"status": "DEACTIVATED", "blockedAt": "2002-02-02T00:00:00.000000Z"},
        ),
        (
            {"status": "BLOCKED", "blockedAt": "2002-02-02T00:00:00Z", **DATES},
            {"status": "BLOCKED", "blockedAt": "2002-02-02T00:00:00.000000Z"},
        ),
        (
            {"status": "BLOCKED", "blockedUntil": "2999-01-01T00:00:00Z"},
            {"status": "BLOCKED", "blockedUntil": "2999-01-01T00:00:00.000000Z"},
        ),
        ({"emailVerified": True}, {"emailVerified": True}),
        ({"passwordChangeRequired": False}, {"passwordChangeRequired": False}),
        (
            {"createdAt": "2005-01-01T00:00:00Z", "updatedAt": "2005-01-02T00:00:00Z"},
            {"createdAt": "2005-01-01T00:00:00.000000Z", "updatedAt": "2005-01-02T00:00:00.000000Z"},
        ),
        ({"profile": {"firstName": "B", "locale": None}}, {"profile": {"firstName": "B"}}),
        ({"metadata": {"b": None, "c": 3}}, {"metadata": {"a": 1, "c": 3}}),
        ({"appMetadata": {"a": 2}}, {"appMetadata": {"a": 2}}),
        ({"externalId": "new"}, {"externalId": "new"}),
        ({"identities": []}, {"identities": []}),
        ({}, {}),
    ],
)
async def test_update_repairs_what_the_import_set(database_url: str, said: Json, becomes: Json) -> None:
    async with taker(database_url) as one:
        made = there()
        if "externalId" in said:
            said = {"externalId": f"new {made['email']}"}
            becomes = said
        user_id = await created(one, made)
        before = await user(one, user_id)
        assert await updated(one, {"email": made["email"], **said}) == []
        after = await user(one, user_id)
        changing = {"version", "updatedAt"} - becomes.keys()
        assert {name: value for name, value in after.items() if name not in changing} == {
            name: value for name, value in (before | becomes).items() if name not in changing
        }
        assert await shown(one, user_id) | {"loginCount": None} == after
        version = after["version"]
        assert await updated(one, {"email": made["email"], **said}) == []
        assert (await user(one, user_id))["version"] == version, "nothing is left to repair"


async def test_update_takes_back_a_wrong_verification(database_url: str) -> None:
    """A session that began while the address counted as verified ends."""
    async with taker(database_url) as one:
        made = row(emailVerified=True, passwordHash=HASHES[0])
        user_id = await created(one, made)
        await sign_in(one, user_id)
        assert await updated(one, {"email": made["email"], "emailVerified": False}) == []
        assert (await user(one, user_id))["status"] == "PENDING_VERIFICATION"
        assert sessions(database_url, user_id) == 0


async def test_update_blocks_and_ends_sessions(database_url: str) -> None:
    async with taker(database_url) as one:
        made = row(emailVerified=True, passwordHash=HASHES[0])
        user_id = await created(one, made)
        await sign_in(one, user_id)
        assert sessions(database_url, user_id) == 1
        assert await updated(one, {**made, "status": "BLOCKED"}) == []
        assert (await user(one, user_id))["status"] == "BLOCKED"
        assert sessions(database_url, user_id) == 0


async def test_update_without_an_end_keeps_the_one_of_the_block(database_url: str) -> None:
    async with taker(database_url) as one:
        made = there(blockedUntil="2999-01-01T00:00:00Z")
        user_id = await created(one, made)
        end = (await user(one, user_id))["blockedUntil"]
        said = {"email": made["email"], "status": "BLOCKED", "blockedAt": "2002-02-02T00:00:00Z", **DATES}
        assert await updated(one, said) == []
        after = await user(one, user_id)
        assert (after["blockedAt"], after["blockedUntil"]) == ("2002-02-02T00:00:00.000000Z", end)
        assert await updated(one, {**said, "blockedUntil": None}) == []
        assert (await user(one, user_id))["blockedUntil"] is None


async def end_block(one: Taker, user_id: str, until: str) -> None:
    """As accounts does when the time has come."""
    command = EndBlock(user_id, datetime.fromisoformat(until))
    reply = await Accounts(one.store).one(PendingCommand(ask("UnblockUser", {"userId": user_id}), command))
    assert reply["user"]["status"] != "BLOCKED", reply


async def test_block_that_ended_does_not_begin_again_by_the_same_row(database_url: str) -> None:
    """The end is part of what the import said: only a row with another end blocks the user again."""
    async with taker(database_url) as one:
        end = "2020-01-01T00:00:00Z"
        made = row(status="BLOCKED", blockedUntil=end)
        user_id = await created(one, made)
        await end_block(one, user_id, end)
        version = (await user(one, user_id))["version"]
        assert await updated(one, made) == []
        assert (await user(one, user_id))["version"] == version
        assert await updated(one, {**made, "blockedUntil": "2999-01-01T00:00:00Z"}) == []
        assert (await user(one, user_id))["status"] == "BLOCKED"


async def test_update_replaces_a_wrong_hash_without_a_mail(database_url: str) -> None:
    async with taker(database_url) as one:
        made = row(passwordHash=HASHES[0])
        user_id = await created(one, made)
        assert await updated(one, {**made, "passwordHash": HASHES[1]}) == []
        assert password(database_url, user_id) == HASHES[1]
        with psycopg.connect(database_url) as connection:
            assert connection.execute("select 1 from denizen.mails where user_id = %s", [user_id]).fetchall() == []
        assert await updated(one, {"email": made["email"], "password": "a plain password 1"}) == []
        assert password(database_url, user_id).startswith("$argon2id$")


async def test_update_moves_identities_to_those_of_the_row(database_url: str) -> None:
    async with taker(database_url) as one:
        kept, wrong, late = identity("a"), identity("b"), identity("c")
        made = row(updatedAt="2003-01-01T00:00:00Z", createdAt="2001-01-01T00:00:00Z", identities=[kept, wrong, late])
        user_id = await created(one, made)
        right = [kept, {**late, "linkedAt": "2001-05-05T00:00:00Z"}, identity("d")]
        assert await updated(one, {**made, "identities": right}) == []
        after = await user(one, user_id)
        assert [(each["providerId"], each["linkedAt"]) for each in after["identities"]] == [
            (each["providerId"], each["linkedAt"].replace("Z", ".000000Z")) for each in right
        ]
        assert await shown(one, user_id) | {"loginCount": None} == after
        other = row(identities=[wrong])
        await created(one, other)
        assert shapes(await one.take([{**made, "identities": [wrong]}], onConflict="update")) == [
            ("failed", "identity_taken", "providerId")
        ]


async def sign_in(one: Taker, user_id: str, version: int | None = None) -> None:
    """A successful sign-in, as accounts store it. `version`: of the user when the password was compared."""
    stream = await Accounts(one.store).users.user(user_id)
    proven_at = stream.version if version is None else version
    session = NewSession(f"sess_{name()}", b"x" * 16, {}, None, AT, AT.replace(year=2100))
    call = ask("Authenticate", {"email": "a@example.com", "password": "x"})
    facts = Facts(proven_at=proven_at, session=session)
    reply = await Accounts(one.store).one(PendingCommand(call, LogIn(user_id, None, None), facts, reply=accepted))
    assert reply == {}, reply


def sessions(url: str, user_id: str) -> int:
    with psycopg.connect(url) as connection:
        return len(connection.execute("select 1 from denizen.sessions where user_id = %s", [user_id]).fetchall())


CHANGES: list[tuple[str, Json, Json, list[str]]] = [
    ("UnblockUser", {}, {"status": "BLOCKED"}, ["status"]),
    ("DeactivateUser", {}, {"status": "ACTIVE"}, ["status"]),
    ("UpdateUser", {"profile": {"firstName": "Own"}}, {"profile": {"firstName": "B"}}, ["profile.firstName"]),
    ("UpdateUser", {"metadata": {"a": 9}}, {"metadata": {"a": 2, "b": 2}}, ["metadata"]),
    ("UpdateUser", {"appMetadata": {"a": None}}, {"appMetadata": {"a": 2}}, ["appMetadata"]),
    ("UpdateUser", {"externalId": None}, {"externalId": "again"}, ["externalId"]),
    ("LinkIdentity", {"provider": "own", "providerId": "1"}, {"identities": []}, ["identities"]),
]


@pytest.mark.parametrize(("command", "body", "said", "kept"), CHANGES)
async def test_update_never_undoes_a_later_change(
    database_url: str, command: str, body: Json, said: Json, kept: list[str]
) -> None:
    async with taker(database_url) as one:
        made = there()
        user_id = await created(one, made)
        if "providerId" in body:
            body = {**body, "providerId": name()}
        if "externalId" in said:
            said = {"externalId": name()}
        reply = await Accounts(one.store).one(ask(command, {"userId": user_id, **body}))
        theirs = reply["user"]
        assert await updated(one, {"email": made["email"], **said}) == kept
        after = await user(one, user_id)
        field = kept[0].partition(".")[0]
        if field == "metadata":
            assert after[field] == {"a": 9, "b": 2}, "the key beside it is the import's"
        elif field == "identities":
            assert [each["provider"] for each in after[field]] == ["own"]
        else:
            assert after[field] == theirs[field]
        assert after["updatedAt"] >= theirs["updatedAt"], "when the user changed last is true"


async def test_update_leaves_the_password_of_a_user_who_signed_in(database_url: str) -> None:
    async with taker(database_url) as one:
        made = row(emailVerified=True, passwordHash=HASHES[0])
        user_id = await created(one, made)
        await sign_in(one, user_id)
        assert await updated(one, {**made, "passwordHash": HASHES[1], "passwordChangeRequired": True}) == [
            "password",
            "passwordChangeRequired",
        ]
        assert password(database_url, user_id) == HASHES[0]
        assert not (await user(one, user_id))["passwordChangeRequired"]


async def test_update_of_a_user_that_no_import_created_merges_only(database_url: str) -> None:
    async with taker(database_url) as one:
        address = f"{name()}@example.com"
        body = {"email": address, "profile": {"firstName": "A"}, "metadata": {"a": 1}, "emailVerified": True}
        made = (await Accounts(one.store).one(ask("CreateUser", body)))["user"]
        said = {**there(), "email": address, "metadata": {"a": 2}}
        kept = ["identities", "emailVerified", "status", "password", "passwordChangeRequired", "createdAt"]
        assert await updated(one, said) == kept
        after = await user(one, made["id"])
        assert (after["status"], after["identities"], after["createdAt"]) == ("ACTIVE", [], made["createdAt"])
        assert (after["profile"], after["metadata"]) == ({"firstName": "A", "locale": "en"}, {"a": 2})
        await Accounts(one.store).one(ask("UpdateUser", {"userId": made["id"], "metadata": {"a": 3}}))
        assert "metadata" in await updated(one, {"email": address, "metadata": {"a": 4}})
        assert (await user(one, made["id"]))["metadata"]["a"] == 3


@pytest.mark.parametrize("what", ["change", "sign-in"])
async def test_update_sees_what_happens_before_its_append(
    database_url: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    async with taker(database_url) as one, taker(database_url) as other:
        made = row(emailVerified=True, passwordHash=HASHES[0])
        user_id = await created(one, made)

        async def meanwhile() -> None:
            if what == "sign-in":
                await sign_in(other, user_id)
            else:
                command = ask("ResetPassword", {"userId": user_id, "password": "their own 12345"})
                facts = Facts(password_hash="$argon2id$theirs")
                await Accounts(other.store).one(PendingCommand(command, command.request, facts))

        once = iter([meanwhile])
        append = PostgresEventStore.append

        async def racing(self: PostgresEventStore, batch: Sequence[Append]) -> list[Result]:
            if self is one.store and any(each.operation == "ImportUsers" for each in batch):
                for act in once:
                    await act()
            return await append(self, batch)

        monkeypatch.setattr(PostgresEventStore, "append", racing)
        assert await updated(one, {**made, "passwordHash": HASHES[1]}) == ["password"]
        assert password(database_url, user_id) == (HASHES[0] if what == "sign-in" else "$argon2id$theirs")


async def test_repeated_update_is_answered_alike(database_url: str) -> None:
    """The fields that were not changed are told again, though no one keeps them."""
    async with taker(database_url) as one:
        made = there()
        user_id = await created(one, made)
        await Accounts(one.store).one(ask("UnblockUser", {"userId": user_id}))
        said = {"email": made["email"], "status": "BLOCKED", "metadata": {"a": 5}}
        given: list[Json] = [{"importId": name(), "chunk": 0}, {"id": name()}]
        for options in given:
            first = await one.take([said], onConflict="update", **options)
            assert first["results"][0]["notChanged"] == ["status"]
            await Accounts(one.store).one(ask("UpdateUser", {"userId": user_id, "appMetadata": {"a": name()}}))
            version = (await user(one, user_id))["version"]
            assert await one.take([said], onConflict="update", **options) == first
            assert (await user(one, user_id))["version"] == version


async def test_dry_run_tells_what_an_update_would_not_change(database_url: str) -> None:
    async with taker(database_url) as one:
        made = there()
        user_id = await created(one, made)
        await Accounts(one.store).one(ask("UnblockUser", {"userId": user_id}))
        said = {**made, "metadata": {"a": 5}}
        rehearsed = await one.take([said], onConflict="update", dryRun=True)
        assert rehearsed["results"][0]["notChanged"] == ["status"]
        assert rehearsed == await one.take([said], onConflict="update")


# --- a repaired import equals the right one -----------------------------------------------------------------------

_EXAMPLES = count()
_TIMES = st.sampled_from([f"200{year}-01-01T00:00:00.000000Z" for year in range(1, 5)])


@st.composite
def _rows(draw: st.DrawFn) -> Json:
    """A row that says everything."""
    created_at, *others, updated_at = sorted(draw(st.lists(_TIMES, min_size=5, max_size=5)))
    status = draw(st.sampled_from(["ACTIVE", "BLOCKED", "DEACTIVATED", "PENDING_VERIFICATION"]))
    blocked = (
        {"blockedAt": others[0]} if status == "BLOCKED" or (status == "DEACTIVATED" and draw(st.booleans())) else {}
    )
    keys = st.sampled_from(["a", "b", "c"])
    section = st.fixed_dictionaries({key: st.none() | st.integers(0, 1) for key in "abc"})
    names = st.fixed_dictionaries({"firstName": st.none() | keys, "lastName": st.none() | keys})
    linked = draw(st.lists(st.integers(0, 3), unique=True, max_size=3))
    return {
        "status": status,
        "emailVerified": draw(st.booleans()),
        "passwordChangeRequired": draw(st.booleans()),
        "passwordHash": draw(st.sampled_from(HASHES)),
        "createdAt": created_at,
        "updatedAt": updated_at,
        "profile": draw(names),
        "metadata": draw(section),
        "appMetadata": draw(section),
        "externalId": draw(st.integers(0, 2)),
        "identities": [
            {"provider": "x", "providerId": each, "linkedAt": draw(st.sampled_from(others))} for each in linked
        ],
        **blocked,
    }


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wrong=_rows(), right=_rows())
def test_repaired_import_equals_the_right_one(
    runner: asyncio.Runner, database_url: str, wrong: Json, right: Json
) -> None:
    number = next(_EXAMPLES)

    def real(drawn: Json, job: str) -> Json:
        linked = [{**each, "providerId": f"{job}.{each['providerId']}"} for each in drawn["identities"]]
        named = {"email": f"{job}@example.com", "externalId": f"{job}.{drawn['externalId']}", "identities": linked}
        return {**drawn, **named}

    def comparable(document: Json, job: str) -> Any:
        rest = {name: value for name, value in document.items() if name not in ("id", "version")}
        return orjson.loads(orjson.dumps(rest).replace(job.encode(), b"job"))

    async def check() -> None:
        async with taker(database_url) as one:
            repaired, direct = f"{name()}.{number}", f"{name()}.{number}"
            user_id = await created(one, real(wrong, repaired))
            assert await updated(one, real(right, repaired)) == []
            other = await created(one, real(right, direct))
            for read in (user, shown):
                assert comparable(await read(one, user_id), repaired) == comparable(await read(one, other), direct)
            assert password(database_url, user_id) == password(database_url, other)

    runner.run(check())
