"""A client in a process of its own: `python -m bench.load`, a Load as JSON on stdin, a Result as JSON on stdout."""

import asyncio
import itertools
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Literal

import nats
import orjson
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg

from bench.system import ROOT

Kind = Literal[
    "echo",
    "CreateUser",
    "CreateUser with id",
    "GetUser",
    "GetUserByEmail",
    "UpdateUser",
    "BlockUser",
    "projection",
    "event",
]
Call = tuple[str, bytes, dict[str, str] | None]
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Load:
    """What to send.

    Attributes:
        in_flight: requests that wait for their answer at any time (closed loop).
        rate: requests a second, sent when they are due whatever the answers do (open loop); 0: closed loop.
        seconds: how long.
    """

    url: str
    kind: Kind
    seconds: float
    in_flight: int = 1
    rate: float = 0

    def run(self) -> "Result":
        """Run it in a process of its own."""
        process = self.begin()
        return finish(process)

    def begin(self) -> "subprocess.Popen[bytes]":
        """Start it; `finish` waits for its end."""
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(self)).encode())
        process.stdin.close()
        return process


@dataclass
class Result:
    """What came of it: rate a second, latencies in milliseconds, refusals, the client's share of one core, and how many
    answers.
    """

    rate: float
    p50: float
    p99: float
    errors: int
    cpu: float
    count: int


def finish(process: "subprocess.Popen[bytes]") -> Result:
    """The result of a load that was begun. Raises RuntimeError where it failed."""
    assert process.stdout is not None
    output = process.stdout.read()
    process.stdout.close()
    if process.wait() != 0:
        raise RuntimeError("the load generator failed")
    return Result(**json.loads(output))


async def main(load: Load) -> Result:
    client = await nats.connect(load.url, inbox_prefix="_INBOX.backend")
    users = (
        [] if load.kind in ("echo", "CreateUser", "CreateUser with id", "projection", "event") else await _users(client)
    )
    latencies: list[float] = []
    errors = 0

    async def ask(call: Call, began: float) -> None:
        nonlocal errors
        reply = await client.request(call[0], call[1], timeout=_TIMEOUT, headers=call[2])
        latencies.append(time.perf_counter() - began)
        errors += bool(reply.headers and "Nats-Service-Error" in reply.headers)

    await client.flush()
    cpu, began = time.process_time(), time.perf_counter()
    until = began + load.seconds
    if load.kind == "projection":
        latencies = await _to_projection(client, until)
    elif load.kind == "event":
        latencies = await _to_event(client, until)
    elif load.rate:
        await _open(load, until, ask, users)
    else:
        await asyncio.gather(*(_worker(load, number, until, ask, users) for number in range(load.in_flight)))
    elapsed = time.perf_counter() - began
    share = (time.process_time() - cpu) / elapsed
    await client.close()
    ordered = sorted(latencies)
    return Result(
        len(ordered) / elapsed,
        1000 * ordered[len(ordered) // 2],
        1000 * ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)],
        errors,
        share,
        len(ordered),
    )


Ask = Callable[[Call, float], Awaitable[None]]
User = tuple[str, str]


async def _worker(load: Load, number: int, until: float, ask: Ask, users: list[User]) -> None:
    for turn in itertools.count():
        now = time.perf_counter()
        if now >= until:
            return
        await ask(_call(load.kind, number, turn, users), now)


async def _open(load: Load, until: float, ask: Ask, users: list[User]) -> None:
    """Each request when it is due; its latency counts from then, so a stall is not hidden by sending less."""
    began = time.perf_counter()
    running: set[asyncio.Task[None]] = set()
    for number in itertools.count():
        due = began + number / load.rate
        if due >= until:
            break
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        task = asyncio.ensure_future(ask(_call(load.kind, number, 0, users), due))
        running.add(task)  # type: ignore[arg-type]
        task.add_done_callback(running.discard)  # type: ignore[arg-type]
    await asyncio.gather(*running)


