"""Logins beside what this machine can hash: `python -m bench.logins`, Logins as JSON on stdin, an Outcome on stdout."""

import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field

import nats
import orjson
import uvloop
from argon2 import PasswordHasher
from nats.aio.client import Client
from nats.aio.msg import Msg

from bench.load import Load, finish
from bench.system import ROOT, System
from services.passwords import argon2id
from services.passwords.hasher import PARAMETERS

_TIMEOUT = 30.0
_PASSWORD = "correct horse battery"
_LOGIN = b'{"email":"%b","password":"%b","ip":"10.%d.%d.%d"}'
_OVERLOADED, _UNANSWERED = b'{"error":{"code":"overloaded",', b'{"error":{"code":"no responders"}}'
_CFFI = PasswordHasher.from_parameters(PARAMETERS["owasp"])
QUERIES = 50
"""GetUserByEmail a second beside a flood: enough to tell a p99 by, for they take from the logins' processor, too."""
_SETTLED = 1.0
"""Seconds from which on the answers of a flood are counted: the queue is full by then."""
_TICK = 0.002
"""Seconds between looks at what is due: two or three go out together, for each look takes from the service, too."""
_LOOK = 0.05
"""Seconds between looks at whether all are answered."""


def hash_rate(seconds: float, *, ours: bool = False) -> float:
    """argon2id hashes a second at OWASP's parameters on all cores.

    By argon2-cffi, a thread a core; or as the service computes them, which is the least that a login can cost.
    """
    rates: list[float] = []

    def work() -> None:
        with argon2id.beside() if ours else nullcontext():
            argon2id.new(b"", PARAMETERS["owasp"])  # Whatever is started for the first one is there.
            done, began = 0, time.perf_counter()
            while (passed := time.perf_counter() - began) < seconds:
                argon2id.new(_PASSWORD.encode(), PARAMETERS["owasp"]) if ours else _hash()
                done += 1
            rates.append(done / passed)

    threads = [threading.Thread(target=work) for _ in range(len(os.sched_getaffinity(0)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)


def _hash() -> str:
    return _CFFI.hash(_PASSWORD)


@dataclass(frozen=True)
class Logins:
    """Logins of many accounts, each from an address of its own, so that no limit on guessing is met.

    Attributes:
        accounts: their addresses begin with this, and a number follows.
        count: how many there are.
        in_flight: logins that wait for their answer at any time (closed loop).
        rate: logins a second, sent when they are due whatever the answers do (open loop); 0: closed loop.
    """

    url: str
    accounts: str
    count: int
    seconds: float
    in_flight: int = 1
    rate: float = 0

    def run(self) -> "Outcome":
        """Run it in a process of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.logins"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        output, _ = process.communicate(json.dumps(asdict(self)).encode())
        if process.returncode != 0:
            raise RuntimeError("the logins failed")
        return Outcome(**json.loads(output))


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        rate: sessions that began, a second.
        answers: to all logins, also those that came after the time was over.
        p99: milliseconds of those.
        overloaded: of all logins, the share that was refused as `overloaded`.
        overloaded_p99: milliseconds of those refusals.
        cpu: the client's share of one core, which the service on the same machine had not.
        codes: other refusals.
    """

    rate: float
    answers: int
    p99: float
    overloaded: float
    overloaded_p99: float
    cpu: float
    codes: dict[str, int] = field(default_factory=dict[str, int])


@dataclass
class Flood:
    """A flood's outcome, milliseconds of queries meanwhile, and megabytes of accounts before, at most, and after."""

    outcome: Outcome
    query_p99: float
    before: float
    peak: float
    after: float


def flood(denizen: System, logins: Logins) -> Flood:
    """Logins at a rate that cannot be answered, and GetUserByEmail beside them."""
    before = denizen.memory_of("accounts")
    peaks: list[float] = [before]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            peaks.append(denizen.memory_of("accounts"))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        queries = Load(denizen.nats_url, "GetUserByEmail", logins.seconds, rate=QUERIES).begin()
        outcome = logins.run()
        query_p99 = finish(queries).p99
    finally:
        ended.set()
        watching.join()
    return Flood(outcome, query_p99, before, max(peaks), denizen.memory_of("accounts"))


def prepare(url: str, count: int) -> str:
    """Accounts that can log in; what their addresses begin with."""
    return uvloop.run(_prepare(url, count))


async def _prepare(url: str, count: int) -> str:
    client = await nats.connect(url, inbox_prefix="_INBOX.backend")
    accounts, stored = secrets.token_hex(6), _hash()
    few = asyncio.Semaphore(64)

    async def create(number: int) -> None:
        body = {"email": _email(accounts, number), "passwordHash": stored, "emailVerified": True}
        async with few:
            reply = await client.request("users.v1.command.CreateUser", orjson.dumps(body), timeout=_TIMEOUT)
        if b'"error"' in reply.data:
            raise RuntimeError("an account could not be created")

    await asyncio.gather(*(create(number) for number in range(count)))
    await client.close()
    return accounts


def _email(accounts: str, number: int) -> str:
    return f"{accounts}.{number}@example.com"


class _Client:
    """Sends logins and notes what comes back, with little work for each: the service has the same processors."""

    def __init__(self, client: Client, logins: Logins) -> None:
        self._client = client
        self._logins = logins
        self._inbox = client.new_inbox()
        self._numbers = random.sample(range(logins.count), logins.count)
        self._due: list[float] = []
        self._until = 0.0
        self.answers: list[tuple[float, float, str]] = []
        """When it came, how long it took, and the code of the refusal."""

    async def run(self, began: float, until: float) -> None:
        """Until each is answered. Raises TimeoutError."""
        self._until = until
        answers = await self._client.subscribe(f"{self._inbox}.*", cb=self._note)
        async with asyncio.timeout(self._logins.seconds + _TIMEOUT):
            if self._logins.rate:
                await self._open(began)
            else:
                for _ in range(self._logins.in_flight):
                    await self._send(time.perf_counter())
            while time.perf_counter() < until or len(self.answers) < len(self._due):
                await asyncio.sleep(_LOOK)
        await answers.unsubscribe()

    async def _open(self, began: float) -> None:
        """Each when it is due; its time counts from then, so that a stall is not hidden by sending less."""
        for number in range(round(self._logins.rate * self._logins.seconds)):
            due = began + number / self._logins.rate
            while due > time.perf_counter():
                await asyncio.sleep(_TICK)
            await self._send(due)

    async def _send(self, due: float) -> None:
        account = self._numbers[len(self._due) % self._logins.count]
        email = _email(self._logins.accounts, account)
        body = _LOGIN % (email.encode(), _PASSWORD.encode(), *random.randbytes(3))
        self._due.append(due)
        await self._client.publish("users.v1.command.Authenticate", body, reply=f"{self._inbox}.{len(self._due) - 1}")

    async def _note(self, message: Msg) -> None:
        now = time.perf_counter()
        taken = now - self._due[int(message.subject.rpartition(".")[2])]
        if message.data.startswith(_OVERLOADED):
            code = "overloaded"
        else:
            code = orjson.loads(message.data or _UNANSWERED).get("error", {}).get("code", "")
        self.answers.append((now, taken, code))
        if not self._logins.rate and now < self._until:
            await self._send(now)


async def main(logins: Logins) -> Outcome:
    connection = await nats.connect(logins.url, inbox_prefix="_INBOX.backend")
    client = _Client(connection, logins)
    cpu, began = time.process_time(), time.perf_counter()
    until = began + logins.seconds
    since = began + (_SETTLED if logins.rate else 0)
    await client.run(began, until)
    share = (time.process_time() - cpu) / (time.perf_counter() - began)
    await connection.close()
    good = [taken for at, taken, code in client.answers if not code and since <= at < until]
    refused = [taken for _, taken, code in client.answers if code == "overloaded"]
    others = Counter(code for _, _, code in client.answers if code not in ("", "overloaded"))
    return Outcome(
        rate=len(good) / (until - since),
        answers=len(client.answers),
        p99=_p99(good),
        overloaded=len(refused) / len(client.answers),
        overloaded_p99=_p99(refused),
        cpu=share,
        codes=dict(others),
    )


def _p99(seconds: list[float]) -> float:
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)] if ordered else 0.0


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(main(Logins(**json.load(sys.stdin)))))))
