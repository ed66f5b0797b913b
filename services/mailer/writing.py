"""Writes a mail as it goes over the wire: one recipient, headers that no value can add to, text and HTML."""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from uuid import UUID

import idna

from services.domain import email_address
from services.mailer.render import Content

_SPECIALS = frozenset('()<>[]:;@\\,"')  # RFC 5322 section 3.2.3, without the dot
_SUBJECT_CHARACTERS = 200


class Unsendable(Exception):
    """An address that SMTP cannot carry, or that might be read as more than one. Says why, without the address."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope and what is in it.

    Attributes:
        utf8: the server must know SMTPUTF8 (RFC 6531), for the local part is not ASCII.
        content: headers and body, ASCII but for the headers where `utf8` is set, lines of at most 998 octets.
    """

    sender: str
    recipient: str
    utf8: bool
    content: bytes


def sender(value: str) -> Address:
    """The address of `DENIZEN_MAIL_FROM`, the domain in IDNA. Raises ValueError where it is not one address."""
    try:
        header = policy.SMTP.header_factory("From", value)
    except IndexError:  # the parser's own mistake, about `a@`
        raise ValueError("not an address") from None
    if len(header.addresses) != 1 or header.defects:
        raise ValueError("not one address")
    address: Address = header.addresses[0]
    if not address.username.isascii() or not address.domain:
        raise ValueError("not an address that every server takes")
    return Address(address.display_name, address.username, _ascii_domain(address.domain))


def write(mail_id: UUID, origin: Address, to: str, content: Content) -> Envelope:
    """The mail to `to` alone. Raises Unsendable."""
    recipient = _recipient(to)
    utf8 = not recipient.username.isascii()
    message = EmailMessage(policy=policy.SMTPUTF8 if utf8 else policy.SMTP)
    message["From"] = origin
    # A reader who decodes words (RFC 2047) would show another address: the envelope alone has this one.
    message["To"] = "undisclosed-recipients:;" if "=?" in recipient.username else recipient
    message["Subject"] = _one_line(content.subject)
    message["Date"] = datetime.now(UTC)
    # The same whenever it is sent again, so that a server can tell.
    message["Message-ID"] = f"<{mail_id}@{origin.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notice answers it
    message.set_content(content.text, cte=_transfer_encoding(content.text))
    message.add_alternative(content.html, subtype="html", cte=_transfer_encoding(content.html))
    return Envelope(origin.addr_spec, recipient.addr_spec, utf8, message.as_bytes())


def _recipient(to: str) -> Address:
    """The stored address, the domain in IDNA: the next server on the way may not know SMTPUTF8."""
    try:
        # It was checked before it was stored; here a mistake would do harm.
        email_address.canonical(to)
        local, _, domain = to.rpartition("@")
        recipient = Address(username=local, domain=_ascii_domain(domain))
    except ValueError as error:
        raise Unsendable("not an address") from error
    # A server that normalizes must not find another address in it.
    if set(unicodedata.normalize("NFKC", local)) & _SPECIALS:
        raise Unsendable("an address that can be read in two ways")
    if parseaddr(recipient.addr_spec) != ("", f"{local}@{recipient.domain}"):
        raise Unsendable("an address that needs quoting")
    return recipient


def _ascii_domain(domain: str) -> str:
    """Raises UnicodeError, a ValueError."""
    return domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")


def _one_line(text: str) -> str:
    """Without controls, and with nothing that ends a line in whatever sense (NEL, U+2028)."""
    visible = "".join(" " if unicodedata.category(each) in ("Cc", "Cs") else each for each in text)
    return " ".join(visible.split())[:_SUBJECT_CHARACTERS]


def _transfer_encoding(text: str) -> str:
    """ASCII for every server, and never base64: a code stands on its line also in the raw mail."""
    plain = text.isascii() and all(len(line) <= 78 for line in text.splitlines())
    return "7bit" if plain else "quoted-printable"
