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

from bench.load import Load, finish
from bench.system import ROOT, System
from services.passwords import argon2id
from services.passwords.hasher import PARAMETERS

_TIMEOUT = 30.0
_PASSWORD = "correct horse battery"
_CFFI = PasswordHasher.from_parameters(PARAMETERS["owasp"])
QUERIES = 50
"""GetUserByEmail a second beside a flood: enough to tell a p99 by, for they take from the logins' processor, too."""
_SETTLED = 1.0
"""Seconds from which on the answers of a flood are counted: the queue is full by then."""


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
        p99: milliseconds of those.
        overloaded: of all logins, the share that was refused as `overloaded`.
        overloaded_p99: milliseconds of those refusals.
        cpu: the client's share of one core, which the service on the same machine had not.
        codes: other refusals.
    """

    rate: float
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
    before = denizen.memory()["accounts"]
    peaks: list[float] = [before]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            peaks.append(denizen.memory()["accounts"])

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        queries = Load(denizen.nats_url, "GetUserByEmail", logins.seconds, rate=QUERIES).begin()
        outcome = logins.run()
        query_p99 = finish(queries).p99
    finally:
        ended.set()
        watching.join()
    return Flood(outcome, query_p99, before, max(peaks), denizen.memory()["accounts"])


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
    """Sends logins, and notes what comes back."""

    def __init__(self, client: Client, logins: Logins) -> None:
        self._client = client
        self._logins = logins
        self._numbers = random.sample(range(logins.count), logins.count)
        self._next = 0
        self.answers: list[tuple[float, float, str]] = []
        """When it came, how long it took, and the code of the refusal."""

    async def log_in(self, due: float) -> None:
        self._next += 1
        body = {
            "email": _email(self._logins.accounts, self._numbers[self._next % self._logins.count]),
            "password": _PASSWORD,
            "ip": f"10.{random.getrandbits(8)}.{random.getrandbits(8)}.{random.getrandbits(8)}",
        }
        reply = await self._client.request("users.v1.command.Authenticate", orjson.dumps(body), timeout=_TIMEOUT)
        now = time.perf_counter()
        refused = bool(reply.headers and "Nats-Service-Error" in reply.headers)
        code = orjson.loads(reply.data)["error"]["code"] if refused else ""
        self.answers.append((now, now - due, code))

    async def closed(self, until: float) -> None:
        async def worker() -> None:
            while (now := time.perf_counter()) < until:
                await self.log_in(now)

        await asyncio.gather(*(worker() for _ in range(self._logins.in_flight)))

    async def open(self, began: float, until: float) -> None:
        async with asyncio.TaskGroup() as running:
            number = 0
            while (due := began + number / self._logins.rate) < until:
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                running.create_task(self.log_in(due))
                number += 1


async def main(logins: Logins) -> Outcome:
    connection = await nats.connect(logins.url, inbox_prefix="_INBOX.backend")
    client = _Client(connection, logins)
    cpu, began = time.process_time(), time.perf_counter()
    until = began + logins.seconds
    since = began + (_SETTLED if logins.rate else 0)
    await (client.open(began, until) if logins.rate else client.closed(until))
    share = (time.process_time() - cpu) / (time.perf_counter() - began)
    await connection.close()
    good = [taken for at, taken, code in client.answers if not code and since <= at < until]
    refused = [taken for _, taken, code in client.answers if code == "overloaded"]
    others = Counter(code for _, _, code in client.answers if code not in ("", "overloaded"))
    return Outcome(
        rate=len(good) / (until - since),
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
