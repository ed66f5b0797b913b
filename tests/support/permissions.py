"""What a real nats-server refuses to a user, told by its permissions errors."""

import asyncio
from typing import Protocol

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

_SENTINEL = "no.user.may.publish.this"


class Server(Protocol):
    """A NATS, and the passwords of its users."""

    @property
    def url(self) -> str: ...
    @property
    def passwords(self) -> dict[str, str]: ...


def address(server: Server, user: str) -> str:
    """Where a user may connect: browsers over WebSocket alone."""
    return str(getattr(server, "websocket_url", "")) if user.startswith("browser-") else server.url


async def connect(server: Server, user: str) -> Client:
    """A connection as a user, who has the inbox that accounts.conf gives them."""
    return await nats.connect(
        address(server, user),
        user=user,
        password=server.passwords[user],
        inbox_prefix=f"_INBOX.{user}",
        error_cb=_ignore,
    )


async def refused(server: Server, user: str, publish: list[str], subscribe: list[str]) -> list[str]:
    """Which of these subjects the server refuses to a user."""
    errors: list[str] = []
    told_all = asyncio.Event()

    async def note(error: Exception) -> None:
        errors.append(str(error))
        if _SENTINEL in errors[-1]:
            told_all.set()

    client = await nats.connect(
        address(server, user),
        user=user,
        password=server.passwords[user],
        error_cb=note,
        inbox_prefix=f"_INBOX.{user}",
    )
    for subject in publish:
        await client.publish(subject, b"")
    for subject in subscribe:
        await client.subscribe(subject, cb=_drop)
    # A PONG may overtake errors; they come in the order of their causes.
    await client.publish(_SENTINEL, b"")
    await asyncio.wait_for(told_all.wait(), 20)
    await client.close()
    # nats-py writes the server's text in lower case.
    return [each for each in (*publish, *subscribe) if any(f'"{each.lower()}"' in error for error in errors)]


async def _ignore(error: Exception) -> None:
    pass


async def _drop(message: Msg) -> None:
    pass
