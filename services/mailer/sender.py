"""One kept connection to the SMTP server (RFC 5321), and what its answers mean."""

import asyncio
import re
import time
from contextlib import suppress
from urllib.parse import unquote

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from pydantic import SecretStr

from services.mailer.render import NotConfigured
from services.mailer.writing import Envelope
from services.platform import urls

SECONDS = 8
"""The longest time for connecting, and then for a mail. RFC 5321 allows minutes, but other mails wait behind it."""
_IDLE_SECONDS = 5
_ABOUT_US = frozenset({503, 530, 534, 535, 538})
"""Permanent refusals that are no fault of the mail: bad sequence, and authentication (RFC 4954 section 6)."""
_FAILURES = (SMTPException, OSError, TimeoutError)
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


class SmtpAnswer(Exception):
    """The server's answer to one mail; its words are left out, for they may quote the address."""

    def __init__(self, code: int, message: str = "") -> None:
        enhanced = _ENHANCED.match(message)  # RFC 3463
        super().__init__(f"{code} {enhanced[0]}" if enhanced else str(code))


class MailRefused(SmtpAnswer):
    """The mail will never be taken."""


class NotNow(SmtpAnswer):
    """The mail may be taken another time; others may be taken now."""


class ServerFailed(Exception):
    """No server, or one that takes no mail from us. `begun`: it failed on this mail, and may even have taken it."""

    def __init__(self, error: Exception, *, begun: bool) -> None:
        code = f" {error.code}" if isinstance(error, SMTPResponseException) else ""
        super().__init__(f"{type(error).__name__}{code}")
        self.begun = begun


class Sender:
    """Sends mails, one at a time, over a connection that is opened when first needed and again after it was lost."""

    def __init__(self, url: SecretStr | None) -> None:
        """Raises NotConfigured."""
        self._smtp = _client(url)
        self._used = 0.0

    async def send(self, envelope: Envelope) -> None:
        """Returns once the server has taken it. Raises MailRefused, NotNow, ServerFailed."""
        begun = False
        try:
            async with asyncio.timeout(SECONDS):
                await self._connect()
            begun = True
            async with asyncio.timeout(SECONDS):
                await self._hand_over(envelope)
        except SMTPNotSupported:
            raise MailRefused(550, "5.6.7") from None  # RFC 6531 section 3.5: non-ASCII addresses not permitted
        except SMTPRecipientsRefused as error:
            raise _verdict(error.recipients[0]) from None
        except SMTPDataError as error:
            raise _verdict(error) from None
        except _FAILURES as error:
            self._smtp.close()
            raise ServerFailed(error, begun=begun) from error
        except asyncio.CancelledError:
            self._smtp.close()
            raise
        self._used = time.monotonic()

    async def _connect(self) -> None:
        if self._smtp.is_connected and time.monotonic() - self._used > _IDLE_SECONDS:
            # Servers end idle connections; better to learn it now than with a mail half sent.
            with suppress(*_FAILURES):
                await self._smtp.noop()
                return
            self._smtp.close()
        if not self._smtp.is_connected:
            await self._smtp.connect()

    async def _hand_over(self, envelope: Envelope) -> None:
        options = ["SMTPUTF8", "BODY=8BITMIME"] if envelope.utf8 else []
        await self._smtp.sendmail(envelope.sender, [envelope.recipient], envelope.content, mail_options=options)

    async def close(self) -> None:
        with suppress(*_FAILURES):
            async with asyncio.timeout(1):
                await self._smtp.quit()
        self._smtp.close()


def _verdict(error: SMTPResponseException) -> SmtpAnswer | ServerFailed:
    if error.code in _ABOUT_US:
        return ServerFailed(error, begun=True)
    kind = MailRefused if 500 <= error.code < 600 else NotNow
    return kind(error.code, error.message)


def _client(url: SecretStr | None) -> SMTP:
    """A client of the server that `urls.smtp` understands. Raises NotConfigured."""
    if url is None:
        raise NotConfigured("DENIZEN_SMTP_URL is not set")
    try:
        parts = urls.smtp(url.get_secret_value())
    except ValueError as error:
        raise NotConfigured(f"DENIZEN_SMTP_URL {error}") from None
    return SMTP(
        hostname=parts.hostname,
        port=parts.port,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=parts.scheme == "smtps",
        # Where offered; but a login is never sent in the clear.
        start_tls=True if parts.username and parts.scheme == "smtp" else None,
        timeout=None,  # ours covers the whole of a mail, not each command
    )
