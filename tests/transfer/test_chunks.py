"""Chunks of a job, on PostgreSQL: what is repeated changes nothing, and the order does not matter."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest
from typeid import TypeID

from services.accounts.pending import PendingCommand, deleted
from services.domain.refusals import Refusal
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import Append, Result
from services.passwords.pool import HashingPool
from services.platform.database import DatabaseUnavailable
from tests.support.accounts import Accounts, Json, ask
from tests.transfer.support import HASHES, PASSWORD, Taker, name, shapes, taker


def users(count: int) -> list[Json]:
    job = name()
    return [{"email": f"{job}.{number}@example.com", "externalId": f"{job}.{number}"} for number in range(count)]


def events(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        found = connection.execute("select user_id, type from denizen.events order by position").fetchall()
        return [(user_id, kind) for user_id, kind in found]


async def test_repeated_chunk_changes_nothing_and_is_answered_alike(database_url: str) -> None:
    rows = [*users(600), {"email": "nobody"}]
    rows[400] = rows[10]
    async with taker(database_url) as one:
        first = await one.take(rows, importId="job", chunk=7)
        assert (first["success"], first["failed"]) == (599, 2)
        assert shapes(first)[400] == ("failed", "email_taken", "email")
        stored = events(database_url)
        assert len(stored) == 599
        assert await one.take(rows, importId="job", chunk=7) == first
        # Under another name it is another chunk.
        again = await one.take(rows, importId="job", chunk=8)
        assert again["failed"] == len(rows)
    async with taker(database_url) as another:
        assert await another.take(rows, importId="job", chunk=7) == first
        assert await another.status("job") == {
            "importId": "job",
            "chunks": [[7, 8]],
            "failedChunks": [7, 8],
            "created": 599,
            "updated": 0,
            "skipped": 0,
            "failed": 2 + len(rows),
        }
    assert events(database_url) == stored


async def test_message_repeated_by_its_id_changes_nothing(database_url: str) -> None:
    async with taker(database_url) as one:
        rows = users(3)
        first = await one.take(rows, id="some-id")
        assert await one.take(rows, id="some-id") == first
        assert shapes(await one.take(rows)) == [("failed", "email_taken", "email")] * 3
        with pytest.raises(Refusal) as refused:
            await one.take(users(3), id="some-id")
        assert (refused.value.code, refused.value.field) == ("validation_failed", "Nats-Msg-Id")


def broken_off(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The log goes out of reach behind so many appends."""
    real, count = PostgresEventStore.append, 0

    async def append(self: PostgresEventStore, batch: Sequence[Append]) -> list[Result]:
        nonlocal count
        count += 1
        if count > after:
            raise DatabaseUnavailable
        return await real(self, batch)

    monkeypatch.setattr(PostgresEventStore, "append", append)


