"""Mails for tests: rows as the writer stores them, the mails that arrived, and SMTP servers that fail as some do."""

import asyncio
import contextlib
import email
import re
import ssl
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from services.domain.effects import Mail, MailKind
from services.embedded.home import Home
from services.embedded.sink import Sink
from services.eventstore.keys.data_keys import KeyRing
from tests.support.log import ring, user_id
from tests.support.servers import running

CODE, LONG_CODE, TOKEN = "271828", "0f5d3c2b7a69481e9c0d8b4f2e6a7135", "Zm9yIHlvdXIgZXllcyBvbmx5IC0gb25jZSwgMzAgbWlu"
VALUES: dict[MailKind, dict[str, str]] = {
    "verify_email": {
        "code": CODE,
        "long_code": LONG_CODE,
        "user_id": "user_01h455vb4pex5vsknk084sn02q",
        "minutes": "10",
    },
    "reset_password": {"token": TOKEN, "minutes": "30"},
    "email_changed": {},
    "password_changed": {},
    "already_registered": {},
}


def put(
    url: str,
    to: str,
    kind: MailKind = "verify_email",
    locale: str | None = None,
    *,
    keys: KeyRing | None = None,
    values: dict[str, str] | None = None,
    seconds: float = 600,
) -> UUID:
    """A mail of a new user, as the event store writes it; its id. It expires after `seconds`."""
    keys = keys or ring()
    user, mail_id = user_id(), uuid4()
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    mail = Mail(kind, to, locale, VALUES[kind] if values is None else values, expires_at)
    key, wrapped = keys.new_data_key(user)
    with psycopg.connect(url, options="-c search_path=denizen") as connection:
        connection.execute("insert into data_keys values (%s, %s, %s)", [user, keys.epoch, wrapped])
        connection.execute(
            "insert into mails (mail_id, user_id, private, due_at, expires_at) values (%s, %s, %s, now(), %s)",
            [mail_id, user, key.encrypt(mail.private(), f"mail\0{mail_id}"), expires_at],
        )
    return mail_id


def run_sql(url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """In the cell, as its owner; the rows of a query."""
    with psycopg.connect(url, options="-c search_path=denizen") as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def waiting(url: str) -> set[UUID]:
    """The mails in the table."""
    return {mail_id for (mail_id,) in run_sql(url, "select mail_id from mails")}


def arrived(maildir: Path) -> list[EmailMessage]:
    """Every mail that the sink has kept, with what it wrote above it, the envelope."""
    # Those in tmp/ are not all there yet.
    return [
        email.message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in sorted((maildir / "new").iterdir())
    ]


def recipients(maildir: Path) -> list[str]:
    """The recipients of all mails, as the envelopes name them."""
    return [str(to) for mail in arrived(maildir) for to in mail.get_all("X-Original-To", [])]


def part(mail: EmailMessage, kind: str) -> str:
    """The text of its part `plain` or `html`."""
    body = mail.get_body((kind,))
    assert isinstance(body, EmailMessage)
    return str(body.get_content())


def code_in(mail: EmailMessage) -> str:
    """The code that is alone on its line."""
    (code,) = re.findall(r"^\d{6}$", part(mail, "plain"), re.MULTILINE)
    return code


@contextmanager
def sink(directory: Path, server: Sink | None = None) -> Generator[Sink]:
    """A running sink with a Maildir of its own; or one that ran before, again."""
    if server is None:
        home = Home(directory)
        home.create()
        server = Sink(home)
    with running(server, directory / "log" / "smtp.log"):
        yield server


@dataclass
class Clerk:
    """What an SMTP server does with its mails. Answers are taken from the front; when none is left, it takes mails."""

    rcpt: list[str] = field(default_factory=list[str])
    data: list[str] = field(default_factory=list[str])
    taken: list[Envelope] = field(default_factory=list[Envelope])
    slow: set[str] = field(default_factory=set[str])
    """Recipients whose mails it takes for ever to take."""
    held: asyncio.Event | None = None
    """It takes no mail before that."""
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    cut: set[str] = field(default_factory=set[str])
    """Recipients whose mails make it hang up."""
    takes_sender: bool = True
    tired: bool = False
    """It ends a connection that is merely kept."""
    sessions: int = 0
    encrypted: list[bool] = field(default_factory=list[bool])
    """Whether each mail that was taken came over TLS by STARTTLS."""
    login: str | None = None

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.sessions += 1
        session.host_name = hostname
        return responses

    async def handle_NOOP(self, server: SMTP, session: Session, envelope: Envelope, arg: str) -> str:  # noqa: N802
        return "421 too long idle" if self.tired else "250 OK"

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not self.takes_sender:
            return "550 5.7.1 not from here"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt and (answer := self.rcpt.pop(0)):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.held is not None:
            self.holding.set()
            await self.held.wait()
        if self.slow.intersection(envelope.rcpt_tos):
            await asyncio.Event().wait()
        if self.cut.intersection(envelope.rcpt_tos):
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return "421 gone"
        if self.data and (answer := self.data.pop(0)):
            return answer
        self.taken.append(envelope)
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.login = f"{data.login.decode()}:{data.password.decode()}"
        return AuthResult(success=self.login == "mailer:se/cret", handled=False)

    @property
    def recipients(self) -> list[str]:
        return [to for envelope in self.taken for to in envelope.rcpt_tos]


@asynccontextmanager
async def served(
    clerk: Clerk, *, port: int = 0, utf8: bool = True, tls: ssl.SSLContext | None = None, implicit: bool = False
) -> AsyncGenerator[int]:
    """An SMTP server in this process; its port. `tls` is offered by STARTTLS, or `implicit` from the first octet on."""
    loop = asyncio.get_running_loop()
    sessions: set[SMTP] = set()

    def protocol() -> SMTP:
        session = SMTP(
            clerk,
            hostname="localhost",
            enable_SMTPUTF8=utf8,
            tls_context=None if implicit else tls,
            authenticator=clerk.authenticate,
            auth_require_tls=False,
            loop=loop,
        )
        sessions.add(session)
        return session

    server = await loop.create_server(protocol, "127.0.0.1", port, ssl=tls if implicit else None)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for session in sessions:
            if isinstance(session.transport, asyncio.Transport):
                session.transport.abort()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 2)
