"""Limits on guessing and on mails: how much at once, what time gives back, and whom others cannot hold up.

Time passes by moving what the table holds into the past.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from services.accounts.throttle import Throttle
from tests.support.log import ring, settings

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
OpenThrottle = Callable[[], Throttle]
SAM, KIM = "sam@example.com", "kim@example.com"
HOME, AWAY = "192.0.2.1", "198.51.100.9"


@pytest_asyncio.fixture
async def owner(database_url: str) -> AsyncGenerator[Connection]:
    async with await psycopg.AsyncConnection.connect(
        database_url, options="-c search_path=denizen", autocommit=True
    ) as connection:
        yield connection


@pytest_asyncio.fixture
async def open_throttle(database_url: str) -> AsyncGenerator[OpenThrottle]:
    opened: list[Throttle] = []

    def open_one() -> Throttle:
        opened.append(Throttle(settings(database_url), ring()))
        return opened[-1]

    yield open_one
    for each in opened:
        await each.close()


@pytest.fixture
def throttle(open_throttle: OpenThrottle) -> Throttle:
    return open_throttle()


async def pass_time(owner: Connection, seconds: float) -> None:
    await owner.execute("update throttles set tat = tat - make_interval(secs => %s)", [seconds])


async def guesses(throttle: Throttle, account: str, ip: str | None, most: int = 200) -> int:
    """How many guesses are let in, one after another, until one is not."""
    for number in range(most):
        if not await throttle.guess(account, ip):
            return number
    return most


def network(number: int) -> str:
    return f"203.0.{number // 250}.{number % 250 + 1}"


# --- how much at once, and again ----------------------------------------------------------------------------------


async def test_an_account_from_one_address(throttle: Throttle, owner: Connection) -> None:
    assert await guesses(throttle, SAM, HOME) == 5
    await pass_time(owner, 20)
    assert await guesses(throttle, SAM, HOME) == 0
    await pass_time(owner, 10)
    assert await guesses(throttle, SAM, HOME) == 1
    await pass_time(owner, 3600)
    assert await guesses(throttle, SAM, HOME) == 5, "the burst, however long he waited"


async def test_an_account_from_everywhere(throttle: Throttle, owner: Connection) -> None:
    async def from_new_addresses(first: int) -> int:
        for number in range(100):
            if not await throttle.guess(SAM, network(first + number)):
                return number
        return 100

    assert await from_new_addresses(0) == 25
    assert await throttle.guess(KIM, network(0)), "another account is another matter"
    await pass_time(owner, 30)
    assert await from_new_addresses(100) == 1
    await pass_time(owner, 3600)
    assert await from_new_addresses(200) == 25


async def test_one_address_on_many_accounts(throttle: Throttle, owner: Connection) -> None:
    async def on_new_accounts(first: int) -> int:
        for number in range(200):
            if not await throttle.guess(f"{first + number}@example.com", HOME):
                return number
        return 200

    # Each that it takes us, time gives one back.
    assert 100 <= await on_new_accounts(0) <= 110
    assert await throttle.guess(SAM, AWAY)
    await pass_time(owner, 10)
    assert 10 <= await on_new_accounts(1000) <= 15


async def test_without_an_address_there_is_none_to_count_by(throttle: Throttle) -> None:
    assert await guesses(throttle, SAM, None) == 5
    for number in range(110):
        assert await throttle.guess(f"{number}@example.com", None)


async def test_mails(throttle: Throttle, owner: Connection) -> None:
    assert [await throttle.mail(SAM) for _ in range(6)] == [True] * 4 + [False] * 2
    assert await throttle.mail(KIM)
    await pass_time(owner, 149)
    assert not await throttle.mail(SAM)
    await pass_time(owner, 1)
    assert [await throttle.mail(SAM) for _ in range(2)] == [True, False]


async def test_codes(throttle: Throttle, owner: Connection) -> None:
    assert [await throttle.code("user_a") for _ in range(22)] == [True] * 20 + [False] * 2
    assert await throttle.code("user_b")
    await pass_time(owner, 60)
    assert [await throttle.code("user_a") for _ in range(2)] == [True, False]


async def test_limits_do_not_mix(throttle: Throttle) -> None:
    """The same name is another key for each."""
    assert await guesses(throttle, SAM, None) == 5
    assert await throttle.mail(SAM)
    assert await throttle.code(SAM)


# --- what was right -----------------------------------------------------------------------------------------------


async def test_who_is_right_is_never_held_up(throttle: Throttle) -> None:
    for number in range(150):
        assert await throttle.guess(SAM, HOME), number
        await throttle.guessed(SAM, HOME)


async def test_who_is_right_has_what_he_used_up_by_that_and_no_more(throttle: Throttle) -> None:
    for _ in range(4):
        assert await throttle.guess(SAM, HOME)
    assert await throttle.guess(SAM, HOME)
    await throttle.guessed(SAM, HOME)
    assert await guesses(throttle, SAM, HOME) == 1, "the four wrong ones stay counted"


async def test_whom_others_try_to_lock_out(throttle: Throttle, owner: Connection) -> None:
    """Known at home, he gets in there whatever is tried from elsewhere; from a new address once time has passed."""
    assert await throttle.guess(SAM, HOME)
    await throttle.guessed(SAM, HOME)
    for number in range(100):
        await throttle.guess(SAM, network(number))
    assert not await throttle.guess(SAM, AWAY)
    assert await throttle.guess(SAM, HOME)
    await pass_time(owner, 30)
    assert await throttle.guess(SAM, AWAY)
    # He may guess no more often from where he is known than others do from where they are.
    assert await guesses(throttle, SAM, HOME) == 5
    # And for a month.
    await pass_time(owner, 31 * 86_400)
    for number in range(100, 200):
        await throttle.guess(SAM, network(number))
    assert not await throttle.guess(SAM, HOME)


async def test_who_is_known_is_so_for_his_own_account(throttle: Throttle) -> None:
    await throttle.guessed(SAM, HOME)
    for number in range(25):
        assert await throttle.guess(KIM, network(number))
    assert not await throttle.guess(KIM, HOME)


async def test_one_address_cannot_use_up_what_the_account_has_for_all(throttle: Throttle) -> None:
    """What is refused to it is counted nowhere, or whoever tries on would keep the owner out from new addresses."""
    for _ in range(100):
        await throttle.guess(SAM, AWAY)
    for number in range(20):
        assert await throttle.guess(SAM, network(number)), number
    assert not await throttle.guess(SAM, network(20)), "25 in all"


async def test_the_owner_gives_nothing_back_to_those_who_guess(throttle: Throttle) -> None:
    """He is not counted where he is known, and so has nothing to give back there."""
    assert await throttle.guess(SAM, HOME)
    await throttle.guessed(SAM, HOME)
    for number in range(25):
        assert await throttle.guess(SAM, network(number))
    for _ in range(10):
        assert await throttle.guess(SAM, HOME)
        await throttle.guessed(SAM, HOME)
    assert not await throttle.guess(SAM, network(30))


# --- many at once -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ip", [HOME, None])
async def test_processes_count_together(open_throttle: OpenThrottle, ip: str | None) -> None:
    throttles = [open_throttle() for _ in range(4)]
    asked = await asyncio.gather(*(throttles[number % 4].guess(SAM, ip) for number in range(60)))
    assert asked.count(True) == 5
    mails = await asyncio.gather(*(throttles[number % 4].mail(SAM) for number in range(60)))
    assert mails.count(True) == 4


async def test_many_accounts_and_addresses_at_once_wait_for_nobody(open_throttle: OpenThrottle) -> None:
    """Their rows are taken in one order, so that no two of them can wait for each other."""
    throttles = [open_throttle() for _ in range(4)]
    pairs = [(f"{number % 7}@example.com", network(number % 5)) for number in range(200)]
    async with asyncio.timeout(20):
        await asyncio.gather(*(throttles[number % 4].guess(*pair) for number, pair in enumerate(pairs)))
        await asyncio.gather(*(throttles[number % 4].guessed(*pair) for number, pair in enumerate(pairs)))


# --- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:DB8:0001:2:0:0:0:1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:c000:201", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
async def test_whom_an_address_stands_for(throttle: Throttle, first: str, second: str, same: bool) -> None:
    assert await guesses(throttle, SAM, first) == 5
    assert await throttle.guess(SAM, second) == (not same)
    await throttle.guessed(KIM, first)
    for number in range(25):
        await throttle.guess(KIM, network(number))
    assert await throttle.guess(KIM, second) == same, "where he is known likewise"


async def test_the_table_tells_nothing_of_whom_it_counts(throttle: Throttle, owner: Connection) -> None:
    await throttle.guess(SAM, HOME)
    await throttle.guessed(SAM, HOME)
    await throttle.mail(SAM)
    keys = [bytes(key) for (key,) in await (await owner.execute("select key from throttles")).fetchall()]
    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}
    for key in keys:
        assert b"sam" not in key
        assert key not in (ring().claim("email", SAM), ring().claim("throttle/mails", KIM))
    assert ring().claim("throttle/mails", SAM) in keys, "this is how one would be recognised"
