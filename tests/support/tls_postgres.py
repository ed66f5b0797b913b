"""PostgreSQL with TLS: one of this machine that has OpenSSL, and a front of the embedded one, which has not."""

import asyncio
import os
import pwd
import shutil
import signal
import ssl
import struct
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from services.embedded.program import free_port, launched
from services.platform import environment
from tests.support.tcp import listening, passed_on

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
"""What a client of PostgreSQL may ask for before anything else (its protocol, "Message Formats")."""


class TlsFront:
    """Speaks TLS in front of a PostgreSQL that was built without it, and passes everything on.

    Attributes:
        sessions: how many clients have come to TLS.
        in_the_clear: what arrived instead of a request for TLS.
    """

    def __init__(self, url: str, certificates: Path) -> None:
        self._target = conninfo_to_dict(url)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificates / "postgres.pem", certificates / "postgres.key")
        self.url = url
        self.sessions = 0
        self.in_the_clear: list[bytes] = []

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["TlsFront"]:
        async with listening(self._serve) as port:
            self.url = make_conninfo(self.url, host="localhost", port=port)
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while (wanted := await reader.readexactly(8)) == struct.pack("!II", 8, _GSS_REQUEST):
                writer.write(b"N")
            if wanted == struct.pack("!II", 8, _SSL_REQUEST):
                writer.write(b"S")
                await self._pass_on(writer)
            else:
                self.in_the_clear.append(wanted)

    async def _pass_on(self, writer: asyncio.StreamWriter) -> None:
        # As in tests/support/tls.py: StreamWriter.start_tls of Python 3.11 fails where the client hangs up.
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport = await loop.start_tls(writer.transport, protocol, self._context, server_side=True)
        if transport is None:
            return
        self.sessions += 1
        client = asyncio.StreamWriter(transport, protocol, reader, loop)
        await passed_on(reader, client, (str(self._target["host"]), int(str(self._target["port"]))))


def programs_with_openssl() -> Path | None:
    """The directory of a PostgreSQL of this machine that was built with OpenSSL."""
    config = shutil.which("pg_config")
    if config is None:
        return None
    said = subprocess.run([config, "--configure", "--bindir"], capture_output=True, text=True, check=True).stdout
    directory = Path(subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True).stdout.strip())
    return directory if "openssl" in said and (directory / "postgres").exists() else None


class TlsPostgres:
    """A PostgreSQL with `ssl=on` as in compose.yaml, which refuses every login without TLS."""

    name = "postgres"
    stop_signal = signal.SIGINT

    def __init__(self, programs: Path, directory: Path, certificates: Path) -> None:
        self._programs, self._directory = programs, directory
        self._uid = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self._certificates = certificates
        self.password = "kcanary-password-of-postgres"
        self.port = free_port()

    @property
    def url(self) -> str:
        """The owner's address."""
        return f"postgresql://denizen:{self.password}@localhost:{self.port}/postgres"

    def prepare(self) -> None:
        data, password = self._directory / "data", self._directory / "password"
        data.mkdir(mode=0o700)
        password.write_text(self.password)
        for name in ("postgres.pem", "postgres.key"):
            shutil.copy(self._certificates / name, self._directory)
        (self._directory / "postgres.key").chmod(0o600)
        if self._uid is not None:
            for path in (data, password, *self._directory.glob("postgres.*")):
                os.chown(path, self._uid, -1)
        options = ["--pwfile=../password", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        initdb = [str(self._programs / "initdb"), "-D", ".", "-U", "denizen", *options]
        subprocess.run(launched(initdb, data, signal.SIGKILL, self._uid), capture_output=True, check=True)
        (data / "pg_hba.conf").write_text("hostssl all all all scram-sha-256\n")

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "localhost",
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": str(self._directory / "postgres.pem"),
            "ssl_key_file": str(self._directory / "postgres.key"),
            "log_connections": "on",
        }
        given = [f"--{name}={value}" for name, value in settings.items()]
        data = self._directory / "data"
        postgres = [str(self._programs / "postgres"), "-D", str(data), "-p", str(self.port), *given]
        return launched(postgres, data, self.stop_signal, self._uid)

    def environment(self) -> dict[str, str]:
        return environment.inherited()

    def is_ready(self) -> bool:
        with suppress(FileNotFoundError, IndexError):
            pid = (self._directory / "data" / "postmaster.pid").read_text("utf-8")
            return pid.splitlines()[7].strip() == "ready"
        return False
