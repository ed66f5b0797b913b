"""Mends of nats-py 2.16.0 that its classes give no room for; `denizen.connection` has the others."""

import asyncio
import re
import sys
from collections.abc import Awaitable
from types import ModuleType
from typing import Any, TypeVar

import nats.aio.client
import nats.aio.subscription
import nats.aio.transport
import nats.js.client
from nats.protocol import parser

T = TypeVar("T")

_WORD, _SPACE = rb"([^ \t\r\n]+)", rb"[ \t]+"
_ADDRESS = _WORD + _SPACE + _WORD + _SPACE + rb"(" + _WORD + _SPACE + rb")?"


def mend() -> None:
    """Mend it, for the whole process."""
    # Lines split as nats-server splits them. By nats-py's own patterns a vertical tab in a reply subject, which any
    # caller may choose, is white space: the line is no message then, and the connection is given up.
    parser.MSG_RE = re.compile(rb"\AMSG" + _SPACE + _ADDRESS + rb"(\d+)\r\n")
    parser.HMSG_RE = re.compile(rb"\AHMSG" + _SPACE + _ADDRESS + rb"(\d+)" + _SPACE + rb"(\d+)\r\n")
    # In Python 3.11 a cancellation that comes together with the result is lost (cpython issue 86296), and nats-py waits
    # so for every reply: loops went on for ever when their time was over, nats.connect's own among them.
    if sys.version_info < (3, 12):
        for module in (nats.aio.client, nats.aio.subscription, nats.aio.transport, nats.js.client):
            vars(module)["asyncio"] = _Asyncio("asyncio")


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
