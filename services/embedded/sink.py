"""The embedded SMTP server: keeps every mail in a Maildir. `python -m services.embedded.sink PORT MAILDIR`."""

import asyncio
import logging
import os
import signal
import socket
import sys
from mailbox import Maildir
from pathlib import Path
from typing import TYPE_CHECKING

from services.embedded.home import Home
from services.embedded.program import free_port, launched
from services.platform import environment as needs

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

log = logging.getLogger(__name__)

_MAIL_BYTES = 1_000_000


class Sink:
    """An SMTP server on a loopback port; its mails are in mail/ of the home."""

    name = "smtp"
    stop_signal = signal.SIGTERM

    def __init__(self, home: Home) -> None:
        self._maildir = home.path / "mail"
        self._answered = False
        self.port = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        if not self._answered:  # from then on the address must outlive a restart of the server
            self.port = free_port()

    def command(self) -> list[str]:
        server = [sys.executable, "-m", __name__, str(self.port), str(self._maildir)]
        return launched(server, Path.cwd(), self.stop_signal)

    def environment(self) -> dict[str, str]:
        return needs.inherited()

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.2) as connection:
                self._answered = connection.recv(4) == b"220 "
        except OSError:
            return False
        return self._answered


class Keeper:
    """Puts each mail into new/ of a Maildir, on disk before it is acknowledged."""

    def __init__(self, maildir: Path) -> None:
        self._maildir = Maildir(maildir)

    async def handle_DATA(self, server: "SMTP", session: "Session", envelope: "Envelope") -> str:  # noqa: N802, ARG002
        """The envelope goes above the mail, as Postfix writes it."""
        assert isinstance(envelope.content, bytes)
        lines = [f"Return-Path: <{envelope.mail_from}>", *(f"X-Original-To: {to}" for to in envelope.rcpt_tos), ""]
        above = "\n".join(lines).encode("utf-8", "surrogateescape")
        self._maildir.add(above + envelope.content.replace(b"\r\n", b"\n"))
        return "250 kept"

    async def handle_exception(self, error: Exception) -> str:
        """In place of the library's own, which tells the client and the log what the error says."""
        log.error("not_kept", extra={"error": type(error).__name__})
        return "451 not kept"


async def serve(port: int, maildir: Path) -> None:
    """Until SIGTERM or SIGINT."""
    from aiosmtpd.smtp import SMTP  # here, because the supervisor imports this module too

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    keeper = Keeper(maildir)

    def protocol() -> SMTP:
        return SMTP(
            keeper, loop=loop, hostname="localhost", ident="denizen", enable_SMTPUTF8=True, data_size_limit=_MAIL_BYTES
        )

    server = await loop.create_server(protocol, "127.0.0.1", port)
    await stop.wait()
    server.close()  # and not `async with`: from Python 3.12 on that waits for each client that keeps a connection


if __name__ == "__main__":
    from services.platform import logging as logs

    os.umask(0o077)
    logs.configure("smtp")
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd's, which quotes what it is sent
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
