"""No caller learns who has an account: whatever is wrong, the answer is the same, and so is the time that it takes.

Times are compared as distributions. The kinds of request take turns in random order, so that whatever else the machine
does happens to all of them alike; and one in flight does not wait for another. A machine that is too busy for that is
asked again: a difference that is ours is there each time. Where it stays too busy, the test says that it cannot tell.
"""

import asyncio
import random
import secrets
import time
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.accounts.answers import FLOOR_SECONDS
from services.passwords.pool import HashingPool
from services.platform.settings import Settings
from tests.support.backend import Backend, Json, Reply, connected, email
from tests.support.distributions import distance, likelihood
from tests.support.hashes import AT_THE_BOUND
from tests.support.quiet import disturbance
from tests.support.servers import Denizen

Ask = Callable[[], Awaitable[Reply]]
UNLIKELY = 1e-5
"""So that one run in some ten thousand is wrong, three times over."""
ATTEMPTS = 3
TIMER_SECONDS = 0.005
"""Timers of the event loop count in whole milliseconds, and come a little early."""
PASSWORD = "correct horse battery"
WRONG = "wrong horse battery"


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Backend]:
    async with connected(denizen.nats_url) as client:
        yield client


async def times(kinds: Mapping[str, Ask], count: int, gap: float) -> dict[str, list[float]]:
    """Seconds that requests took, up to `count` of each kind. All of them got the same answer, to the letter.

    One that is refused because the machine is busy is none of them.
    """
    order = [kind for kind in kinds for _ in range(count)]
    random.shuffle(order)
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    answers: set[tuple[bytes, str]] = set()

    async def one(kind: str) -> None:
        began = time.perf_counter()
        reply = await kinds[kind]()
        if reply.code != "overloaded":
            taken[kind].append(time.perf_counter() - began)
            answers.add((reply.data, str(sorted(reply.headers.items()))))

    async with asyncio.TaskGroup() as tasks:
        for kind in order:
            tasks.create_task(one(kind))
            await asyncio.sleep(gap)
    assert len(answers) == 1, answers
    return taken


async def assert_alike(kinds: Mapping[str, Ask], count: int, gap: float) -> None:
    """No two of them can be told apart, nor does any come before the floor."""
    found: dict[str, float] = {}
    with disturbance() as measured:
        for _ in range(ATTEMPTS):
            taken = await times(kinds, count, gap)
            if min(map(len, taken.values())) < count / 2:
                measured.skip_if_busy()
                pytest.fail("most requests were refused as `overloaded`")
            assert min(min(each) for each in taken.values()) > FLOOR_SECONDS - TIMER_SECONDS
            found = {f"{a} / {b}": likelihood(taken[a], taken[b]) for a, b in combinations(taken, 2)}
            if min(found.values()) > UNLIKELY:
                return
            measured.skip_if_busy()
    pytest.fail(f"told apart: { {pair: level for pair, level in found.items() if level <= UNLIKELY} }")


def in_turn(bodies: Sequence[Json], ask: Callable[[Json], Awaitable[Reply]]) -> Ask:
    """One body after another."""
    remaining = iter([*bodies] * ATTEMPTS)
    return lambda: ask(next(remaining))


