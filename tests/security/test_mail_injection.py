"""Threat 23: nothing in an address or a value adds a header, a recipient, or a second mail."""

import email
import re
from email import policy
from email.message import EmailMessage
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.domain.email_address import InvalidEmail, canonical
from services.mailer import writing
from services.mailer.render import Content
from services.mailer.sender import Sender
from services.mailer.writing import Envelope, Unsendable
from tests.support.smtp import Clerk, served

ORIGIN = writing.sender("Denizen <no-reply@example.com>")
HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
]  # fmt: skip
LINE_ENDS = [
    "\r\n",
    "\n",
    "\r",
    "\n\r",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\0",
    "\\r\\n",
    "%0d%0a",
    "=0D=0A",
]
"""Of SMTP, of str.splitlines(), and of those who unescape twice."""
ADDRESSES = [
    *(f"ada@example.com{end}Bcc: eve@example.com" for end in LINE_ENDS),
    *(f"ada{end}RCPT TO:<eve@example.com>@example.com" for end in LINE_ENDS),
    *(f"ada@example.com{end}" for end in LINE_ENDS),
    *(f"{end}ada@example.com" for end in LINE_ENDS),
    *(f"ada@exam{end}ple.com" for end in LINE_ENDS),
    "ada@example.com, eve@example.com",
    "ada@example.com,eve@example.com",
    "ada@example.com;eve@example.com",
    "ada@example.com eve@example.com",
    "ada@example.com\teve@example.com",
    "Ada <ada@example.com>",
    "<ada@example.com>",
    "ada@example.com>",
    "ada@example.com> SIZE=1 <eve@example.com",
    "eve@example.com <ada@example.com>",
    "eve@example.com(ada@example.com)",
    "ada(eve@example.com)@example.com",
    '"ada@example.com, eve"@example.com',
    '"ada\\"@example.com> <eve"@example.com',
    '"ada\r\nBcc: eve@example.com\r\n"@example.com',
    "@relay.example:ada@example.com",
    "ada%example.com@relay.example@example.com",
    "ada@example.com@evil.example",
    "friends: ada@example.com, eve@example.com;",
    "=?utf-8?q?eve=40evil.example=2C_?=ada@example.com",
    "=?utf-8?b?ZXZlQGV2aWwuZXhhbXBsZSwg?= <ada@example.com>",
    "ada@[127.0.0.1]",
    "ada@example.com/../../etc",
    # Read as an @, a comma, a bracket, or a line end by who normalizes (NFKC) or cuts code points to octets.
    "eve\uff20evil.example@example.com",
    "eve@evil.example\uff0cada@example.com",
    "ada\uff0ceve@example.com",
    "ada\uff1e\uff1ceve@example.com",
    "ada\ufe6beve@example.com",
    "ada@evil\uff20example.com",
    "ada\u560d\u560aBcc:eve@example.com",
    "ada\u2025@example.com",
    # Invisible, and read from the right.
    "ada\u202emoc.elpmaxe@evil.example",
    "ada\u200b@example.com",
    "ada\ufeff@example.com",
    "\ud800ada@example.com",
]


def write(to: str, subject: str = "Subject", text: str = "Text\n", html: str = "<p>Text</p>\n") -> Envelope:
    return writing.write(uuid4(), ORIGIN, to, Content(subject, text, html))


def parsed(written: Envelope) -> EmailMessage:
    message = email.message_from_string(written.content.decode(), policy=policy.SMTPUTF8)
    assert message.keys() == HEADERS
    assert written.utf8 or written.content.isascii()
    assert all(len(line) <= 998 for line in written.content.split(b"\r\n"))
    assert message.defects == []
    return message


