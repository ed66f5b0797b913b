"""Steady load from a back end that writes down every acknowledged reply, and what must be true of them afterwards."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from services.eventstore.log.verify import verify
from tests.support.backend import Backend, Json, Reply, connected, email
from tests.support.servers import Denizen

STREAM = "USERS_EVENTS"
_WORKERS = 16


@dataclass
class Asked:
    """A command with its id, and the reply that was acknowledged."""

    name: str
    body: Json
    key: str
    reply: Reply


@dataclass
class Traffic:
    """What has been asked and acknowledged. `answered` counts, `silent` names what got no answer in time."""

    acknowledged: list[Asked] = field(default_factory=list[Asked])
    refused: int = 0
    silent: int = 0

    async def work(self, backend: Backend, stop: asyncio.Event) -> None:
        """Create a user, change and block them, and so on. Each command is repeated by its id until it is answered."""
        while not stop.is_set():
            created = await self._command(backend, "CreateUser", {"email": email()}, stop)
            if created is None:
                continue
            user = created.body["user"]["id"]
            await self._command(backend, "UpdateUser", {"userId": user, "metadata": {"n": 1}}, stop)
            await self._command(backend, "BlockUser", {"userId": user}, stop)

    async def _command(self, backend: Backend, name: str, body: Json, stop: asyncio.Event) -> Reply | None:
        key = secrets.token_hex(8)
        while not stop.is_set():
            try:
                reply = await backend.ask(f"users.v1.command.{name}", body, 2, Nats_Msg_Id=key)
            except (NatsError, TimeoutError):
                self.silent += 1
                await asyncio.sleep(0.02)
                continue
            if reply.code:
                assert reply.code in ("overloaded", "internal"), reply.data
                self.refused += 1
                await asyncio.sleep(0.02)
                continue
            self.acknowledged.append(Asked(name, body, key, reply))
            return reply
        return None

    async def goes_on(self, seconds: float = 10) -> None:
        """Wait until commands are acknowledged again."""
        so_far = len(self.acknowledged)
        async with asyncio.timeout(seconds):
            while len(self.acknowledged) < so_far + 2 * _WORKERS:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def traffic(denizen: Denizen) -> AsyncGenerator[Traffic]:
    """Load from here to the end of the block."""
    load, stop = Traffic(), asyncio.Event()
    async with connected(denizen.nats_url) as backend, asyncio.TaskGroup() as tasks:
        for _ in range(_WORKERS):
            tasks.create_task(load.work(backend, stop))
        try:
            yield load
        finally:
            stop.set()


async def assert_nothing_lost(denizen: Denizen, load: Traffic) -> None:
    """Every acknowledged command is in the log once, in the projections, on the stream; a repeat is answered alike."""
    log = _log(denizen)
    by_command: dict[str, int] = {}
    for _, _, _, _, command in log:
        by_command[command] = by_command.get(command, 0) + 1
    for asked in load.acknowledged:
        assert by_command.get(asked.key) == 1, f"{asked.name} is {by_command.get(asked.key, 0)} times in the log"
    assert [position for position, *_ in log] == list(range(1, len(log) + 1))
    findings = verify(denizen.database_url, "denizen", lambda done, total: None).findings
    assert findings == []

    async with connected(denizen.nats_url) as backend:
        for asked in load.acknowledged[:: max(1, len(load.acknowledged) // 200)]:
            again = await backend.insist(f"users.v1.command.{asked.name}", asked.body, Nats_Msg_Id=asked.key)
            assert again.data == asked.reply.data
        latest = {asked.reply.body["user"]["id"]: asked.reply.body for asked in load.acknowledged}
        at = str(len(log))
        for user, body in list(latest.items())[:: max(1, len(latest) // 200)]:
            found = await backend.insist("users.v1.query.GetUser", {"userId": user}, Denizen_Min_Position=at)
            newest = max(version for _, _, user_id, version, _ in log if user_id == user)
            assert found.body["version"] == newest >= body["version"]
            by_email = await backend.insist("users.v1.query.GetUserByEmail", {"email": body["user"]["email"].upper()})
            assert by_email.body == found.body
        await _assert_stream(backend, log)


LogRow = tuple[int, str, str, int, str]


def _log(denizen: Denizen) -> list[LogRow]:
    """Position, event id, user, version and command id of every event."""
    with psycopg.connect(denizen.database_url) as connection:
        return connection.execute(
            "select position, event_id::text, user_id, version, metadata ->> 'commandId' from denizen.events"
            " order by position"
        ).fetchall()  # pyright: ignore[reportReturnType]


async def _assert_stream(backend: Backend, log: list[LogRow]) -> None:
    """The stream holds each event of the log once, in order, also where nats-server is restarted meanwhile."""
    async with asyncio.timeout(90):
        while True:
            try:
                return await _look_at_stream(backend, log)
            except (NatsError, JetStreamError):
                await asyncio.sleep(0.5)


async def _look_at_stream(backend: Backend, log: list[LogRow]) -> None:
    jetstream = backend.client.jetstream()
    async with asyncio.timeout(20):
        while (await jetstream.stream_info(STREAM)).state.messages < len(log):
            await asyncio.sleep(0.05)
    published: list[str] = []
    subscription = await jetstream.pull_subscribe("users.v1.event.>", stream=STREAM)
    while len(published) < len(log):
        for message in await subscription.fetch(500, timeout=5):
            published.append(dict(message.headers or {})["ce-id"])
            assert json.loads(message.data)["userId"] == message.subject.rpartition(".")[2]
            await message.ack()
    assert published == [event_id for _, event_id, *_ in log]
    assert (await jetstream.stream_info(STREAM)).state.messages == len(log)
