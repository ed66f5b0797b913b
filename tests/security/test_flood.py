"""More logins than can be hashed: the surplus is refused before anything is done for it, and all are answered."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator

import psycopg
import pytest
from nats.aio.msg import Msg

from tests.support.backend import Backend, connected, email
from tests.support.servers import Denizen

PASSWORD = "correct horse battery"
SURPLUS = 3000


@pytest.fixture
async def backend(denizen: Denizen) -> AsyncIterator[Backend]:
    async with connected(denizen.nats_url) as client:
        yield client


def counted(denizen: Denizen) -> int:
    """Limits that somebody has touched."""
    with psycopg.connect(denizen.database_url) as connection:
        (count,) = connection.execute("select count(*) from denizen.throttles").fetchone() or (0,)
    return int(count)


async def answers(backend: Backend, bodies: list[bytes]) -> list[str]:
    """All requests at once: the codes of the answers as they came; empty where he got in."""
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


async def test_the_surplus_is_refused_at_once_and_untouched(backend: Backend, denizen: Denizen) -> None:
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


async def test_what_cannot_be_read_is_answered_in_a_flood_too(backend: Backend) -> None:
    bodies = [b'{"email": "%b", "password": "a guess"}' % email().encode() for _ in range(SURPLUS)]
    codes = await answers(backend, [*bodies, b"nonsense", b'{"email": 7}'])
    assert len(codes) == SURPLUS + 2
    assert set(codes) <= {"400", "401", "422", "503"}, codes
