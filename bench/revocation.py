"""From a revocation to the last of 20 verifiers, in other processes, that refuses the token."""

import asyncio
import secrets
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal

import nats
import orjson
import uvloop
from nats.aio.client import Client

from bench import typescript
from bench.load import Load, finish
from bench.system import ROOT
from scripts import node

VERIFIERS = 20
_BLOCKS = 20
"""Blocks a second."""
Process = subprocess.Popen[str]
Language = Literal["Python", "TypeScript"]


class Verifiers:
    """The processes."""

    def __init__(self, processes: list[Process]) -> None:
        self._processes = processes

    def hold(self, user: str, token: str) -> None:
        """Have all of them take a token. Raises RuntimeError where one refuses."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{user} {token}\n")
            process.stdin.flush()
        for process in self._processes:
            if _line(process) != f"held {user}":
                raise RuntimeError("a verifier refuses a good token")

    def refused_at(self, user: str) -> float:
        """When the last of them refused the user's token, by time.monotonic."""
        last = 0.0
        for process in self._processes:
            said, at = _line(process).split()
            if said != user:
                raise RuntimeError("a verifier refuses another's token")
            last = max(last, float(at))
        return last


def _line(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@contextmanager
def verifiers(url: str, processes: int, each: int = 1, language: Language = "Python") -> Generator[Verifiers]:
    """So many processes with `each` verifiers in them, all listening."""
    if language == "Python":
        command, environment = [sys.executable, "-m", "bench.verifier", url, str(each)], None
    else:
        command = typescript.program("verifiers", str(each))
        environment = {**node.environment(), "DENIZEN_NATS_URL": url}
    started = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    try:
        for process in started:
            if _line(process) != "ready":
                raise RuntimeError("a verifier did not start")
        yield Verifiers(started)
    finally:
        for process in started:
            process.kill()
            process.communicate()


def measure(url: str, processes: int, seconds: float, rate: float, language: Language = "Python") -> list[float]:
    """Milliseconds from sending BlockUser to the last refusal of VERIFIERS in so many processes, 20 a second.

    `rate` other commands a second go on.
    """
    with verifiers(url, processes, VERIFIERS // processes, language) as them:
        return uvloop.run(_measure(them, url, seconds, rate))


async def _measure(them: Verifiers, url: str, seconds: float, rate: float) -> list[float]:
    client = await nats.connect(url, inbox_prefix="_INBOX.backend")
    users = await asyncio.gather(*(_sign_in(client) for _ in range(round(_BLOCKS * seconds))))
    for user, token in users:
        them.hold(user, token)
    background = Load(url, "CreateUser", seconds + 2, rate=rate).begin()
    await asyncio.sleep(1)  # The load is under way before the first block.
    latencies: list[float] = []
    began = time.monotonic()
    for number, (user, _) in enumerate(users):
        await asyncio.sleep(max(0.0, began + number / _BLOCKS - time.monotonic()))
        sent = time.monotonic()
        await client.publish("users.v1.command.BlockUser", orjson.dumps({"userId": user}), reply=client.new_inbox())
        await client.flush()
        latencies.append(1000 * (await asyncio.to_thread(them.refused_at, user) - sent))
    await client.close()
    if finish(background).errors:
        raise RuntimeError("the load was refused")
    return sorted(latencies)


async def _sign_in(client: Client) -> tuple[str, str]:
    """A new user and an access token for them."""
    person = {"email": f"{secrets.token_hex(8)}@example.com", "password": secrets.token_hex(16)}
    created = await _ask(client, "CreateUser", {**person, "emailVerified": True})
    signed_in = await _ask(client, "Authenticate", person)
    return created["user"]["id"], signed_in["accessToken"]


async def _ask(client: Client, command: str, body: dict[str, Any]) -> dict[str, Any]:
    while True:
        reply = orjson.loads((await client.request(f"users.v1.command.{command}", orjson.dumps(body), timeout=30)).data)
        code = reply.get("error", {}).get("code")
        if code is None:
            return reply
        if code != "overloaded":
            raise RuntimeError(f"{command}: {code}")
        await asyncio.sleep(0.05)
