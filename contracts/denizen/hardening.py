"""Mends of nats-py 2.16.0: what others write must not end the connection of whoever reads it, and who gives up must."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, TypeVar

import nats.aio.client
import nats.aio.subscription
import nats.aio.transport
import nats.js.client
from nats.aio.client import Client
from nats.protocol import parser

T = TypeVar("T")

# Lines split as nats-server splits them. By nats-py's own patterns a vertical tab in a reply subject, which anybody may
# choose, is white space: the line is no message then, and the connection is given up.
_WORD, _SPACE = rb"([^ \t\r\n]+)", rb"[ \t]+"
_ADDRESS = _WORD + _SPACE + _WORD + _SPACE + rb"(" + _WORD + _SPACE + rb")?"
parser.MSG_RE = re.compile(rb"\AMSG" + _SPACE + _ADDRESS + rb"(\d+)\r\n")
parser.HMSG_RE = re.compile(rb"\AHMSG" + _SPACE + _ADDRESS + rb"(\d+)" + _SPACE + rb"(\d+)\r\n")


async def _wait_for(awaitable: Awaitable[T], timeout: float | None) -> T:
    """As asyncio.wait_for is from Python 3.12 on."""
    if timeout is not None and timeout <= 0:
        return await asyncio.wait_for(awaitable, timeout)
    async with asyncio.timeout(timeout):
        return await awaitable


class _Asyncio(ModuleType):
    """asyncio, as nats-py is to see it."""

    wait_for = staticmethod(_wait_for)

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


# In Python 3.11 a cancellation that comes together with the result is lost (cpython issue 86296), and nats-py waits so
# for every reply: loops went on for ever when their time was over, nats.connect's own among them.
if sys.version_info < (3, 12):
    for module in (nats.aio.client, nats.aio.subscription, nats.aio.transport, nats.js.client):
        vars(module)["asyncio"] = _Asyncio("asyncio")

Unreadable = Callable[[bytes], Awaitable[None]]
"""Is told the reply subject, as it came, of a message that could not be read."""


def hardened(client: Client, unreadable: Unreadable | None = None) -> Client:
    """A connection that drops what it cannot read: subjects that are not UTF-8, headers that are none.

    nats-py would stop reading, say nothing, and notice by its pings: deaf for so long, by one message of anybody. The
    connection's `error_cb` is told of each.
    """
    process = client._process_msg  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    async def guarded(sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        try:
            await process(sid, subject, reply, data, headers or b"")
        except OSError:
            raise  # The connection is lost, and nats-py makes another.
        except Exception as error:  # noqa: BLE001 - whatever it is, the next message can be read
            await client._error_cb(error)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            if unreadable is not None:
                await unreadable(reply)

    client._process_msg = guarded  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return client
