"""The program `denizen run mailer`: sends the queued mails. Any number of processes can run."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from secrets import SystemRandom
from uuid import UUID

from services.eventstore.keys import data_keys as keys
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.log.postgres import PostgresEventStore
from services.mailer import sender, writing
from services.mailer.outbox import Erased, Lease, Outbox
from services.mailer.render import NotConfigured, Renderer
from services.mailer.sender import MailRefused, NotNow, Sender, ServerFailed
from services.mailer.writing import Envelope, Unsendable
from services.platform import broker
from services.platform.database import LOST, DatabaseUnavailable
from services.platform.settings import Settings
from services.platform.signal import Signal

log = logging.getLogger(__name__)

_BATCH = 20
_POLL_SECONDS = 1.0
_LEASE_SECONDS = 40
_LAST_START = _LEASE_SECONDS - 2 * sender.SECONDS - 4
"""Seconds into a lease: a mail that is begun later could still be under way when another mailer has the lease."""
_LONGEST_PAUSE = 60.0
_STOP_SECONDS = 5
_DATABASE_SECONDS = 0.5
_random = SystemRandom()


async def run(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Send until `stop` is set; the mail under way is finished."""
    ring = keys.load(settings)
    work = Mailer(settings, ring)
    store = PostgresEventStore(settings, ring, "mailer", role="mailer")
    await store.check_keys()
    await store.close()
    client = await broker.connect(settings, "signal")
    signal = Signal(client, settings, "mail")
    await signal.listen()
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(work.run(signal))
        ready()
        await stop.wait()
        await work.let_finish(_STOP_SECONDS)
        sending.cancel()
    await work.close()
    await broker.disconnect(client)


class Unwritten(Exception):
    """A mail that cannot be rendered now. With other keys or templates it may be, until it expires."""


class Mailer:
    """Takes mails from the outbox and hands them to the SMTP server, at least once."""

    def __init__(self, settings: Settings, ring: KeyRing) -> None:
        """Raises NotConfigured."""
        try:
            self._from = writing.sender(settings.mail_from)
        except ValueError:
            raise NotConfigured("DENIZEN_MAIL_FROM is not one address") from None
        self._outbox = Outbox(settings, ring)
        self._renderer = Renderer(settings)
        self._sender = Sender(settings.smtp_url)
        self._settled: list[UUID] = []
        """Mails that were sent or given up, and are perhaps still in the table."""
        self._failures = 0
        self._turn = asyncio.Lock()

    async def run(self, signal: Signal) -> None:
        """Send what is due, again and again; whatever fails is tried later."""
        while True:
            try:
                if not await self.send_due():
                    await signal.wait(_POLL_SECONDS)
            except ServerFailed as error:
                self._failures += 1
                seconds = min(_LONGEST_PAUSE, 0.5 * 2 ** min(self._failures, 10)) * _random.uniform(0.5, 1)
                log.warning("server_failed", extra={"reason": str(error), "pause": round(seconds, 1)})
                await asyncio.sleep(seconds)
            except (DatabaseUnavailable, *LOST) as error:
                log.warning("interrupted", extra={"error": type(error).__name__})
                await asyncio.sleep(_DATABASE_SECONDS)

    async def send_due(self) -> int:
        """Send one batch; its size. Raises ServerFailed, and what Outbox raises."""
        await self._delete_settled()
        if expired := await self._outbox.drop_expired():
            log.warning("expired", extra={"mails": expired})
        until = time.monotonic() + _LAST_START
        async with self._turn:
            leases = await self._outbox.take(_BATCH, _LEASE_SECONDS)
        waiting = list(reversed(leases))
        try:
            while waiting and time.monotonic() < until:
                async with self._turn:
                    await self._send(waiting.pop())
        finally:
            # Else they would wait until the lease has run out, as they do after a crash.
            with suppress(DatabaseUnavailable, *LOST):
                await self._outbox.give_back(waiting)
        return len(leases)

    async def let_finish(self, seconds: float) -> None:
        """Return between two mails, or after that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._turn:
                pass

    async def _send(self, lease: Lease) -> None:
        about = {"mail": str(lease.mail_id)}
        try:
            await self._sender.send(self._write(lease))
        except (Unsendable, MailRefused, Erased) as error:
            log.warning("refused", extra={**about, "reason": str(error)})
        except (NotNow, Unwritten) as error:
            log.warning("postponed", extra={**about, "reason": str(error)})
            await self._outbox.postpone(lease)
            return
        except ServerFailed as error:
            # A mail that makes the server fail must not come first again; the others need no backoff.
            await (self._outbox.postpone(lease) if error.begun else self._outbox.give_back([lease]))
            raise
        else:
            self._failures = 0
            log.info("sent", extra=about)
        self._settled.append(lease.mail_id)
        await self._delete_settled()

    def _write(self, lease: Lease) -> Envelope:
        """Raises Erased, Unsendable, Unwritten."""
        try:
            mail = self._outbox.open(lease)
            return writing.write(lease.mail_id, self._from, mail.to, self._renderer.render(mail))
        except (Erased, Unsendable):
            raise
        except Exception as error:
            log.exception("not_written", extra={"mail": str(lease.mail_id)})
            raise Unwritten("not written") from error

    async def _delete_settled(self) -> None:
        if self._settled:
            await self._outbox.delete(self._settled)
            self._settled.clear()

    async def close(self) -> None:
        await self._sender.close()
        await self._outbox.close()
