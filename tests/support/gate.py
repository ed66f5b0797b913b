"""A TCP proxy before NATS that can be cut, or hang as a broken network does."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from tests.support.tcp import Server, passed_on


class Gate:
    """Passes everything on while it is open."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = Server(self._serve)
        self._flowing = asyncio.Event()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._server.port}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator["Gate"]:
        await self.open()
        try:
            yield self
        finally:
            await self._server.closed()

    async def open(self) -> None:
        """Take connections, and let pass what waits."""
        self._flowing.set()
        await self._server.open()

    def cut(self) -> None:
        """End every connection, and take none."""
        self._server.cut()

    def hang(self) -> None:
        """Keep every connection, and pass nothing on."""
        self._flowing.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await passed_on(reader, writer, ("127.0.0.1", self._target), self._flowing)
