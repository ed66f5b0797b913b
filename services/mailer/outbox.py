"""The table `mails`: each mail is leased to one mailer at a time, and removed once it is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from cryptography.exceptions import InvalidTag

from services.domain.effects import MailKind
from services.eventstore.keys.data_keys import KeyRing, KeysMissing
from services.platform import sql
from services.platform.database import Database, ResultRow
from services.platform.settings import Settings

_KINDS = frozenset(get_args(MailKind))
_EXPIRED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class WaitingMail:
    """A mail as it was asked for (services/domain/effects.py)."""

    kind: MailKind
    to: str
    locale: str | None
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lease:
    """A mail that is ours until its lease runs out; sealed, because it may have to wait for its turn."""

    mail_id: UUID
    user_id: str
    private: bytes
    until: datetime
    """Until when it is ours; and the proof that it still is."""
    epoch: int | None
    wrapped: bytes | None


class Erased(Exception):
    """The user was erased, and with them the key of their mails."""


class MailUnreadable(Exception):
    """A mail that cannot be opened or understood. Says why, without quoting it."""


class Outbox:
    """The mails of one cell. Methods raise DatabaseUnavailable and psycopg's errors of a lost connection."""

    def __init__(self, settings: Settings, ring: KeyRing) -> None:
        self._database = Database(settings, "mailer", role="mailer", transaction_seconds=5)
        self._ring = ring

    async def take(self, limit: int, seconds: int) -> list[Lease]:
        """At most `limit` mails that are due; no other mailer gets them for so many seconds."""
        return [Lease(*row) for row in await self._run("take_leases", limit=limit, lease=seconds)]

    def open(self, lease: Lease) -> WaitingMail:
        """Raises Erased, MailUnreadable."""
        if lease.epoch is None or lease.wrapped is None:
            raise Erased("its user was erased")
        try:
            key = self._ring.unwrap(lease.user_id, lease.epoch, lease.wrapped)
            private = key.decrypt(lease.private, f"mail\0{lease.mail_id}")
        except (KeysMissing, InvalidTag) as error:
            raise MailUnreadable("it does not open under our keys") from error
        if private["kind"] not in _KINDS:
            raise MailUnreadable("its kind is unknown here")
        return WaitingMail(private["kind"], private["to"], private["locale"], private["values"])

    async def drop_expired(self) -> int:
        """How many were dropped."""
        return len(await self._run("drop_expired", limit=_EXPIRED_AT_ONCE))

    async def delete(self, mails: Sequence[UUID]) -> None:
        await self._run("delete", mails=list(mails))

    async def postpone(self, lease: Lease) -> None:
        """Try it again later: with a backoff by the number of tries."""
        await self._run("postpone", mail=lease.mail_id, lease=lease.until)

    async def give_back(self, leases: Sequence[Lease]) -> None:
        """Free mails that were taken together, for any mailer."""
        if leases:
            await self._run("give_back", mails=[lease.mail_id for lease in leases], lease=leases[0].until)

    async def close(self) -> None:
        await self._database.close()

    async def _run(self, name: str, **parameters: Any) -> list[ResultRow]:
        async with self._database.connection() as connection:
            return await (await connection.execute(sql.load("services.mailer", name), parameters)).fetchall()