def assert_harmless(to: str) -> str | None:
    """Not sent at all, or to the one address that it is; which."""
    try:
        written = write(to)
    except Unsendable as refused:
        told = str(refused)
        assert told.isascii()
        assert not re.search(r"[@<>]", told)
        return None
    local, _, domain = to.rpartition("@")
    assert written.recipient.rpartition("@")[0] == local
    assert written.recipient.rpartition("@")[2].lower() == canonical(f"a@{domain}").rpartition("@")[2]
    assert re.fullmatch(r"[^\s\x00-\x1f\x7f()<>\[\]:;@\\,\"]+@[A-Za-z0-9.-]+", written.recipient)
    assert written.utf8 or written.recipient.isascii()
    if "=?" in local:  # A reader that decodes words would find another address in the header.
        assert written.content.count(b"\r\nTo: undisclosed-recipients:;\r\n") == 1
        assert parsed(written)["To"].addresses == ()
        return written.recipient
    (address,) = parsed(written)["To"].addresses
    assert (address.addr_spec, address.display_name) == (written.recipient, "")
    return written.recipient


@pytest.mark.parametrize("to", ADDRESSES)
def test_address_is_one_recipient_or_none(to: str) -> None:
    assert_harmless(to)


def test_hostile_addresses_are_judged() -> None:
    """Odd addresses, but each is one address and no other one."""
    sent = {to for to in ADDRESSES if assert_harmless(to)}
    assert sent == {
        "%0d%0aada@example.com",
        "=0D=0Aada@example.com",
        "=?utf-8?q?eve=40evil.example=2C_?=ada@example.com",
    }


@pytest.mark.parametrize(
    "to",
    [
        "ada@example.com", "Ada.O'Brien+x=1@Example.COM", "jürgen@bücher.example", "用户@例え.jp",
        "ada@xn--bcher-kva.example", "=?@example.com", "a=?b?=@example.com", "=?utf-8?q?jürgen?=@example.com",
        "a" * 64 + "@example.com", "ü" * 32 + "@example.com", "a@" + ".".join(["b" * 60] * 3) + ".example",
        ".".join(["abcdefg"] * 8) + "@" + ".".join(["b" * 60] * 3) + ".ex",
    ],
)  # fmt: skip
def test_odd_valid_address_gets_its_mail(to: str) -> None:
    assert assert_harmless(to)


@given(st.text(max_size=40).map(lambda text: f"{text}@example.com") | st.text(max_size=60) | st.emails())
def test_any_address_adds_no_header(to: str) -> None:
    assert_harmless(to)


@given(st.emails())
def test_plain_address_gets_its_mail(to: str) -> None:
    try:
        canonical(to)
    except InvalidEmail:
        return
    assert assert_harmless(to)


@given(st.text(), st.text(), st.text())
def test_any_value_in_a_template_adds_no_header(subject: str, text: str, html: str) -> None:
    message = parsed(write("ada@example.com", subject, text, html))
    assert len(str(message["Subject"]).splitlines()) <= 1
    assert len(message["To"].addresses) == 1
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize("end", LINE_ENDS)
def test_subject_adds_no_header(end: str) -> None:
    message = parsed(write("ada@example.com", f"Hello{end}Bcc: eve@example.com{end}{end}body"))
    assert str(message["Subject"]).startswith("Hello")
    assert message["Bcc"] is None


@pytest.mark.parametrize("smuggled", ["\r\n.\r\n", "\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n\0.\r\n"])
async def test_body_begins_no_second_mail(smuggled: str) -> None:
    """SMTP smuggling: what one server takes for the end of the data and another does not."""
    clerk = Clerk()
    body = f"Hello{smuggled}MAIL FROM:<eve@example.com>\r\nRCPT TO:<eve@example.com>\r\nDATA\r\nSubject: evil\r\n\r\n"
    async with served(clerk) as port:
        sender = Sender(SecretStr(f"smtp://127.0.0.1:{port}"))
        await sender.send(write("ada@example.com", "Subject", body, body))
        await sender.send(write("grace@example.com"))
        await sender.close()
    assert clerk.recipients == ["ada@example.com", "grace@example.com"]
    for taken in clerk.taken:
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", taken.original_content or b"")