async def test_half_finished_chunk_is_completed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the service died between two appends. It is known again, and so are other rows in its place."""
    rows = users(1000)
    async with taker(database_url) as one:
        broken_off(monkeypatch, 1)
        with pytest.raises(DatabaseUnavailable):
            await one.take(rows, importId="job", chunk=0)
        monkeypatch.undo()
        stored = events(database_url)
        assert 0 < len(stored) < 1000
        assert (await one.status("job"))["chunks"] == []
        with pytest.raises(Refusal) as refused:
            await one.take([rows[1], *rows[1:]], importId="job", chunk=0)
        assert refused.value.field == "importId"
        reply = await one.take(rows, importId="job", chunk=0)
        assert [each["userId"] for each in reply["results"][: len(stored)]] == [user_id for user_id, _ in stored]
        assert reply["success"] == 1000
        assert (await one.status("job"))["created"] == 1000
    assert len(events(database_url)) == 1000


@pytest.mark.parametrize(
    ("rows", "options"),
    [([0, 2], {}), ([0], {}), ([0, 1, 2], {}), ([1, 0], {}), ([0, 1], {"onConflict": "skip"})],
    ids=["another row", "fewer", "more", "another order", "another way"],
)
async def test_other_rows_under_a_chunk_number_are_refused(database_url: str, rows: list[int], options: Json) -> None:
    some = [each | {"passwordHash": HASHES[0]} for each in users(3)]
    changed = [some[0] | {"passwordHash": HASHES[1]}, some[1]]
    async with taker(database_url) as one:
        first = await one.take(some[:2], importId="job", chunk=0)
        stored = events(database_url)
        for days in (0, 2):
            await let_pass(one, database_url, days)
            for other, how in (([some[number] for number in rows], options), (changed, {})):
                with pytest.raises(Refusal) as refused:
                    await one.take(other, importId="job", chunk=0, **how)
                assert (refused.value.code, refused.value.field) == ("validation_failed", "importId")
            # The same in another order of fields.
            same = [dict(reversed(each.items())) for each in some[:2]]
            assert await one.take(same, importId="job", chunk=0) == first
    assert events(database_url) == stored


async def test_repeated_chunk_may_reseal_its_secrets(database_url: str) -> None:
    async with taker(database_url) as one:
        for number, (was, becomes) in enumerate(
            [
                ({"password": PASSWORD}, {"password": "sealed:a"}),
                ({"passwordHash": "sealed:a"}, {"passwordHash": "sealed:b"}),
            ]
        ):
            (row,) = users(1)
            await one.take([row | was], importId="job", chunk=number)
            await one.take([row | becomes], importId="job", chunk=number)


async def let_pass(one: Taker, url: str, days: int) -> None:
    """So much time, after which what is forgotten then is."""
    with psycopg.connect(url) as owner:
        owner.execute("update denizen.commands set recorded_at = recorded_at - make_interval(days => %s)", [days])
        owner.execute("update denizen.import_ids set begun_at = begun_at - make_interval(days => %s)", [days])
        owner.execute("update denizen.import_chunks set recorded_at = recorded_at - make_interval(days => %s)", [days])
    await one.store.forget_commands()
    await one.store.forget_imports()


@pytest.mark.parametrize(
    ("on_conflict", "wanted"),
    [
        ("fail", ["created", "failed", "created", "failed"]),
        ("skip", ["created", "skipped", "created", "failed"]),
        ("update", ["created", "updated", "created", "failed"]),
    ],
)
async def test_finished_chunk_never_runs_again(database_url: str, on_conflict: str, wanted: list[str]) -> None:
    """Not when its outcomes are forgotten either: who was erased stays away, and what was changed stays changed."""
    there, new, gone = users(3)
    job: Json = {"importId": "job", "chunk": 0, "onConflict": on_conflict}
    rows = [new, {"email": there["email"], "metadata": {"n": 1}}, gone, {"email": "nobody"}]
    async with taker(database_url) as one:
        user_id = (await one.take([there]))["results"][0]["userId"]
        first = await one.take(rows, **job)
        assert [each["status"] for each in first["results"]] == wanted
        accounts = Accounts(one.store)
        await accounts.one(ask("UpdateUser", {"userId": user_id, "metadata": {"n": 2}}))
        erase = ask("DeleteUser", {"userId": first["results"][2]["userId"]})
        await accounts.one(PendingCommand(erase, erase.request, reply=deleted))
        stored, counted = events(database_url), await one.status("job")
        assert await one.take(rows, **job) == first

        await let_pass(one, database_url, 2)
        again = await one.take(rows, **job)
        known = (0, 2, 3)
        assert [again["results"][index] for index in known] == [first["results"][index] for index in known]
        assert shapes(again)[1] == ("skipped", "command_not_found", None)
        assert (events(database_url), await one.status("job")) == (stored, counted)


async def test_refused_update_is_repeated_alike(database_url: str) -> None:
    there, other = (each | {"id": str(TypeID("user"))} for each in users(2))
    identities = [{"provider": "x", "providerId": name()}]
    rows = [
        {"email": f"new.{name()}@example.com", "externalId": there["externalId"]},
        {"email": f"new.{name()}@example.com", "identities": identities},
        {"email": other["email"], "id": there["id"]},
        {"email": there["email"], "externalId": other["externalId"]},
        {"email": other["email"], "metadata": {"n": 1}},
        *users(1),
    ]
    async with taker(database_url) as one:
        await one.take([there | {"identities": identities}, other])
        job: Json = {"importId": "job", "chunk": 0, "onConflict": "update"}
        first = await one.take(rows, **job)
        assert [(status, code) for status, code, _ in shapes(first)] == [
            ("failed", "external_id_taken"),
            ("failed", "identity_taken"),
            ("failed", "validation_failed"),
            ("failed", "external_id_taken"),
            ("updated", None),
            ("created", None),
        ]
        assert await one.take(rows, **job) == first


async def test_deadline_does_not_interrupt_a_begun_chunk(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that was told "nothing was done" would be told something else by the log."""
    real, passed = PostgresEventStore.append, False

    async def append(self: PostgresEventStore, batch: Sequence[Append]) -> list[Result]:
        nonlocal passed
        passed = True
        return await real(self, batch)

    class Clock:
        @staticmethod
        def time() -> float:
            return 1e12 if passed else 0

    monkeypatch.setattr(PostgresEventStore, "append", append)
    monkeypatch.setattr("services.endpoint.call.time", Clock)
    (there,) = users(1)
    options: Json = {"onConflict": "update", "deadline": "2100-01-01T00:00:00Z"}
    async with taker(database_url) as one:
        await one.take([there])
        passed = False
        reply = await one.take([*users(300), there | {"metadata": {"n": 1}}], **options)
        assert [each["status"] for each in reply["results"]] == [*["created"] * 300, "updated"]