def _call(kind: Kind, number: int, turn: int, users: list[User]) -> Call:
    if kind == "echo":
        return "echo", b"x" * 300, None
    if kind in ("CreateUser", "CreateUser with id"):
        unique = secrets.token_hex(8)
        headers = {"Nats-Msg-Id": unique} if kind == "CreateUser with id" else None
        return "users.v1.command.CreateUser", _new_user(unique), headers
    user_id, email = users[(number + 61 * turn) % len(users)]
    if kind == "GetUserByEmail":
        return "users.v1.query.GetUserByEmail", orjson.dumps({"email": email}), None
    if kind == "GetUser":
        return "users.v1.query.GetUser", orjson.dumps({"userId": user_id}), None
    if kind == "UpdateUser":
        body = orjson.dumps({"userId": user_id, "metadata": {"turn": turn, "number": number}})
        return "users.v1.command.UpdateUser", body, None
    # Every worker has a user of its own, blocked and unblocked in turns.
    user_id, _ = users[number % len(users)]
    command = "BlockUser" if turn % 2 == 0 else "UnblockUser"
    return f"users.v1.command.{command}", orjson.dumps({"userId": user_id}), None


def _new_user(unique: str) -> bytes:
    """A user with a profile, metadata and an external id."""
    return orjson.dumps(
        {
            "email": f"{unique}@example.com",
            "externalId": unique,
            "emailVerified": False,
            "profile": {"firstName": "John", "lastName": "Doe", "picture": "https://example.com/avatar.jpg"},
            "metadata": {"plan": "pro", "source": "signup"},
        }
    )


async def _users(client: Client) -> list[User]:
    """Ids and addresses of 500 users; they are created where they are missing."""
    for _ in range(100):
        reply = await client.request("users.v1.query.ListUsers", b'{"count":500}', timeout=_TIMEOUT)
        page = orjson.loads(reply.data)["data"]
        if len(page) == 500:
            return [(user["id"], user["email"]) for user in page]
        calls = [_call("CreateUser", 0, 0, []) for _ in range(100)]
        await asyncio.gather(*(client.request(call[0], call[1], timeout=_TIMEOUT) for call in calls))
    raise RuntimeError("500 users did not come about")


async def _to_projection(client: Client, until: float) -> list[float]:
    """From the reply of a command until its projection answers with it, one after another."""
    latencies: list[float] = []
    while time.perf_counter() < until:
        unique = secrets.token_hex(8)
        reply = await client.request("users.v1.command.CreateUser", _new_user(unique), timeout=_TIMEOUT)
        began = time.perf_counter()
        headers = {"Denizen-Min-Position": str(orjson.loads(reply.data)["position"])}
        body = orjson.dumps({"email": f"{unique}@example.com"})
        found = await client.request("users.v1.query.GetUserByEmail", body, timeout=_TIMEOUT, headers=headers)
        latencies.append(time.perf_counter() - began)
        assert b'"id"' in found.data, found.data
    return latencies


async def _to_event(client: Client, until: float) -> list[float]:
    """From a command that is sent until its event is at a subscriber, one after another."""
    arrived: asyncio.Queue[tuple[str, float]] = asyncio.Queue()

    async def note(message: Msg) -> None:
        arrived.put_nowait((message.subject, time.perf_counter()))

    await client.subscribe("users.v1.event.UserBlocked.*", cb=note)
    latencies: list[float] = []
    while time.perf_counter() < until:
        created = await client.request("users.v1.command.CreateUser", _new_user(secrets.token_hex(8)), timeout=_TIMEOUT)
        user_id = orjson.loads(created.data)["user"]["id"]
        began = time.perf_counter()
        await client.publish(
            "users.v1.command.BlockUser", orjson.dumps({"userId": user_id}), reply="_INBOX.backend.bench"
        )
        while True:
            subject, at = await asyncio.wait_for(arrived.get(), _TIMEOUT)
            if subject.endswith(user_id):
                latencies.append(at - began)
                break
    return latencies


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(main(Load(**json.load(sys.stdin)))))))
