"""Guesses at passwords over a real database: counted first, compared together, and their places given back."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from typing import Any, cast

import psycopg
import pytest
import pytest_asyncio

from services.accounts.guessing.guess_queue import Guesses
from services.accounts.guessing.rate_limits import Guess, RateLimits, network
from services.domain.effects import Effects
from services.domain.refusals import Refusal
from services.eventstore.credentials.store import SecretStore
from services.passwords.hasher import Verified
from services.passwords.pool import HashingPool
from services.platform.settings import Settings
from tests.store.conftest import OpenStore
from tests.support.log import append, ring, settings, until, user_id

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
A = user_id()
SAM = Guess("sam@example.com", "192.0.2.1")
LONG_AGO = -3600.0


class Hasher:
    """Says of a password what it is, once it is let go. `stored` is what it was compared with."""

    def __init__(self) -> None:
        self.stored: list[str | None] = []
        self.go = threading.Semaphore(0)

    def verify(self, password: str, stored: str | None) -> Verified:
        self.stored.append(stored)
        assert self.go.acquire(timeout=60)
        return Verified(password == "right" and stored is not None, outdated=False, began=time.monotonic())


@pytest.fixture
def hasher() -> Hasher:
    return Hasher()


@pytest_asyncio.fixture
async def pool(hasher: Hasher) -> AsyncGenerator[HashingPool]:
    made = HashingPool(Settings(hashing_threads=1))
    made.hasher = cast(Any, hasher)
    made.capacity = 4
    yield made
    hasher.go.release(1000)
    await made.close()


@pytest_asyncio.fixture
async def guesses(database_url: str, pool: HashingPool) -> AsyncGenerator[Guesses]:
    throttle, secrets = RateLimits(settings(database_url), ring()), SecretStore(settings(database_url), ring(), "a")
    yield Guesses(throttle, secrets, pool, dearest=0.4)
    await throttle.close()
    await secrets.close()


def whence(guess: Guess) -> str:
    """The owner of the places that a guess takes: its network, or the user who is signed in."""
    return guess.account if guess.user_id else network(guess.ip)


async def compared(guesses: Guesses, guess: Guess, password: str, deadline: float | None = None) -> str:
    """The whole way of a guess: `right`, `wrong`, `nobody`, or the code of the refusal."""
    try:
        guesses.reserve(whence(guess))
        with guesses.reserved(whence(guess)):
            guess, credential, verified = await guesses.compare(guess, password, deadline)
    except Refusal as refusal:
        return refusal.code
    if credential is None:
        return "nobody"
    assert await guesses.made(guess, verified, credential.user_id, "c") is None
    return "right" if verified.ok else "wrong"


async def member(open_store: OpenStore) -> None:
    made = append(A, take=[("email", SAM.account)])
    made.effects = Effects(password="$sam")
    await open_store("a").append([made])


async def hashing(hasher: Hasher, count: int) -> None:
    """Until so many have begun."""

    async def begun() -> bool:
        return len(hasher.stored) == count

    await until(begun, f"{count} begin")


async def tats(owner: Connection) -> int:
    """Limits that are not as if nothing had happened."""
    cursor = await owner.execute(
        "select count(*) from throttles where tat > now() + interval '1 ms' and tat < now() + interval '1 day'"
    )
    return int(((await cursor.fetchone()) or (0,))[0])


async def test_guess_is_counted_until_it_proves_right(
    guesses: Guesses, hasher: Hasher, open_store: OpenStore, owner: Connection
) -> None:
    await member(open_store)
    # By account, by address, by both; once the user is known from there, not by account.
    for password, during, left in (("right", 3, 0), ("wrong", 2, 2)):
        asked = asyncio.create_task(compared(guesses, SAM, password))
        await hashing(hasher, len(hasher.stored) + 1)
        assert await tats(owner) == during
        hasher.go.release()
        assert await asked == password
        assert await tats(owner) == left
    assert hasher.stored == ["$sam"] * 2


async def test_concurrent_guesses_are_admitted_together(
    guesses: Guesses, hasher: Hasher, open_store: OpenStore
) -> None:
    await member(open_store)
    hasher.go.release(10)
    others = [Guess("kim@example.com", None), Guess(f"user/{A}", None, A), Guess("user/b", None, user_id())]
    found = await asyncio.gather(*(compared(guesses, each, "right") for each in (SAM, *others)))
    assert found == ["right", "nobody", "right", "wrong"]
    assert sorted(map(str, hasher.stored)) == ["$sam", "$sam", "None", "None"]


def stranger(number: int) -> Guess:
    """At an address without an account, each from a network of its own."""
    return Guess(f"{number}@example.com", f"192.0.2.{number + 10}")


async def test_guesses_beyond_the_places_are_refused(guesses: Guesses, hasher: Hasher) -> None:
    asked = [asyncio.create_task(compared(guesses, stranger(number), "wrong")) for number in range(4)]
    await hashing(hasher, 1)
    assert guesses.full(whence(stranger(4)))
    async with asyncio.timeout(10):
        assert await compared(guesses, stranger(4), "wrong") == "overloaded"
    hasher.go.release(4)
    assert await asyncio.gather(*asked) == ["nobody"] * 4
    assert not guesses.full(whence(stranger(4)))
    hasher.go.release()
    assert await compared(guesses, stranger(4), "wrong") == "nobody"


@pytest.mark.parametrize("flooding", [SAM.ip, None])
async def test_one_network_address_leaves_places_for_others(
    guesses: Guesses, hasher: Hasher, flooding: str | None
) -> None:
    """Callers without an address count as one."""
    flood = [Guess(f"{number}@example.com", flooding) for number in range(3)]
    asked = [asyncio.create_task(compared(guesses, each, "wrong")) for each in flood[:2]]
    await hashing(hasher, 1)
    assert await compared(guesses, flood[2], "wrong") == "overloaded", "half of the four places"
    asked.append(asyncio.create_task(compared(guesses, stranger(0), "wrong")))
    await asyncio.sleep(0)
    assert guesses.full(whence(stranger(0))), "as many as are left free"
    assert not guesses.full(whence(stranger(1)))
    hasher.go.release(3)
    assert await asyncio.gather(*asked) == ["nobody"] * 3
    hasher.go.release()
    assert await compared(guesses, flood[2], "wrong") == "nobody", "the places are free again"


async def test_guess_time_begins_when_queued_unless_many_wait(
    guesses: Guesses, hasher: Hasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those behind a few dear hashes are answered as those behind cheap ones."""
    for dearest, same in ((3600.0, True), (0.0, False)):
        monkeypatch.setattr(guesses, "_dearest", dearest)
        asked = [asyncio.create_task(guesses.compare(stranger(number), "wrong", None)) for number in range(2)]
        await hashing(hasher, len(hasher.stored) + 1)
        let_go = time.monotonic()
        hasher.go.release(2)
        second = max(verified.began for *_, verified in await asyncio.gather(*asked))
        assert (second < let_go) == same