@pytest.mark.quiet
async def test_login_does_not_reveal_an_account(backend: Backend, denizen: Denizen) -> None:
    count = 15
    owned = {"password": PASSWORD, "emailVerified": True}
    kinds: dict[str, Json | None] = {
        "wrong password": owned,
        "unknown address": None,
        "blocked": owned,
        "no password": {"emailVerified": True},
        **{f"imported, {name}": {"passwordHash": each, "emailVerified": True} for name, each in AT_THE_BOUND.items()},
    }

    async def log_in(body: Json) -> Reply:
        return await backend.ask("users.v1.public.Authenticate", body, 60)

    async def guesses(kind: str) -> list[Json]:
        """Each at another account, and from another address: so many at one would be refused."""
        addresses: list[str] = []
        for number in range(count):
            if number % 5 == 0:
                addresses.append(email())
                body = kinds[kind]
                user = None if body is None else await backend.create(email=addresses[-1], **body)
                if kind == "blocked" and user:
                    assert not (await backend.command("BlockUser", {"userId": user["id"]})).code
        return [
            {"email": addresses[number // 5], "password": WRONG, "ip": f"2001:db8:{secrets.token_hex(2)}::{number:x}"}
            for number in range(count)
        ]

    asks = {kind: in_turn(await guesses(kind), log_in) for kind in kinds}
    assert (await log_in({"email": email(), "password": WRONG})).code == "invalid_credentials"
    await assert_alike(asks, count, gap=0.35)


@pytest.mark.quiet
async def test_login_in_another_unicode_form_does_not_reveal_an_account(backend: Backend) -> None:
    """One that is not in NFC is hashed twice, whatever the hash; and a few at once wait for each other."""
    typed = unicodedata.normalize("NFD", "wröng horse battery")
    user = await backend.create(passwordHash=AT_THE_BOUND["bcrypt"], emailVerified=True)

    def at(address: str) -> Ask:
        async def two() -> Reply:
            whence = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"
            body = {"email": address, "password": typed, "ip": whence}
            return await backend.ask("users.v1.public.Authenticate", body, 60)

        return two

    # As many as an account has for all: the second and third attempts find nothing left, for both alike.
    await assert_alike({"bcrypt": at(str(user["email"])), "unknown": at(email())}, 16, gap=0.9)


@pytest.mark.quiet
async def test_change_password_does_not_reveal_the_kind_of_hash(backend: Backend) -> None:
    """Nor does anything else that compares a password: its refusal waits as that of a login does."""
    bodies: dict[str, list[Json]] = {"argon2": [], "bcrypt": []}
    for _ in range(15):
        for kind, owned in (("argon2", {"password": PASSWORD}), ("bcrypt", {"passwordHash": AT_THE_BOUND["bcrypt"]})):
            bodies[kind].append({"userId": (await backend.create(**owned, emailVerified=True))["id"]})

    async def change(body: Json) -> Reply:
        passwords = {"currentPassword": WRONG, "newPassword": "another good one"}
        return await backend.ask("users.v1.command.ChangePassword", body | passwords, 60)

    await assert_alike({kind: in_turn(each, change) for kind, each in bodies.items()}, 15, gap=0.4)


@pytest.mark.quiet
async def test_password_reset_mail_does_not_reveal_an_account(backend: Backend) -> None:
    async def send(body: Json) -> Reply:
        return await backend.ask("users.v1.public.SendPasswordResetEmail", body, 60)

    known, unknown = [[{"email": email()} for _ in range(40)] for _ in range(2)]
    await asyncio.gather(*(backend.create(**body) for body in known))
    await assert_alike({"known": in_turn(known, send), "unknown": in_turn(unknown, send)}, 40, gap=0.03)


@pytest.mark.quiet
async def test_discreet_registration_does_not_reveal_an_account(other_settings: Denizen) -> None:
    async with connected(other_settings.nats_url) as backend:

        async def register(body: Json) -> Reply:
            return await backend.ask("users.v1.public.Register", {**body, "password": PASSWORD}, 60)

        known = [{"email": email()} for _ in range(40)]
        unknown = [{"email": email()} for _ in range(40 * ATTEMPTS)]
        await asyncio.gather(*(backend.create(**body) for body in known))
        kinds = {"known": in_turn(known, register), "unknown": in_turn(unknown, register)}
        await assert_alike(kinds, 40, gap=0.06)
        found = await backend.query("GetUserByEmail", unknown[0])
        assert found.body["status"] == "PENDING_VERIFICATION", "it did register"


# --- that these tests can fail ----------------------------------------------------------------------------------


@pytest.mark.quiet
async def test_hash_time_alone_would_reveal_an_account() -> None:
    """What a login would take without the floor is told apart with as few samples."""
    pool = HashingPool(Settings())
    imported = AT_THE_BOUND["bcrypt"]
    taken: dict[str | None, list[float]] = {imported: [], None: []}
    for stored in [imported, None] * 20:
        began = time.perf_counter()
        await pool.verify(WRONG, stored, None)
        taken[stored].append(time.perf_counter() - began)
    await pool.close()
    assert likelihood(taken[imported], taken[None]) < UNLIKELY


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_distance_of_samples_matches_its_definition(one: list[float], other: list[float]) -> None:
    def share(values: list[float], at: float) -> float:
        return sum(value <= at for value in values) / len(values)

    expected = max(abs(share(one, at) - share(other, at)) for at in one + other)
    assert distance(one, other) == pytest.approx(expected)
    assert distance(one, one) == pytest.approx(0)


def test_likelihoods_match_published_tables() -> None:
    """Critical values of large samples: 1.358 and 1.628 times the square root of (n + m) / (n * m) at 5 % and 1 %."""
    low = [float(number) for number in range(1000)]
    for shift, level in ((61, 0.05), (73, 0.01)):
        assert likelihood(low, [number + shift for number in low]) == pytest.approx(level, rel=0.05)
