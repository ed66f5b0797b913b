"""Guessing passwords: the guess past a limit is not made, for any account; the owner gets in all the same."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import psycopg
import pytest
from denizen import AsyncClient

from tests.support.backend import Backend, Json, Reply, connected, email
from tests.support.log import until
from tests.support.people import Postbox
from tests.support.servers import Denizen

PASSWORD = "correct horse battery"
WRONG = "wrong horse battery"
NEW = "another correct horse"
FROM_ONE = 5  # services/accounts/guessing/rate_limits.py: guesses at an account from one address
AT_ONE = 25  # at an account, from wherever
BY_ONE = 100  # from one address, at whichever account


def ip() -> str:
    """An address that no other test uses."""
    return f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Backend]:
    async with connected(denizen.nats_url) as client:
        yield client


@pytest.fixture
async def owner(backend: Backend) -> str:
    """The address of a user whose password is PASSWORD."""
    return str((await backend.create(password=PASSWORD, emailVerified=True))["email"])


async def log_in(backend: Backend, address: str, password: str, whence: str | None, **headers: str) -> Reply:
    """An attempt, again where the machine is too busy for it; such a one is no guess."""
    body = {"email": address, "password": password} | ({"ip": whence} if whence else {})
    async with asyncio.timeout(60):
        while True:
            reply = await backend.ask("users.v1.public.Authenticate", body, 30, **headers)
            if reply.code != "overloaded":
                return reply


async def codes(backend: Backend, address: str, whence: Iterable[str | None], password: str = WRONG) -> list[str]:
    """The answers to guesses at an account, each from an address."""
    return sorted(await _codes(backend, [(address, each) for each in whence], password))


async def _codes(backend: Backend, guesses: Sequence[tuple[str, str | None]], password: str = WRONG) -> list[str]:
    few = asyncio.Semaphore(12)  # more are too many at once for a small machine

    async def guess(address: str, whence: str | None) -> str:
        async with few:
            return (await log_in(backend, address, password, whence)).code

    return list(await asyncio.gather(*(guess(*each) for each in guesses)))


def pass_time(denizen: Denizen, seconds: float) -> None:
    """As if all that the limits have counted had been so long ago."""
    with psycopg.connect(denizen.database_url) as connection:
        connection.execute("update denizen.throttles set tat = tat - make_interval(secs => %s)", [seconds])


async def test_guess_past_the_limit_is_refused_for_unknown_accounts_too(backend: Backend, owner: str) -> None:
    for address in (owner, email()):
        here = ip()
        found = await codes(backend, address, [here] * (FROM_ONE + 3))
        assert found == ["invalid_credentials"] * FROM_ONE + ["too_many_attempts"] * 3
        assert await codes(backend, address.upper(), [here]) == ["too_many_attempts"], "however it is written"
        assert await codes(backend, address, [here.replace("::1", "::2")]) == ["too_many_attempts"], "the network too"
    assert await codes(backend, owner, [here]) == ["invalid_credentials"], "another account from there"


async def test_refused_guess_does_not_reveal_whether_it_was_right(backend: Backend, owner: str) -> None:
    here = ip()
    await codes(backend, owner, [here] * FROM_ONE)
    wrong, right = [await log_in(backend, owner, password, here) for password in (WRONG, PASSWORD)]
    unknown_ip = ip()
    stranger = email()
    await codes(backend, stranger, [unknown_ip] * FROM_ONE)
    unknown = await log_in(backend, stranger, WRONG, unknown_ip)
    assert wrong.code == "too_many_attempts"
    assert (wrong.data, wrong.headers) == (right.data, right.headers) == (unknown.data, unknown.headers)


async def test_owner_signs_in_while_all_networks_guess(backend: Backend, denizen: Denizen, owner: str) -> None:
    home = ip()
    assert (await log_in(backend, owner, PASSWORD, home)).code == ""
    found = await codes(backend, owner, [ip() for _ in range(AT_ONE + 5)])
    assert found == ["invalid_credentials"] * AT_ONE + ["too_many_attempts"] * 5
    assert (await log_in(backend, owner, PASSWORD, ip())).code == "too_many_attempts", (
        "from a network without an earlier sign-in"
    )
    assert (await log_in(backend, owner, PASSWORD, None)).code == "too_many_attempts", "from nowhere"
    for _ in range(2 * FROM_ONE):
        assert (await log_in(backend, owner, PASSWORD, home)).code == "", "from the network of an earlier sign-in"
    assert await codes(backend, owner, [home] * (FROM_ONE + 1)) == [
        *["invalid_credentials"] * FROM_ONE,
        "too_many_attempts",
    ], "a neighbour in the network guesses no more than others"

    pass_time(denizen, 30 * AT_ONE)
    for whence in (home, ip(), None):
        assert (await log_in(backend, owner, PASSWORD, whence)).code == "", "later, from everywhere"


@asynccontextmanager
async def guessing(backend: Backend, address: str, whence: Callable[[], str | None] = ip) -> AsyncGenerator[None]:
    """Within it others guess at an account without a pause, and nothing is left of what they may use up.

    `whence`: where each guess comes from; by default each from another network.
    """
    over = asyncio.Event()

    async def guess() -> None:
        # Python 3.11 loses a cancellation that comes together with the reply (asyncio.wait_for): many come at once.
        while not over.is_set():
            await log_in(backend, address, WRONG, whence())

    await codes(backend, address, [whence() for _ in range(AT_ONE + 5)])
    async with asyncio.TaskGroup() as tasks:
        guessers = [tasks.create_task(guess()) for _ in range(8)]
        try:
            yield
        finally:
            over.set()
            for guesser in guessers:
                guesser.cancel()


async def first_in(backend: Backend, address: str, password: str, whence: str | None, **headers: str) -> Reply:
    """What the owner is answered, who tries again for 10 s; each refusal counts as another guess."""
    until = time.monotonic() + 10
    reply = await log_in(backend, address, password, whence, **headers)
    while reply.code and time.monotonic() < until:
        reply = await log_in(backend, address, password, whence, **headers)
    return reply


@pytest.mark.parametrize("everywhere", [True, False], ids=["from everywhere", "without addresses"])
async def test_owner_on_a_new_network_signs_in_by_mail_under_attack(
    backend: Backend, post: Postbox, owner: str, everywhere: bool
) -> None:
    home = ip() if everywhere else None
    async with guessing(backend, owner, ip if everywhere else lambda: None):
        assert (await log_in(backend, owner, PASSWORD, home)).code == "too_many_attempts"
        assert not (await backend.ask("users.v1.public.SendPasswordResetEmail", {"email": owner}, 20)).code
        body = {"token": await post.token(owner), "password": NEW}
        assert not (await backend.insist("users.v1.public.ConfirmPasswordReset", body, 30)).code
        assert not (await first_in(backend, owner, NEW, home)).code


async def test_owner_on_a_new_network_signs_in_under_attack(backend: Backend, owner: str) -> None:
    """Each of them has two tries in the part of new networks, which holds fifteen."""
    guessers = [ip() for _ in range(6)]
    began = time.monotonic()
    tried = await codes(backend, owner, [each for each in guessers for _ in range(FROM_ONE + 1)])
    # In each of the two parts tries come back, the faster one's each 40 s.
    assert tried.count("invalid_credentials") <= AT_ONE + 2 * ((time.monotonic() - began) / 40 + 1)
    assert tried.count("too_many_attempts") + tried.count("invalid_credentials") == len(tried)
    async with guessing(backend, owner, lambda: secrets.choice(guessers)):
        home = ip()
        assert not (await first_in(backend, owner, PASSWORD, home)).code
        assert not (await first_in(backend, owner, PASSWORD, home)).code, "where they are known now"


async def test_owner_with_an_expired_token_signs_in_under_attack(
    backend: Backend, denizen: Denizen, owner: str
) -> None:
    session = (await log_in(backend, owner, PASSWORD, ip())).body
    bearer = f"Bearer {session['accessToken']}"
    stranger = (await backend.create(password=PASSWORD, emailVerified=True))["email"]
    other = (await log_in(backend, stranger, PASSWORD, ip())).body
    assert not (await backend.ask("users.v1.self.LogOut", {}, 20, Authorization=bearer)).code
    async with guessing(backend, owner):
        for token in ("", bearer[:-1], f"Bearer {other['accessToken']}", bearer.removeprefix("Bearer ")):
            refused = await log_in(backend, owner, PASSWORD, ip(), Authorization=token)
            assert refused.code == "too_many_attempts", "no proof of a session of this user"
        assert not (await log_in(backend, owner, PASSWORD, ip(), Authorization=bearer)).code
        async with AsyncClient(denizen.nats_url) as client:
            await client.auth.sessions.authenticate(
                email=owner, password=PASSWORD, ip=ip(), earlier_token=session["accessToken"]
            )
        # And who has stolen it guesses no more often than from one more address.
        began = time.monotonic()
        tried = [(await log_in(backend, owner, WRONG, ip(), Authorization=bearer)).code for _ in range(FROM_ONE + 3)]
        # One more comes back each 30 s.
        assert FROM_ONE <= tried.count("invalid_credentials") <= FROM_ONE + (time.monotonic() - began) / 30 + 1


@pytest.mark.parametrize("whence", [ip(), None], ids=["address", "none"])
async def test_reset_password_signs_in_after_wrong_guesses(
    backend: Backend, post: Postbox, owner: str, whence: str | None
) -> None:
    await codes(backend, owner, [whence] * (FROM_ONE + 1))
    assert not (await backend.ask("users.v1.public.SendPasswordResetEmail", {"email": owner}, 20)).code
    body = {"token": await post.token(owner), "password": NEW}
    assert not (await backend.ask("users.v1.public.ConfirmPasswordReset", body, 20)).code
    for _ in range(FROM_ONE + 2):
        assert not (await log_in(backend, owner, NEW, whence)).code, "and again"


async def test_operator_set_password_signs_in_after_wrong_guesses(backend: Backend, owner: str) -> None:
    user_id = (await log_in(backend, owner, PASSWORD, ip())).body["user"]["id"]
    await codes(backend, owner, [None] * (FROM_ONE + 1))
    wrong = {"userId": user_id, "currentPassword": WRONG, "newPassword": "another good one"}
    changes = [(await backend.ask("users.v1.command.ChangePassword", wrong, 30)).code for _ in range(FROM_ONE + 1)]
    assert changes[-1] == "too_many_attempts"
    reset = {"userId": user_id, "password": NEW, "requireChange": True}
    assert not (await backend.command("ResetPassword", reset)).code
    assert (await log_in(backend, owner, NEW, None)).code == "password_change_required"
    right = {"userId": user_id, "currentPassword": NEW, "newPassword": "another good one"}
    assert not (await backend.ask("users.v1.command.ChangePassword", right, 30)).code
    assert not (await log_in(backend, owner, "another good one", None)).code


async def test_stranger_with_the_user_id_does_not_void_the_next_code(backend: Backend, post: Postbox) -> None:
    user = await backend.create(password=PASSWORD)
    body = {"userId": user["id"]}
    for count in (1, 2):
        tried = [
            (await backend.ask("users.v1.public.VerifyEmail", {**body, "code": f"x{number:05d}"}, 20)).code
            for number in range(25)
        ]
        assert set(tried) <= {"code_invalid", "too_many_attempts"}
        assert tried[-1] == "too_many_attempts"
        assert not (await backend.command("SendVerificationEmail", body)).code
        code = {**body, "code": await post.code(user["email"], count)}
    await codes(backend, user["email"], [None] * (FROM_ONE + 1))
    assert not (await backend.ask("users.v1.public.VerifyEmail", code, 20)).code
    assert not (await log_in(backend, user["email"], PASSWORD, None)).code, "the code proved the mailbox, too"


async def test_owner_verifies_by_long_code_under_attack(backend: Backend, denizen: Denizen, post: Postbox) -> None:
    """The attack goes on from before the code is made until after the owner has verified."""
    user = await backend.create(password=PASSWORD)
    body = {"userId": user["id"]}
    said: set[str] = set()
    over = asyncio.Event()

    async def attack(wrong: str) -> None:
        while not over.is_set():  # As in `guessing`.
            reply = await backend.ask("users.v1.public.VerifyEmail", {**body, "code": wrong}, 30)
            said.add(reply.code)

    def tries() -> int:
        with psycopg.connect(denizen.database_url) as connection:
            query = "select attempts from denizen.codes where user_id = %s and purpose = 'verify'"
            row = connection.execute(query, [user["id"]]).fetchone()
        return row[0] if row else 0

    async def used_up() -> bool:
        return await asyncio.to_thread(tries) == 5

    async with asyncio.TaskGroup() as tasks:
        attackers = [tasks.create_task(attack(wrong)) for wrong in ("wrong1", "wrong2", "f" * 32) for _ in range(3)]
        assert not (await backend.insist("users.v1.command.SendVerificationEmail", body, 30)).code
        digits, long_code = await post.code(user["email"]), await post.long_code(user["email"])
        assert await until(used_up, "the end of the five tries")
        typed = await backend.insist("users.v1.public.VerifyEmail", {**body, "code": digits}, 30)
        assert typed.code in ("code_invalid", "too_many_attempts")
        verified = await backend.insist("users.v1.public.VerifyEmail", {**body, "code": long_code}, 30)
        assert not any(attacker.done() for attacker in attackers), "the attack went on the whole time"
        over.set()
    assert verified.body["user"]["emailVerified"] is True
    assert "" not in said, "no wrong code is accepted"


async def test_guess_limit_recovers_gradually(backend: Backend, denizen: Denizen, owner: str) -> None:
    here = ip()
    await codes(backend, owner, [here] * (FROM_ONE + 1))
    pass_time(denizen, 30)
    assert await codes(backend, owner, [here] * 2) == ["invalid_credentials", "too_many_attempts"]


async def test_one_address_on_many_accounts_is_limited(backend: Backend) -> None:
    """Each account once: the way of who has a list of passwords from elsewhere. Its unknown ones count as well."""
    here = ip()
    began = time.monotonic()
    found = await _codes(backend, [(email(), here) for _ in range(BY_ONE + 30)])
    assert set(found) == {"invalid_credentials", "too_many_attempts"}
    # One more comes back each second.
    assert BY_ONE <= found.count("invalid_credentials") <= BY_ONE + time.monotonic() - began + 1


async def test_session_does_not_allow_more_password_guesses(backend: Backend, owner: str) -> None:
    """The thief of a session does not find the password by changing it."""
    session = (await log_in(backend, owner, PASSWORD, ip())).body
    bearer = f"Bearer {session['accessToken']}"
    body: Json = {"currentPassword": WRONG, "newPassword": "another good one"}
    found: list[str] = []
    for _ in range(FROM_ONE + 2):
        reply = await backend.insist("users.v1.self.ChangePassword", body, 30, Authorization=bearer)
        found.append(reply.code)
    assert found == ["invalid_credentials"] * FROM_ONE + ["too_many_attempts"] * 2