async def test_refused_guess_takes_no_place_and_is_not_counted(
    guesses: Guesses, hasher: Hasher, owner: Connection
) -> None:
    for _ in range(10):
        assert await compared(guesses, SAM, "wrong", deadline=LONG_AGO) == "deadline_exceeded"
    assert await tats(owner) == 0
    assert hasher.stored == []
    hasher.go.release(5)
    assert [await compared(guesses, SAM, "wrong") for _ in range(5)] == ["nobody"] * 5
    assert [await compared(guesses, SAM, "wrong") for _ in range(5)] == ["too_many_attempts"] * 5
    assert not guesses.full(whence(SAM))


async def test_late_guess_does_not_wait_for_others(
    guesses: Guesses, hasher: Hasher, pool: HashingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer would go out half a second after those that it must look like."""
    monkeypatch.setattr("services.accounts.guessing.guess_queue._SECONDS", 3600)
    others = [asyncio.create_task(compared(guesses, stranger(n), "wrong")) for n in range(3)]

    async def busy() -> bool:
        return pool.waiting("sign-in") == 2

    await until(busy, "there is something to wait for")
    early, late = (Verified(ok=False, outdated=False, seconds=seconds) for seconds in (0, 0.3))
    first = asyncio.create_task(guesses.made(SAM, early, A, None))
    await asyncio.sleep(0.05)
    assert not first.done()
    async with asyncio.timeout(10):
        await guesses.made(SAM, late, A, None)
        await first  # They are of one group.
    hasher.go.release(3)
    assert await asyncio.gather(*others) == ["nobody"] * 3
