"""nats-py's classes, corrected for Denizen's own connections. The classes of nats-py itself stay as they are.

nats-py 2.16 gives no room for these corrections in a subclass: they concern names that its methods look up in their
module. Here the methods get globals of their own. `denizen.connection` has the other corrections.
"""

import asyncio
import re
import sys
from collections.abc import Awaitable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import nats.aio.client
import nats.aio.subscription
import nats.aio.transport
import nats.protocol.parser

__all__ = ["Client", "TcpTransport", "wait_for", "with_globals"]

T = TypeVar("T")

_WORD, _SPACE = rb"([^ \t\r\n]+)", rb"[ \t]+"
_ADDRESS = _WORD + _SPACE + _WORD + _SPACE + rb"(" + _WORD + _SPACE + rb")?"
# Lines split as nats-server splits them. By nats-py's own patterns a vertical tab in a reply subject, which any caller
# may choose, is white space: the line is no message then, and the connection is given up.
_PATTERNS = {
    "MSG_RE": re.compile(rb"\AMSG" + _SPACE + _ADDRESS + rb"(\d+)\r\n"),
    "HMSG_RE": re.compile(rb"\AHMSG" + _SPACE + _ADDRESS + rb"(\d+)" + _SPACE + rb"(\d+)\r\n"),
}


def with_globals(cls: type[T], **replaced: object) -> type[T]:
    """A subclass of `cls` whose methods find the `replaced` values instead of their module's globals of these names.

    Raises ImportError where no method looks up one of the names: then this nats-py is not the one that was corrected.
    """
    methods: dict[str, Any] = {}
    found: set[str] = set()
    for name, method in vars(cls).items():
        if isinstance(method, FunctionType) and (used := replaced.keys() & set(_names(method.__code__))):
            found |= used
            changed = FunctionType(
                method.__code__, {**method.__globals__, **replaced}, name, method.__defaults__, method.__closure__
            )
            changed.__kwdefaults__ = method.__kwdefaults__
            methods[name] = changed
    if found != replaced.keys():
        raise ImportError(f"denizen does not know this nats-py: {cls.__name__} uses no {replaced.keys() - found}")
    return cast(type[T], type(cls.__name__, (cls,), methods))


def _names(code: CodeType) -> Iterator[str]:
    """The global names that a function looks up, and those of the functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


async def wait_for(awaitable: Awaitable[T], timeout: float | None) -> T:
    """As asyncio.wait_for is from Python 3.12 on."""
    if timeout is not None and timeout <= 0:
        return await asyncio.wait_for(awaitable, timeout)
    async with asyncio.timeout(timeout):
        return await awaitable


class _OverTls(asyncio.StreamReaderProtocol):
    """A protocol over TLS. asyncio logs a warning when one of these wants to stay half open after the server's end."""

    def eof_received(self) -> bool:
        super().eof_received()
        return False


class _Asyncio(ModuleType):
    """asyncio, with the wait_for of Python 3.12, and a protocol for connections that are upgraded to TLS."""

    wait_for = staticmethod(wait_for)
    StreamReaderProtocol = _OverTls

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.transport import TcpTransport
else:
    _seen = {"Parser": with_globals(nats.protocol.parser.Parser, **_PATTERNS)}
    _corrected = {"asyncio": _Asyncio("asyncio")}
    # Its only StreamReaderProtocol is that of a connection that is upgraded to TLS.
    TcpTransport = with_globals(nats.aio.transport.TcpTransport, **_corrected)
    _seen |= {"TcpTransport": TcpTransport}
    # In Python 3.11 asyncio.wait_for loses a cancellation that comes together with the result (cpython issue 86296),
    # and nats-py waits so for every reply: loops would go on for ever when their time is over.
    if sys.version_info < (3, 12):
        _seen |= _corrected | {"Subscription": with_globals(nats.aio.subscription.Subscription, **_corrected)}
    Client = with_globals(nats.aio.client.Client, **_seen)
