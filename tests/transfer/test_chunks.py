"""Chunks of a job, on PostgreSQL: what is repeated changes nothing, and the order does not matter."""

import asyncio

import psycopg
import pytest

from services.passwords.pool import HashingPool
from tests.support.accounts import Json
from tests.transfer.support import HASHES, PASSWORD, name, shapes, taker


def users(count: int) -> list[Json]:
    job = name()
    return [{"email": f"{job}.{number}@example.com", "externalId": f"{job}.{number}"} for number in range(count)]


def events(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        found = connection.execute("select user_id, type from denizen.events order by position").fetchall()
        return [(user_id, kind) for user_id, kind in found]


async def test_a_chunk_that_is_repeated_changes_nothing_and_is_answered_alike(database_url: str) -> None:
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
            "created": 599,
            "updated": 0,
            "skipped": 0,
            "failed": 2 + len(rows),
        }
    assert events(database_url) == stored


async def test_a_message_that_is_repeated_by_its_id_changes_nothing(database_url: str) -> None:
    async with taker(database_url) as one:
        rows = users(3)
        first = await one.take(rows, id="some-id")
        assert await one.take(rows, id="some-id") == first
        assert shapes(await one.take(rows)) == [("failed", "email_taken", "email")] * 3


async def test_half_a_chunk_is_completed(database_url: str) -> None:
    """As when the service died between two appends."""
    rows = users(500)
    async with taker(database_url) as one:
        before = await one.take(rows[:256], importId="job", chunk=0)
        reply = await one.take(rows, importId="job", chunk=0)
        assert reply["results"][:256] == before["results"]
        assert reply["success"] == 500
        assert (await one.status("job"))["created"] == 500
    assert len(events(database_url)) == 500


async def test_two_services_on_one_chunk(database_url: str) -> None:
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


async def test_chunks_in_any_order(database_url: str) -> None:
    async with taker(database_url) as one:
        for number in (4, 0, 2, 3, 9):
            assert (await one.take(users(2), importId="job", chunk=number))["success"] == 2
        status = await one.status("job")
        assert (status["chunks"], status["created"]) == ([[0, 0], [2, 4], [9, 9]], 10)
        assert (await one.status("another"))["chunks"] == []


async def test_passwords_are_hashed_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_more_passwords_than_may_wait_are_hashed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.passwords.pool._QUEUE_SECONDS", 0)
    rows = [each | {"password": PASSWORD} for each in users(12)]
    async with taker(database_url) as one:
        assert (await one.take(rows))["success"] == 12
