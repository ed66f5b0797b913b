"""The connection to the SMTP server: TLS, login, addresses that are not ASCII, settings."""

import socket
import ssl
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from services.mailer import writing
from services.mailer.render import Content, NotConfigured
from services.mailer.sender import MailRefused, Sender, ServerFailed
from services.mailer.writing import Envelope
from tests.support.servers import REPOSITORY
from tests.support.smtp import Clerk, served

ORIGIN = writing.sender("Denizen <no-reply@example.com>")


def letter_to(to: str) -> Envelope:
    return writing.write(uuid4(), ORIGIN, to, Content("Subject", "Text", "<p>Text</p>"))


async def send(url: str, to: str = "ada@example.com") -> None:
    sender = Sender(SecretStr(url))
    try:
        await sender.send(letter_to(to))
    finally:
        await sender.close()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate for localhost, of an authority that we trust."""
    script = REPOSITORY / "deploy" / "nats" / "make_certificates.py"
    subprocess.run([sys.executable, script, tmp_path, "localhost"], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    return context


async def test_starttls_is_used_if_offered(tls: ssl.SSLContext) -> None:
    clerk = Clerk()
    async with served(clerk, tls=tls) as port:
        await send(f"smtp://localhost:{port}")
    assert clerk.recipients == ["ada@example.com"]
    assert clerk.encrypted == [True]


async def test_smtp_login_goes_over_tls_only(tls: ssl.SSLContext) -> None:
    clerk = Clerk()
    async with served(clerk, tls=tls) as port:
        await send(f"smtp://mailer:se%2Fcret@localhost:{port}")
    assert (clerk.login, clerk.encrypted) == ("mailer:se/cret", [True])
    clerk = Clerk()
    async with served(clerk) as port:
        with pytest.raises(ServerFailed):
            await send(f"smtp://mailer:se%2Fcret@localhost:{port}")
    assert (clerk.login, clerk.taken) == (None, [])


async def test_smtps_uses_tls_from_the_first_octet(tls: ssl.SSLContext) -> None:
    clerk = Clerk()
    async with served(clerk, tls=tls, implicit=True) as port:
        await send(f"smtps://mailer:se%2Fcret@localhost:{port}")
    assert clerk.login == "mailer:se/cret"
    assert clerk.recipients == ["ada@example.com"]


async def test_wrong_smtp_password_is_a_server_failure(tls: ssl.SSLContext) -> None:
    async with served(Clerk(), tls=tls) as port:
        with pytest.raises(ServerFailed, match="SMTPAuthenticationError 535") as failed:
            await send(f"smtp://mailer:wrong@localhost:{port}")
    assert not failed.value.begun


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_certificate_of_another_host_is_not_trusted(
    tls: ssl.SSLContext, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not named in it; or named, and of an authority that we do not trust."""
    if host == "localhost":
        monkeypatch.delenv("SSL_CERT_FILE")
    clerk = Clerk()
    async with served(clerk, tls=tls) as port:
        with pytest.raises(ServerFailed):
            await send(f"smtp://{host}:{port}")
    assert clerk.taken == []


async def test_closed_smtp_connection_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clerk = Clerk()
    monkeypatch.setattr("services.mailer.sender._IDLE_SECONDS", 0)
    async with served(clerk) as port:
        sender = Sender(SecretStr(f"smtp://127.0.0.1:{port}"))
        await sender.send(letter_to("one@example.com"))
    with pytest.raises(ServerFailed) as failed:
        await sender.send(letter_to("two@example.com"))
    assert not failed.value.begun
    async with served(clerk, port=port):
        await sender.send(letter_to("three@example.com"))
        await sender.send(letter_to("four@example.com"))
    await sender.close()
    assert clerk.recipients == ["one@example.com", "three@example.com", "four@example.com"]
    assert clerk.sessions == 2


async def test_idle_smtp_connection_is_probed_before_a_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    clerk = Clerk(tired=True)
    async with served(clerk) as port:
        sender = Sender(SecretStr(f"smtp://127.0.0.1:{port}"))
        await sender.send(letter_to("one@example.com"))
        await sender.send(letter_to("two@example.com"))
        assert clerk.sessions == 1
        monkeypatch.setattr("services.mailer.sender._IDLE_SECONDS", 0)
        await sender.send(letter_to("three@example.com"))
        assert clerk.sessions == 2
        await sender.close()
    assert len(clerk.taken) == 3


async def test_silent_smtp_server_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.mailer.sender.SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = Sender(SecretStr(f"smtp://127.0.0.1:{server.getsockname()[1]}"))
        with pytest.raises(ServerFailed) as failed:
            await sender.send(letter_to("ada@example.com"))
        assert not failed.value.begun
        await sender.close()


# --- addresses --------------------------------------------------------------------------------------------------


async def test_local_part_beyond_ascii_needs_smtputf8() -> None:
    clerk = Clerk()
    async with served(clerk) as port:
        await send(f"smtp://127.0.0.1:{port}", "jürgen@bücher.example")
        await send(f"smtp://127.0.0.1:{port}", "juergen@bücher.example")
    assert clerk.recipients == ["jürgen@xn--bcher-kva.example", "juergen@xn--bcher-kva.example"]
    assert ["SMTPUTF8" in envelope.mail_options for envelope in clerk.taken] == [True, False]
    assert [(envelope.original_content or b"").isascii() for envelope in clerk.taken] == [False, True]


async def test_without_smtputf8_only_idna_domains_pass() -> None:
    clerk = Clerk()
    async with served(clerk, utf8=False) as port:
        with pytest.raises(MailRefused, match=r"5\.6\.7"):
            await send(f"smtp://127.0.0.1:{port}", "jürgen@example.com")
        await send(f"smtp://127.0.0.1:{port}", "juergen@bücher.example")
    assert clerk.recipients == ["juergen@xn--bcher-kva.example"]


# --- settings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        None, "", "localhost", "localhost:25", "http://localhost", "smtp://", "smtp://:25", "smtp://canary@", "smtp://h:canary",
        "smtp://h:99999", "smtp://h/canary", "smtp://h?canary=1", "smtp://[canary",
    ],
)  # fmt: skip
def test_malformed_smtp_url_is_refused_without_quoting_it(url: str | None) -> None:
    with pytest.raises(NotConfigured, match="DENIZEN_SMTP_URL") as told:
        Sender(None if url is None else SecretStr(url))
    assert "canary" not in str(told.value)


@pytest.mark.parametrize(
    "value",
    ["", "Denizen", "a@example.com, b@example.com", "a@", "@example.com", "jürgen@example.com", "x\r\nBcc: a@b.c"],
)
def test_malformed_mail_from_is_refused(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        writing.sender(value)
