"""A TCP proxy before NATS that can be cut, or hang as a broken network does."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator


class Gate:
    """Passes everything on while it is open."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._port = 0
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator["Gate"]:
        await self.open()
        try:
            yield self
        finally:
            tasks = list(self._tasks)
            self.cut()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def open(self) -> None:
        """Take connections, and let pass what waits."""
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """End every connection, and take none."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()

    def hang(self) -> None:
        """Keep every connection, and pass nothing on."""
        self._flowing.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        up, down = await asyncio.open_connection("127.0.0.1", self._target)
        sides = [asyncio.ensure_future(self._pass(reader, down)), asyncio.ensure_future(self._pass(up, writer))]
        try:
            await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass
        finally:
            for side in sides:
                side.cancel()
            await asyncio.gather(*sides, return_exceptions=True)
            for end in (writer, down):
                end.transport.abort()
            self._tasks.discard(task)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._flowing.wait()
            sink.write(data)
            await sink.drain()
