"""More logins than can be hashed: the surplus is refused before anything is done for it, and all are answered."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator

import psycopg
import pytest
from nats.aio.msg import Msg

from tests.support.backend import Backend, connected, email
from tests.support.quiet import ends_within
from tests.support.servers import Denizen

PASSWORD = "correct horse battery"
SURPLUS = 3000


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Backend]:
    async with connected(denizen.nats_url) as client:
        yield client


def counted(denizen: Denizen) -> int:
    """Limits that a guess has touched."""
    with psycopg.connect(denizen.database_url) as connection:
        (count,) = connection.execute("select count(*) from denizen.throttles").fetchone() or (0,)
    return int(count)


async def answers(backend: Backend, bodies: list[bytes]) -> list[str]:
    """All requests at once: the codes of the answers as they came; empty where the user got in."""
    codes: list[str] = []
    done = asyncio.Event()
    inbox = backend.client.new_inbox()

    async def note(message: Msg) -> None:
        codes.append((message.headers or {}).get("Nats-Service-Error-Code", ""))
        if len(codes) == len(bodies):
            done.set()

    subscription = await backend.client.subscribe(f"{inbox}.*", cb=note)
    for number, body in enumerate(bodies):
        subject = f"users.v1.{'public' if number % 2 else 'command'}.Authenticate"
        await backend.client.publish(subject, body, reply=f"{inbox}.{number}")
    async with asyncio.timeout(60):
        await done.wait()
    await subscription.unsubscribe()
    return codes


@pytest.mark.slow
async def test_flood_surplus_is_refused_at_once(backend: Backend, denizen: Denizen) -> None:
    user = await backend.create(password=PASSWORD, emailVerified=True)
    for _ in range(2):  # Twice: the places are free again.
        before = counted(denizen)
        bodies = [
            b'{"email": "%b", "password": "a guess", "ip": "2001:db8:%b::"}'
            % (email().encode(), secrets.token_hex(2).encode())
            for _ in range(SURPLUS)
        ]
        came = await answers(backend, bodies)
        codes = Counter(came)
        assert set(codes) <= {"401", "503", "429"}, codes
        assert came.index("503") < came.index("401")
        assert came[-1] != "503", "who is refused does not wait as long as who is let in"
        made = codes["401"] + codes["429"]
        assert made > 0
        assert codes["503"] > SURPLUS / 2, codes
        assert counted(denizen) - before <= 4 * made, "a guess that is not made is not counted"
        login = {"email": user["email"], "password": PASSWORD, "ip": "192.0.2.77"}
        assert (await backend.command("Authenticate", login)).code == ""


@pytest.mark.slow
async def test_registrations_leave_sign_ins_their_share(backend: Backend) -> None:
    """More of them than can be hashed, all the time: of 64 who sign in meanwhile, one was let in before."""
    user = await backend.create(password=PASSWORD, emailVerified=True)
    refused: Counter[str] = Counter()
    over = asyncio.Event()

    async def register() -> None:
        # Python 3.11 loses a cancellation that comes together with the reply (asyncio.wait_for): many come at once.
        while not over.is_set():
            body = {"email": email(), "password": PASSWORD}
            refused[(await backend.ask("users.v1.public.Register", body, 60)).code] += 1

    async def sign_in() -> str:
        body = {"email": user["email"], "password": PASSWORD}
        return (await backend.ask("users.v1.public.Authenticate", body, 60)).code

    async with ends_within(240), asyncio.TaskGroup() as tasks:
        for _ in range(1000):
            tasks.create_task(register())
        while not refused["overloaded"]:
            await asyncio.sleep(0.01)
        # Few at a time: they are all of one account, and those under way count as guesses.
        came = [await sign_in() for _ in range(32)]
        over.set()
    assert came.count("") >= 24, (came, refused)
    assert refused["overloaded"] > refused[""], "it is a flood"


@pytest.mark.slow
async def test_one_address_leaves_places_for_others(backend: Backend) -> None:
    user = {"email": email()}
    owned = {**user, "password": PASSWORD, "emailVerified": True}
    async with ends_within(240):  # What the flood before has left is hashed first.
        while (await backend.ask("users.v1.command.CreateUser", owned, 60)).code == "overloaded":
            await asyncio.sleep(0.05)
    seen: Counter[str] = Counter()
    over = asyncio.Event()

    async def guess() -> None:
        while not over.is_set():
            body = {"email": email(), "password": "a guess"}
            seen[(await backend.ask("users.v1.public.Authenticate", body, 60)).code] += 1

    async with ends_within(240), asyncio.TaskGroup() as tasks:
        for _ in range(1000):
            tasks.create_task(guess())
        while not seen["overloaded"]:
            await asyncio.sleep(0.01)
        body = {"email": user["email"], "password": PASSWORD, "ip": "192.0.2.78"}
        came = [(await backend.ask("users.v1.public.Authenticate", body, 60)).code for _ in range(16)]
        over.set()
    assert came == [""] * 16, (came, seen)


async def test_unreadable_request_in_a_flood_is_answered(backend: Backend) -> None:
    bodies = [b'{"email": "%b", "password": "a guess"}' % email().encode() for _ in range(SURPLUS)]
    codes = await answers(backend, [*bodies, b"nonsense", b'{"email": 7}'])
    assert len(codes) == SURPLUS + 2
    assert set(codes) <= {"400", "401", "422", "503"}, codes
