"""TCP servers of tests."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server on loopback that leaves no socket open, wherever a test ends or is cancelled.

    A socket that stays open is collected in a later test, and that one fails.
    """

    def __init__(self, serve: Serve) -> None:
        """`serve` is called for each connection, which ends when it returns."""
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._closing: asyncio.Task[None] | None = None
        self._tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.port = 0

    async def open(self) -> None:
        """Listen: at first on a free port, later on the same one again."""
        if self._closing is not None:
            await self._closing
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """End every connection, and take none."""
        if self._server is not None:
            asyncio.get_running_loop().remove_reader(self._server.sockets[0].fileno())
            self._closing = asyncio.ensure_future(self._close(self._server))
            self._server = None
        self._end_connections()

    async def closed(self) -> None:
        """The end of the server and of all connections."""
        self.cut()
        cancelled = False
        while self._closing is not None and not self._closing.done():
            try:
                await asyncio.shield(self._closing)
            except asyncio.CancelledError:
                cancelled = True  # It is raised when all is closed, a few turns of the loop later.
        if cancelled:
            raise asyncio.CancelledError

    async def _close(self, server: asyncio.Server) -> None:
        # A connection that was accepted just now comes to `_accept` within these turns of the loop. Python 3.11 would
        # leave it open if the server were closed before.
        for _ in range(3):
            await asyncio.sleep(0)
        server.close()
        self._end_connections()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # The loop closes their sockets in its next turn.
        await asyncio.sleep(0)

    def _end_connections(self) -> None:
        for task, writer in self._tasks.items():
            writer.transport.abort()
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not a coroutine, which could be cancelled before it knows the writer.
        task = asyncio.ensure_future(self._run(reader, writer))
        self._tasks[task] = writer
        task.add_done_callback(self._ended)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task).close()
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler({"message": "a test's server failed", "exception": error})


@asynccontextmanager
async def listening(serve: Serve) -> AsyncGenerator[int]:
    """The port of a server on loopback. At the end `serve` is cancelled for each connection, and no socket is left."""
    server = Server(serve)
    await server.open()
    try:
        yield server.port
    finally:
        await server.closed()


async def passed_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    target: tuple[str, int],
    flowing: asyncio.Event | None = None,
) -> None:
    """Pass on what either side of a connection sends, while `flowing` is set, until one of them closes.

    Both ends are closed before anything is awaited, as the end of the server may cancel this.
    """
    up, down = await asyncio.open_connection(*target)

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if flowing is not None:
                await flowing.wait()
            sink.write(data)
            await sink.drain()

    sides = [asyncio.ensure_future(copy(reader, down)), asyncio.ensure_future(copy(up, writer))]
    try:
        await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
    finally:
        down.close()
        writer.transport.abort()
        for side in sides:
            side.cancel()
        await asyncio.gather(*sides, return_exceptions=True)
