"""Rows whose address, external id, identity or id another user has; and a dry run, which says the same of them."""

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typeid import TypeID

from tests.support.accounts import Json
from tests.transfer.support import HASHES, Taker, name, shapes, taker


def row(**more: Any) -> Json:
    return {"email": f"{name()}@example.com", **more}


async def user(one: Taker, user_id: str) -> Json:
    from services.accounts.users import UserReader

    stream = await UserReader(one.store).user(user_id)
    assert stream.user is not None
    return stream.user.body()


async def test_conflict_is_refused_skipped_or_updated(database_url: str) -> None:
    async with taker(database_url) as one:
        there = row(
            profile={"firstName": "Ada", "lastName": "Lovelace"}, metadata={"a": 1, "b": 2}, passwordHash=HASHES[0]
        )
        first = await one.take([there])
        user_id = first["results"][0]["userId"]
        changed = {
            "email": there["email"].upper(),
            "profile": {"firstName": "Augusta", "lastName": None},
            "metadata": {"b": 3},
            "externalId": name(),
            "passwordHash": HASHES[1],
            "status": "BLOCKED",
        }
        assert shapes(await one.take([changed])) == [("failed", "email_taken", "email")]
        assert shapes(await one.take([changed], onConflict="skip")) == [("skipped", None, None)]
        assert (await user(one, user_id))["version"] == 1
        updated = await one.take([changed], onConflict="update")
        assert updated["results"] == [{"index": 0, "status": "updated", "userId": user_id}]
        after = await user(one, user_id)
        assert (after["profile"], after["metadata"]) == ({"firstName": "Augusta"}, {"a": 1, "b": 3})
        assert (after["externalId"], after["email"], after["status"]) == (
            changed["externalId"],
            there["email"],
            "BLOCKED",
        )
        # A row without an external id removes none.
        await one.take([{"email": there["email"], "externalId": None}], onConflict="update")
        assert (await user(one, user_id))["externalId"] == changed["externalId"]


async def test_duplicate_in_one_message_is_a_conflict(database_url: str) -> None:
    async with taker(database_url) as one:
        for choice, wanted in (("fail", "failed"), ("skip", "skipped"), ("update", "updated")):
            once = row(metadata={"n": 1})
            rows = [once, row(), {**once, "email": once["email"].title(), "metadata": {"n": 2}}]
            reply = await one.take(rows, onConflict=choice)
            assert [each["status"] for each in reply["results"]] == ["created", "created", wanted]
            found = await user(one, reply["results"][0]["userId"])
            assert found["metadata"] == {"n": 2 if choice == "update" else 1}


async def test_taken_external_id_or_identity_is_a_conflict(database_url: str) -> None:
    async with taker(database_url) as one:
        identity = {"provider": "google", "providerId": name()}
        there = row(externalId=name(), identities=[identity], id=str(TypeID("user")))
        await one.take([there])
        takers = [row(externalId=there["externalId"]), row(identities=[identity]), row(id=there["id"])]
        codes = [
            ("failed", "external_id_taken", "externalId"),
            ("failed", "identity_taken", "providerId"),
            ("failed", "validation_failed", "id"),
        ]
        assert shapes(await one.take(takers)) == codes
        assert shapes(await one.take(takers, onConflict="update")) == codes
        skipped = await one.take(takers, onConflict="skip")
        assert shapes(skipped) == [("skipped", None, None)] * 2 + codes[2:], "the id of another user is no repeat"


async def test_import_of_an_export_updates_existing_users(database_url: str) -> None:
    """Id, address and the rest are the user's own: the row is skipped or updated, not refused for the id."""
    async with taker(database_url) as one:
        there = row(id=str(TypeID("user")), externalId=name(), metadata={"n": 1})
        await one.take([there])
        assert shapes(await one.take([there])) == [("failed", "validation_failed", "id")]
        assert shapes(await one.take([there], onConflict="skip")) == [("skipped", None, None)]
        reply = await one.take([{**there, "metadata": {"n": 2}}], onConflict="update")
        assert reply["results"] == [{"index": 0, "status": "updated", "userId": there["id"]}]
        assert (await user(one, there["id"]))["metadata"] == {"n": 2}


_EXAMPLES = count()
_NUMBERS = st.integers(0, 3)
_ROWS: st.SearchStrategy[list[Json]] = st.lists(
    st.fixed_dictionaries(
        {"email": _NUMBERS},
        optional={
            "externalId": st.none() | _NUMBERS,
            "identities": st.lists(_NUMBERS, max_size=2, unique=True),
            "id": st.integers(0, 2),
            "metadata": st.sampled_from([{}, {"a": 1}, {"b": "x" * 9_000}, {"c": "x" * 9_000}, {"d": "x" * 17_000}]),
            "emailVerified": st.sampled_from([True, False, "no"]),
        },
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(there=_ROWS, rows=_ROWS, choice=st.sampled_from(["fail", "skip", "update"]))
def test_dry_run_predicts_the_import(
    runner: asyncio.Runner, database_url: str, there: list[Json], rows: list[Json], choice: str
) -> None:
    example = next(_EXAMPLES)
    ids = [str(TypeID("user")) for _ in range(3)]

    def real(drawn: Json) -> Json:
        made = {**drawn, "email": f"{example}.{drawn['email']}@example.com"}
        if drawn.get("externalId") is not None:
            made["externalId"] = f"{example}.{drawn['externalId']}"
        if "id" in drawn:
            made["id"] = ids[drawn["id"]]
        if "identities" in drawn:
            made["identities"] = [{"provider": "x", "providerId": f"{example}.{each}"} for each in drawn["identities"]]
        return made

    async def check() -> None:
        async with taker(database_url) as one:
            await one.take([real(each) for each in there])
            wanted = [real(each) for each in rows]
            head = await one.store.head()
            rehearsed = await one.take(wanted, dryRun=True, onConflict=choice)
            assert await one.store.head() == head
            taken = await one.take(wanted, onConflict=choice)
            assert _comparable(rehearsed, wanted) == _comparable(taken, wanted)

    runner.run(check())


def _comparable(reply: Json, wanted: list[Json]) -> Json:
    """Without the ids of new users. Of two conflicts, either may be named."""
    results: list[Json] = []
    for each in reply["results"]:
        result = dict(each)
        if result["status"] == "created" and "id" not in wanted[result["index"]]:
            result.pop("userId", None)
        if result.get("error", {}).get("code", "").endswith("_taken"):
            result["error"] = "taken"
        twice = [True for other in wanted[: each["index"]] if other["email"] == wanted[each["index"]]["email"]]
        if result["status"] == "updated" and twice:
            result.pop("userId", None)
        results.append(result)
    return {**reply, "results": results}
