"""Certificates, a nats-server with TLS, and a server of NATS's protocol that records what arrives."""

import asyncio
import importlib.util
import json
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from services.embedded.home import Home
from services.embedded.nats import Nats
from services.embedded.program import free_port
from services.embedded.websocket import WebSocket
from tests.support.servers import REPOSITORY
from tests.support.tcp import listening


def make_certificates(directory: Path, *names: str, postgres: str | None = None) -> Path:
    """ca.pem, server.pem and server.key in a directory, with `postgres` also postgres.pem and .key; the directory."""
    path = REPOSITORY / "deploy/nats/make_certificates.py"
    spec = importlib.util.spec_from_file_location("make_certificates", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    directory.mkdir(parents=True, exist_ok=True)
    module.main(directory, list(names), postgres)
    return directory


def trusting(certificates: Path) -> ssl.SSLContext:
    """A context of a client that trusts the authority of `make_certificates`."""
    return ssl.create_default_context(cafile=certificates / "ca.pem")


class TlsNats(Nats):
    """The embedded nats-server, with TLS."""

    def __init__(self, home: Home, certificates: Path, more: str = "") -> None:
        """`more`: further lines of its `tls` block."""
        super().__init__(home, 0)
        self._home = home
        self._tls = (
            f"tls {{ cert_file: {json.dumps(str(certificates / 'server.pem'))}\n"
            f"key_file: {json.dumps(str(certificates / 'server.key'))}\n{more} }}\n"
        )

    def prepare(self) -> None:
        super().prepare()
        with (self._home.path / "nats" / "server.conf").open("a", encoding="utf-8") as config:
            config.write(self._tls)

    def is_ready(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=0.2):
            return True
        return False


class WebSocketNats(Nats):
    """The embedded nats-server, which takes WebSocket connections with TLS too, at `websocket_port`."""

    def __init__(self, home: Home, certificates: Path) -> None:
        self.websocket_port = free_port()
        certificate = certificates / "server.pem", certificates / "server.key"
        super().__init__(home, 0, WebSocket("127.0.0.1", self.websocket_port, ("http://localhost:8080",), certificate))


class Recorder:
    """A server that speaks enough of NATS to be connected to, and keeps what came before TLS stood.

    Attributes:
        heard: for each connection, what arrived in the clear.
        info: what it says of itself in the clear; `None`: nothing.
        info_in_tls: what it says once TLS stands and the client is in.
        certificates: with these it takes TLS that a client begins; without, never.
    """

    def __init__(self, info: dict[str, Any] | None = None, certificates: Path | None = None) -> None:
        self.info: dict[str, Any] | None = {"server_id": "x", "max_payload": 1_000_000, **(info or {})}
        self.info_in_tls: dict[str, Any] | None = None
        self.certificates = certificates
        self.heard: list[bytearray] = []
        self.logins: list[bytes] = []
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Recorder"]:
        async with listening(self._serve) as self.port:
            yield self

    def drop(self) -> None:
        """End every connection."""
        for writer in self._writers:
            writer.transport.abort()

    @property
    def in_the_clear(self) -> list[bytes]:
        """What arrived on each connection that was no beginning of TLS."""
        return [bytes(heard) for heard in self.heard if heard and not heard.startswith(b"\x16\x03")]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = bytearray()
        self.heard.append(heard)
        self._writers.add(writer)
        try:
            with suppress(OSError):
                if self.info is not None:
                    writer.write(_info(self.info))
                if self.certificates is None:
                    while chunk := await reader.read(65536):
                        heard += chunk
                        # What a server that means it would say, so that a client that goes on gives all away.
                        writer.write(b"PONG\r\n" * chunk.count(b"PING\r\n"))
                else:
                    await self._speak_in_tls(writer)
        finally:
            self._writers.discard(writer)

    async def _speak_in_tls(self, writer: asyncio.StreamWriter) -> None:
        assert self.certificates
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificates / "server.pem", self.certificates / "server.key")
        # StreamWriter.start_tls of Python 3.11 fails where the client hangs up in the handshake.
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport = await loop.start_tls(writer.transport, protocol, context, server_side=True)
        if transport is None:
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        if self.info is None:
            writer.write(_info({"server_id": "x", "tls_required": True, "max_payload": 1_000_000}))
        told = self.info_in_tls is None
        while line := await reader.readline():
            if line.startswith(b"CONNECT "):
                self.logins.append(line)
            if line == b"PING\r\n":
                writer.write(b"PONG\r\n")
                if not told and self.info_in_tls is not None:
                    told = True
                    writer.write(_info(self.info_in_tls))


def _info(info: dict[str, Any]) -> bytes:
    return b"INFO " + json.dumps(info).encode() + b"\r\n"
