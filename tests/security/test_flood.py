"""More logins than can be hashed: the surplus is refused before anything is done for it, and all are answered."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from statistics import median
from urllib.parse import urlsplit

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


class SubscriberFlood:
    """Requests of one subscriber, as many under way all the time as its share of NATS's memory lets it.

    Attributes:
        answered: how many have been answered.
    """

    UNDER_WAY = 30_000
    INBOX = b"_INBOX.backend.greedy"

    def __init__(self, body: bytes) -> None:
        self._request = b"PUB users.v1.subscriber.FollowEvents.greedy %b %d\r\n%b\r\n" % (self.INBOX, len(body), body)
        self.answered = 0

    async def run(self, url: str) -> None:
        """Ask until cancelled."""
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(b'CONNECT {"verbose":false,"headers":true}\r\nSUB %b 1\r\n' % self.INBOX)
            await self._ask(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked, answer, rest = 0, b"HMSG %b " % self.INBOX, b""
        while True:
            while asked - self.answered < self.UNDER_WAY:
                writer.write(self._request * 1000)
                asked += 1000
            await writer.drain()
            data = await reader.read(65536)
            assert data, "NATS has ended the connection"
            if b"PING\r\n" in data:
                writer.write(b"PONG\r\n")
            self.answered += (rest + data).count(answer)
            rest = (rest + data)[1 - len(answer) :]


@pytest.mark.embedded
@pytest.mark.parametrize("body", [b'{"types": ["UserBlocked"]}', b"nonsense"])
async def test_flood_of_a_subscriber_holds_up_no_event(denizen: Denizen, backend: Backend, body: bytes) -> None:
    """The relay, which answers subscribers, publishes others' events meanwhile: it takes turns.

    What is counted is how many requests of the flood it answers between a command's reply and its event.
    """
    came: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    flood = SubscriberFlood(body)

    async def note(message: Msg) -> None:
        came.put_nowait((message.subject.rpartition(".")[2], flood.answered))

    await backend.client.subscribe("users.v1.event.UserCreated.*", cb=note)
    flooding = asyncio.create_task(flood.run(denizen.nats_url))
    try:
        async with asyncio.timeout(60):
            while flood.answered < flood.UNDER_WAY:
                await asyncio.sleep(0.01)
            between: list[int] = []
            for _ in range(10):
                user = await backend.create()
                before = flood.answered
                while (event := await came.get())[0] != user["id"]:
                    pass
                between.append(event[1] - before)
        assert median(between) < 3_000, between
    finally:
        flooding.cancel()
        await asyncio.wait([flooding])
    assert flooding.cancelled(), "it was never cut off"