async def test_one_chunk_in_two_services_runs_once(database_url: str) -> None:
    chunks = [users(300) for _ in range(4)]
    async with taker(database_url) as one, taker(database_url) as another:
        replies = await asyncio.gather(
            *(
                each.take(chunk, importId="job", chunk=number)
                for number, chunk in enumerate(chunks)
                for each in (one, another)
            )
        )
        assert replies[0::2] == replies[1::2]
        assert all(reply["success"] == 300 for reply in replies)
        assert (await one.status("job"))["created"] == 1200
    assert len(events(database_url)) == 1200


async def test_chunks_may_come_in_any_order(database_url: str) -> None:
    async with taker(database_url) as one:
        for number in (4, 0, 2, 3, 9):
            assert (await one.take(users(2), importId="job", chunk=number))["success"] == 2
        status = await one.status("job")
        assert (status["chunks"], status["created"]) == ([[0, 0], [2, 4], [9, 9]], 10)
        assert (await one.status("another"))["chunks"] == []


async def test_job_is_forgotten_after_thirty_days(database_url: str) -> None:
    """As a whole: what is left of it would be sent again."""
    async with taker(database_url) as one:
        old = {f"old-{number}": (40, 31) for number in range(12)}
        for job, days in (old | {"young": (40, 29)}).items():
            for chunk, age in enumerate(days):
                await one.take([{}], importId=job, chunk=chunk)
                with psycopg.connect(database_url) as owner:
                    owner.execute(
                        "update denizen.import_chunks set recorded_at = now() - make_interval(days => %s)"
                        " where import_id = %s and chunk = %s",
                        [age, job, chunk],
                    )
        assert [await one.store.forget_imports() for _ in range(3)] == [20, 4, 0], "ten jobs a call"
        assert [(await one.status(job))["chunks"] for job in old] == [[]] * 12
        assert (await one.status("young"))["chunks"] == [[0, 1]]


async def test_message_ids_are_forgotten_after_a_day(database_url: str) -> None:
    async with taker(database_url) as one:
        for message in ("a", "b"):
            await one.take(users(1), id=message)
        with psycopg.connect(database_url) as owner:
            owner.execute("update denizen.import_ids set begun_at = now() - interval '25 hours' where command_id = 'a'")
            owner.commit()
            assert [await one.store.forget_imports() for _ in range(2)] == [1, 0]
            assert owner.execute("select command_id from denizen.import_ids").fetchall() == [("b",)]


async def test_repeated_chunk_hashes_passwords_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeat is answered before any hash is made, and a dry run makes none."""
    hashed: list[str] = []
    real = HashingPool.hash

    async def counted(self: HashingPool, password: str, deadline: float | None) -> str:
        hashed.append(password)
        return await real(self, password, deadline)

    monkeypatch.setattr(HashingPool, "hash", counted)
    rows = [each | {"password": f"{PASSWORD} {number}"} for number, each in enumerate(users(4))]
    rows.append({**users(1)[0], "passwordHash": HASHES[0]})
    async with taker(database_url) as one:
        assert (await one.take(rows, dryRun=True))["success"] == 5
        assert hashed == []
        first = await one.take(rows, importId="job", chunk=0)
        assert sorted(hashed) == [each["password"] for each in rows[:4]]
        assert await one.take(rows, importId="job", chunk=0) == first
        assert len(hashed) == 4


async def test_more_passwords_than_the_queue_holds_are_hashed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.passwords.pool._QUEUE_SECONDS", 0)
    rows = [each | {"password": PASSWORD} for each in users(12)]
    async with taker(database_url) as one:
        assert (await one.take(rows))["success"] == 12


async def test_refused_row_is_refused_again_after_the_claim_is_free(database_url: str) -> None:
    rows = users(2)
    async with taker(database_url) as one:
        await one.take(rows[:1])
        first = await one.take(rows, id="some-id")
        assert shapes(first) == [("failed", "email_taken", "email"), ("created", None, None)]
        with psycopg.connect(database_url) as connection:
            connection.execute("delete from denizen.claims")
        assert await one.take(rows, id="some-id") == first
    assert len(events(database_url)) == 2
