"""A plain NATS client that knows only the contract: subjects, headers, JSON."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

Json = dict[str, Any]


def email() -> str:
    """An address that no other test uses."""
    return f"{secrets.token_hex(8)}@example.com"


@dataclass(frozen=True)
class Reply:
    """An answer: its body and headers."""

    data: bytes
    headers: dict[str, str]

    @property
    def body(self) -> Json:
        parsed: Json = json.loads(self.data)
        return parsed

    @property
    def code(self) -> str:
        """Of a refusal, else empty."""
        return str(self.body["error"]["code"]) if "error" in self.body else ""


class Backend:
    """A back end's connection."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def ask(self, subject: str, body: Json, seconds: float = 20, /, **headers: str) -> Reply:
        """One request. Headers are given by their names with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        message = await self.client.request(subject, json.dumps(body).encode(), timeout=seconds, headers=named or None)
        return Reply(message.data, dict(message.headers or {}))

    async def command(self, name: str, body: Json, **headers: str) -> Reply:
        return await self.ask(f"users.v1.command.{name}", body, **headers)

    async def query(self, name: str, body: Json, **headers: str) -> Reply:
        return await self.ask(f"users.v1.query.{name}", body, **headers)

    async def create(self, **body: Any) -> Json:
        """A new user. A busy machine may refuse many passwords at once, so they are sent again, as any client would."""
        body = {"email": email(), **body}
        async with asyncio.timeout(60):
            while (reply := await self.command("CreateUser", body)).code == "overloaded":
                await asyncio.sleep(0.05)
        assert reply.code == "", reply.data
        user: Json = reply.body["user"]
        return user

    async def insist(self, subject: str, body: Json, seconds: float = 30, /, **headers: str) -> Reply:
        """Ask again until there is an answer that is not an outage's."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    reply = await self.ask(subject, body, 2, **headers)
                except (NatsError, TimeoutError):
                    await asyncio.sleep(0.05)
                    continue
                if reply.code not in ("overloaded", "internal", "stale_read"):
                    return reply
                await asyncio.sleep(0.05)


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Backend]:
    """A connection that comes back whenever the server does, and sends nothing late."""
    client = await nats.connect(
        url,
        inbox_prefix=b"_INBOX.backend",
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.05,
        pending_size=0,
        error_cb=_ignore,
    )
    try:
        yield Backend(client)
    finally:
        await client.close()


async def _ignore(_: Exception) -> None:
    """Note an error of the connection, for requests that fail meanwhile."""
