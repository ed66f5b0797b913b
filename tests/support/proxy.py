"""A TCP proxy before PostgreSQL that fails where a network can: in the middle of a commit."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.tcp import listening

Fault = Literal["before", "after", "stall"]
"""The commit never arrives; it arrives and its answer is lost; the append stalls under its lock, as a stopped process's
does."""

_COMMIT, _COMMITTED, _INSERT = b"commit\0", b"COMMIT\0", b"insert into events"


class Proxy:
    """Passes everything on, until `fault` is set; the fault happens once."""

    def __init__(self, url: str) -> None:
        self._target = conninfo_to_dict(url)
        self.url = url
        self.fault: Fault | None = None
        self.faults = 0
        self.reachable = True
        """Whether new connections are taken."""
        self.reachable_after_fault = True

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator["Proxy"]:
        async with listening(self._serve) as port:
            self.url = make_conninfo(self.url, host="127.0.0.1", port=port)
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.reachable:
            up, down = await asyncio.open_connection(str(self._target["host"]), int(str(self._target["port"])))
            connection = _Connection(self, reader, writer, up, down)
            await connection.live()


class _Connection:
    def __init__(
        self,
        proxy: Proxy,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._client, self._to_client = client, to_client
        self._server, self._to_server = server, to_server
        self._mute = False
        """The server's answers go nowhere."""

    async def live(self) -> None:
        """Until either side closes, or a fault cuts both."""
        sides = [asyncio.ensure_future(self._requests()), asyncio.ensure_future(self._answers())]
        try:
            with contextlib.suppress(ConnectionError):
                await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Before anything is awaited, as the end of the server may cancel this.
            self._to_server.close()
            self._to_client.close()
            for side in sides:
                side.cancel()
            await asyncio.gather(*sides, return_exceptions=True)

    async def _requests(self) -> None:
        while data := await self._client.read(65536):
            fault = self._proxy.fault
            if fault == "stall" and _INSERT in data:
                self._happened()
                await asyncio.Event().wait()  # Until the server closes.
            if fault == "before" and _COMMIT in data:
                self._happened()
                return
            if fault == "after" and _COMMIT in data:
                self._happened()
                self._mute = True
            self._to_server.write(data)
            await self._to_server.drain()

    async def _answers(self) -> None:
        swallowed = b""
        while data := await self._server.read(65536):
            if self._mute:
                swallowed += data
                if _COMMITTED in swallowed:
                    return
                continue
            self._to_client.write(data)
            await self._to_client.drain()

    def _happened(self) -> None:
        self._proxy.fault = None
        self._proxy.faults += 1
        self._proxy.reachable = self._proxy.reachable_after_fault
