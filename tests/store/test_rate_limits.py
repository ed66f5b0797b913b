"""Limits on guessing and on mails: how much at once, what time gives back, and whom others cannot hold up.

Time passes by moving what the table holds into the past.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from services.accounts.guessing.rate_limits import Guess, RateLimits
from tests.support.log import ring, settings

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
OpenThrottle = Callable[[], RateLimits]
SAM, KIM = "sam@example.com", "kim@example.com"
HOME, AWAY = "192.0.2.1", "198.51.100.9"


@pytest_asyncio.fixture
async def open_throttle(database_url: str) -> AsyncGenerator[OpenThrottle]:
    opened: list[RateLimits] = []

    def open_one() -> RateLimits:
        opened.append(RateLimits(settings(database_url), ring()))
        return opened[-1]

    yield open_one
    for each in opened:
        await each.close()


@pytest.fixture
def throttle(open_throttle: OpenThrottle) -> RateLimits:
    return open_throttle()


async def pass_time(owner: Connection, seconds: float) -> None:
    await owner.execute("update throttles set tat = tat - make_interval(secs => %s)", [seconds])


async def admitted(throttle: RateLimits, group: Sequence[Guess]) -> list[bool]:
    """Which guesses of a group are let in."""
    return [each is not None for each in await throttle.guess(group)]


async def guess(throttle: RateLimits, account: str, ip: str | None) -> bool:
    """One guess alone."""
    return await admitted(throttle, [Guess(account, ip)]) == [True]


async def guessed(throttle: RateLimits, account: str, ip: str | None) -> None:
    await throttle.guessed([Guess(account, ip)])


async def guesses(throttle: RateLimits, account: str, ip: str | None, most: int = 200) -> int:
    """How many guesses are let in, one after another, until one is not."""
    for number in range(most):
        if not await guess(throttle, account, ip):
            return number
    return most


def network(number: int) -> str:
    """Each is a neighbourhood of its own."""
    return f"203.{number // 250}.{number % 250}.1"


# --- how much at once, and again ----------------------------------------------------------------------------------


async def test_account_is_limited_from_one_address(throttle: RateLimits, owner: Connection) -> None:
    assert await guesses(throttle, SAM, HOME) == 5
    await pass_time(owner, 20)
    assert await guesses(throttle, SAM, HOME) == 0
    await pass_time(owner, 10)
    assert await guesses(throttle, SAM, HOME) == 1
    await pass_time(owner, 3600)
    assert await guesses(throttle, SAM, HOME) == 5, "the burst, however long the wait was"


async def test_signed_in_user_may_guess_again_each_thirty_seconds(throttle: RateLimits, owner: Connection) -> None:
    """The password that a change of the account demands: no share of these guesses is kept for new networks."""
    mine = Guess("user/user_sam", None, "user_sam")
    assert await admitted(throttle, [mine] * 6) == [True] * 5 + [False]
    for _ in range(20):
        await pass_time(owner, 30)
        assert await admitted(throttle, [mine] * 2) == [True, False]


async def test_account_is_limited_from_all_addresses(throttle: RateLimits, owner: Connection) -> None:
    async def from_new_addresses(first: int) -> int:
        for number in range(100):
            if not await guess(throttle, SAM, network(first + number)):
                return number
        return 100

    assert await from_new_addresses(0) == 25
    assert await guess(throttle, KIM, network(0)), "another account is another matter"
    await pass_time(owner, 40)
    assert await from_new_addresses(100) == 1
    await pass_time(owner, 80)
    assert await from_new_addresses(150) == 3
    await pass_time(owner, 3600)
    assert await from_new_addresses(200) == 25


async def test_address_is_limited_over_many_accounts(throttle: RateLimits, owner: Connection) -> None:
    async def on_new_accounts(first: int) -> int:
        for number in range(200):
            if not await guess(throttle, f"{first + number}@example.com", HOME):
                return number
        return 200

    # Each that it takes us, time gives one back.
    assert 100 <= await on_new_accounts(0) <= 110
    assert await guess(throttle, SAM, AWAY)
    await pass_time(owner, 10)
    assert 10 <= await on_new_accounts(1000) <= 15


async def test_guess_without_an_address_counts_by_account_only(throttle: RateLimits) -> None:
    assert await guesses(throttle, SAM, None) == 5
    for number in range(110):
        assert await guess(throttle, f"{number}@example.com", None)


async def test_mails_to_an_address_are_limited(throttle: RateLimits, owner: Connection) -> None:
    assert [await throttle.mail(SAM) for _ in range(6)] == [True] * 4 + [False] * 2
    assert await throttle.mail(KIM)
    await pass_time(owner, 149)
    assert not await throttle.mail(SAM)
    await pass_time(owner, 1)
    assert [await throttle.mail(SAM) for _ in range(2)] == [True, False]


async def test_codes_for_a_user_are_limited(throttle: RateLimits, owner: Connection) -> None:
    assert [await throttle.code("user_a") for _ in range(22)] == [True] * 20 + [False] * 2
    assert await throttle.code("user_b")
    await pass_time(owner, 60)
    assert [await throttle.code("user_a") for _ in range(2)] == [True, False]


async def test_limits_of_different_kinds_do_not_mix(throttle: RateLimits) -> None:
    """The same name is another key for each."""
    assert await guesses(throttle, SAM, None) == 5
    assert await throttle.mail(SAM)
    assert await throttle.code(SAM)


# --- what was right -----------------------------------------------------------------------------------------------


async def test_right_guesses_are_never_limited(throttle: RateLimits) -> None:
    for number in range(150):
        assert await guess(throttle, SAM, HOME), number
        await guessed(throttle, SAM, HOME)


async def test_right_guess_gives_back_its_own_cost_only(throttle: RateLimits) -> None:
    for _ in range(4):
        assert await guess(throttle, SAM, HOME)
    assert await guess(throttle, SAM, HOME)
    await guessed(throttle, SAM, HOME)
    assert await guesses(throttle, SAM, HOME) == 1, "the four wrong ones stay counted"


async def test_known_owner_is_not_locked_out(throttle: RateLimits, owner: Connection) -> None:
    """An owner who is known at home gets in there under attack, and from a new address once time has passed."""
    assert await guess(throttle, SAM, HOME)
    await guessed(throttle, SAM, HOME)
    for number in range(100):
        await guess(throttle, SAM, network(number))
    assert not await guess(throttle, SAM, AWAY)
    assert await guess(throttle, SAM, HOME)
    await pass_time(owner, 40)
    assert await guess(throttle, SAM, AWAY)
    # A known owner may guess no more often from home than others do from their networks.
    assert await guesses(throttle, SAM, HOME) == 5
    # And for a month.
    await pass_time(owner, 31 * 86_400)
    for number in range(100, 200):
        await guess(throttle, SAM, network(number))
    assert not await guess(throttle, SAM, HOME)


async def test_known_network_counts_for_its_own_account(throttle: RateLimits) -> None:
    await guessed(throttle, SAM, HOME)
    for number in range(25):
        assert await guess(throttle, KIM, network(number))
    assert not await guess(throttle, KIM, HOME)


async def test_one_address_cannot_use_up_the_account_limit(throttle: RateLimits) -> None:
    """What is refused to it is counted nowhere, or an attacker would keep the owner out from new addresses."""
    for _ in range(100):
        await guess(throttle, SAM, AWAY)
    for number in range(20):
        assert await guess(throttle, SAM, network(number)), number
    assert not await guess(throttle, SAM, network(20)), "25 in all"


async def test_sign_in_of_the_owner_gives_attackers_nothing_back(throttle: RateLimits) -> None:
    """A known owner is not counted at home, and so has nothing to give back there."""
    assert await guess(throttle, SAM, HOME)
    await guessed(throttle, SAM, HOME)
    for number in range(25):
        assert await guess(throttle, SAM, network(number))
    for _ in range(10):
        assert await guess(throttle, SAM, HOME)
        await guessed(throttle, SAM, HOME)
    assert not await guess(throttle, SAM, network(30))


# --- an owner on a network that is new to the account ----------------------------------------------------------------


async def round_of_guesses(throttle: RateLimits, networks: int) -> int:
    """Everything that guessers on so many networks are let in for at this moment."""
    made = 0
    for _ in range(6):
        made += sum(await admitted(throttle, [Guess(SAM, network(number)) for number in range(networks)]))
    return made


@pytest.mark.parametrize("networks", [2, 7])
async def test_owner_on_a_new_network_gets_in_while_few_networks_guess(
    throttle: RateLimits, owner: Connection, networks: int
) -> None:
    for _ in range(3):
        await round_of_guesses(throttle, networks)
        assert not await guess(throttle, SAM, network(0))
        right = await throttle.guess([Guess(SAM, AWAY)])
        assert right != [None]
        await throttle.take_back(right[0] or Guess(SAM, AWAY))
        await pass_time(owner, 3600)


async def test_owner_on_a_new_network_waits_in_proportion_to_attackers(throttle: RateLimits, owner: Connection) -> None:
    """Each has two tries in the part of new networks, which has 15 at once and one more each 40 s: then it is free."""
    networks, waited = 20, 0
    await round_of_guesses(throttle, networks)
    assert not await guess(throttle, SAM, AWAY)
    most = (2 * networks - 15) * 40 + 120
    while waited < most and not await guess(throttle, SAM, AWAY):
        await pass_time(owner, 120)
        waited += 120
        await round_of_guesses(throttle, networks)
    assert 120 < waited < most


async def test_guesses_from_ever_new_networks_are_no_more_than_before(throttle: RateLimits, owner: Connection) -> None:
    """25 at once and one more each 30 s, however many networks there are and however often each guesses."""
    made = await round_of_guesses(throttle, 40)
    assert made == 25
    for _ in range(30):
        await pass_time(owner, 120)
        made += await round_of_guesses(throttle, 40)
    assert made <= 25 + 30 * 120 / 30 + 1


async def test_addresses_of_one_customer_count_as_one_new_network(throttle: RateLimits) -> None:
    for few, many in (("192.0.2.{}", "198.51.{}.1"), ("2001:db8:7:{}::1", "2001:db8:{}::1")):
        address = few + "@example.com"
        for each in range(1, 30):
            await guess(throttle, address, few.format(each))
        spread = [await guess(throttle, address, many.format(each)) for each in range(100, 130)]
        assert sum(spread) == 13, "of 15, two went to the customer"


async def test_right_guess_from_a_new_network_is_given_back(throttle: RateLimits) -> None:
    await round_of_guesses(throttle, 7)
    for number in range(20):
        (right,) = await throttle.guess([Guess(SAM, network(100 + number))])
        assert right is not None
        await throttle.guessed([right])
    assert not await guess(throttle, SAM, network(0)), "nothing went to those who guess"


# --- an owner's own share -----------------------------------------------------------------------------------------


async def attacked(throttle: RateLimits, first: int = 0) -> None:
    """Until nothing is left, from everywhere and from where the owner is."""
    await guesses(throttle, SAM, HOME)
    await guesses(throttle, SAM, None)
    for number in range(first, first + 30):
        await guess(throttle, SAM, network(number))
    assert not await guess(throttle, SAM, AWAY)


@pytest.mark.parametrize("ip", [HOME, AWAY, None])
async def test_proved_mailbox_admits_the_owner_from_any_network(throttle: RateLimits, ip: str | None) -> None:
    await attacked(throttle)
    await throttle.proved([SAM])
    for number in range(100, 200):
        assert await guess(throttle, SAM, network(number)), "the attack goes on"
    assert await guess(throttle, SAM, ip)
    await guessed(throttle, SAM, ip)
    for number in range(200, 240):
        await guess(throttle, SAM, network(number))
    assert not await guess(throttle, SAM, network(240)), "it is used up by the first who is right"
    if ip is not None:
        assert await guesses(throttle, SAM, ip) == 5, "who is known there, and begins afresh"


async def test_mailbox_proof_ends_and_counts_for_one_account(throttle: RateLimits, owner: Connection) -> None:
    await attacked(throttle)
    await throttle.proved([SAM])
    assert not await guess(throttle, KIM, HOME) or await guess(throttle, KIM, AWAY)
    many = [Guess(SAM, HOME)] * 64
    made = 0
    while all(let_in := await admitted(throttle, many)):
        made += len(many)
    assert 900 <= made + sum(let_in) <= 1100
    await throttle.proved([SAM])
    await pass_time(owner, 299)
    assert await guesses(throttle, SAM, HOME, most=6) == 6
    await throttle.proved([SAM])
    await attacked_after(throttle, owner, 301)


async def attacked_after(throttle: RateLimits, owner: Connection, seconds: float) -> None:
    """What the limits have counted stays, but the proof is so much older."""
    proof = ring().claim("throttle/proof", SAM)
    await owner.execute("update throttles set tat = tat - make_interval(secs => %s) where key = %s", [seconds, proof])
    for number in range(300, 340):
        await guess(throttle, SAM, network(number))
    assert not await guess(throttle, SAM, network(341))


async def test_proof_that_ends_meanwhile_admits_no_waiting_guess(throttle: RateLimits, owner: Connection) -> None:
    """Another process has just let the owner in, and has not committed yet."""
    await attacked(throttle)
    await throttle.proved([SAM])
    for number in range(30):
        assert await guess(throttle, SAM, network(number))
    proof = ring().claim("throttle/proof", SAM)
    async with owner.transaction():
        await owner.execute("update throttles set tat = now() where key = %s", [proof])
        late = asyncio.create_task(guess(throttle, SAM, network(50)))
        async with asyncio.timeout(20):
            while not await _waits(owner):
                await asyncio.sleep(0.01)
    assert not await late


async def _waits(owner: Connection) -> bool:
    """Whether a statement waits for a lock."""
    cursor = await owner.execute("select 1 from pg_locks where not granted")
    return await cursor.fetchone() is not None


async def test_session_has_a_share_of_its_own(throttle: RateLimits) -> None:
    await attacked(throttle)
    for session in ("sess_a", "sess_b"):
        group = [Guess(SAM, AWAY, session=session)] * 7
        assert await admitted(throttle, group) == [True] * 5 + [False] * 2
    assert not await guess(throttle, SAM, AWAY)
    mine = Guess(SAM, AWAY, session="sess_c")
    for _ in range(10):
        assert await admitted(throttle, [mine]) == [True]
        await throttle.guessed([mine])


async def test_spraying_network_does_not_limit_its_known_users(throttle: RateLimits) -> None:
    await guessed(throttle, SAM, HOME)
    for number in range(150):
        await guess(throttle, f"{number}@example.com", HOME)
    assert not await guess(throttle, KIM, HOME)
    assert await guess(throttle, SAM, HOME)


# --- many at once -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ip", [HOME, None])
async def test_limits_are_shared_by_processes(open_throttle: OpenThrottle, ip: str | None) -> None:
    throttles = [open_throttle() for _ in range(4)]
    asked = await asyncio.gather(*(guess(throttles[number % 4], SAM, ip) for number in range(60)))
    assert asked.count(True) == 5
    mails = await asyncio.gather(*(throttles[number % 4].mail(SAM) for number in range(60)))
    assert mails.count(True) == 4


async def test_concurrent_accounts_and_addresses_do_not_wait(open_throttle: OpenThrottle) -> None:
    """Their rows are taken in one order, so that no two of them can wait for each other."""
    throttles = [open_throttle() for _ in range(4)]
    pairs = [(f"{number % 7}@example.com", network(number % 5)) for number in range(200)]
    async with asyncio.timeout(20):
        await asyncio.gather(*(guess(throttles[number % 4], *pair) for number, pair in enumerate(pairs)))
        await asyncio.gather(*(guessed(throttles[number % 4], *pair) for number, pair in enumerate(pairs)))


# --- many in one go -----------------------------------------------------------------------------------------------


async def test_group_is_admitted_like_single_guesses(throttle: RateLimits) -> None:
    group = [Guess(SAM, HOME)] * 7 + [Guess(KIM, HOME), Guess(SAM, AWAY), Guess(SAM, None)] + [Guess(KIM, HOME)] * 5
    let_in = [True] * 5 + [False] * 2 + [True] * 3 + [True] * 4 + [False]
    assert await admitted(throttle, group) == let_in
    assert await admitted(throttle, []) == []


async def test_right_guesses_of_a_group_are_given_back(throttle: RateLimits) -> None:
    group = [Guess(SAM, HOME)] * 5 + [Guess(KIM, HOME)] * 5
    assert all(await admitted(throttle, group))
    await throttle.guessed(group[:3] + group[-1:])
    assert await admitted(throttle, group) == [True] * 3 + [False] * 2 + [True] + [False] * 4
    await throttle.guessed([])


async def test_known_network_counts_in_a_group(throttle: RateLimits) -> None:
    """A guess from an unknown network is limited by what the others of its group have used up."""
    await guessed(throttle, SAM, HOME)
    away = [Guess(SAM, network(number)) for number in range(26)]
    assert await admitted(throttle, [*away, Guess(SAM, HOME), Guess(SAM, AWAY)]) == [True] * 25 + [False, True, False]


async def test_guess_that_was_not_made_is_given_back(throttle: RateLimits) -> None:
    for _ in range(10):
        assert await guess(throttle, SAM, HOME)
        await throttle.take_back(Guess(SAM, HOME))
    for number in range(25):
        assert await guess(throttle, SAM, network(number))
    assert not await guess(throttle, SAM, HOME), "the user is not known by it"


async def test_groups_of_processes_share_limits_without_waiting(open_throttle: OpenThrottle) -> None:
    throttles = [open_throttle() for _ in range(4)]
    groups = [[Guess(f"{(number * 7 + each) % 11}@example.com", None) for each in range(11)] for number in range(12)]
    async with asyncio.timeout(20):
        found = await asyncio.gather(*(throttles[number % 4].guess(group) for number, group in enumerate(groups)))
        counts = [0] * 11
        for group, let_in in zip(groups, found, strict=True):
            for one, let in zip(group, let_in, strict=True):
                counts[int(one.account.partition("@")[0])] += let is not None
        assert counts == [5] * 11
        await asyncio.gather(*(throttles[number % 4].guessed(group[::-1]) for number, group in enumerate(groups)))


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
async def test_network_address_is_counted_by_its_prefix(
    throttle: RateLimits, first: str, second: str, same: bool
) -> None:
    assert await guesses(throttle, SAM, first) == 5
    assert await guess(throttle, SAM, second) == (not same)
    await guessed(throttle, KIM, first)
    for number in range(25):
        await guess(throttle, KIM, network(number))
    assert await guess(throttle, KIM, second) == same, "and likewise for the known networks"


async def test_limits_table_reveals_no_address(throttle: RateLimits, owner: Connection) -> None:
    await guess(throttle, SAM, HOME)
    await guessed(throttle, SAM, HOME)
    await throttle.mail(SAM)
    keys = [bytes(key) for (key,) in await (await owner.execute("select key from throttles")).fetchall()]
    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}
    for key in keys:
        assert b"sam" not in key
        assert key not in (ring().claim("email", SAM), ring().claim("throttle/mails", KIM))
    assert ring().claim("throttle/mails", SAM) in keys, "this is how one would be recognised"
