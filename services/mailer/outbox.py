"""The table `mails`: what waits there, taken by one mailer at a time and removed once it is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from cryptography.exceptions import InvalidTag

from services.domain.effects import MailKind
from services.eventstore.keys.data_keys import KeyRing, KeysMissing
from services.platform import sql
from services.platform.database import Database, Row
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
class Claim:
    """A row that is ours until its lease runs out; sealed, because it may have to wait for its turn."""

    mail_id: UUID
    user_id: str
    private: bytes
    lease: datetime
    """Until when it is ours; and what tells that it still is."""
    epoch: int | None
    wrapped: bytes | None


class Erased(Exception):
    """The user is gone, and with him the key of his mails."""


class Unreadable(Exception):
    """A mail that cannot be opened or understood. Says why, without a word of it."""


class Outbox:
    """The mails of one cell. Methods raise DatabaseUnavailable and psycopg's errors of a lost connection."""

    def __init__(self, settings: Settings, ring: KeyRing) -> None:
        self._database = Database(settings, "mailer", transaction_seconds=5)
        self._ring = ring

    async def claim(self, limit: int, lease: int) -> list[Claim]:
        """At most `limit` mails that are due; nobody else gets them for `lease` seconds."""
        return [Claim(*row) for row in await self._run("claim", limit=limit, lease=lease)]

    def open(self, claim: Claim) -> WaitingMail:
        """Raises Erased, Unreadable."""
        if claim.epoch is None or claim.wrapped is None:
            raise Erased("its user was erased")
        try:
            key = self._ring.unwrap(claim.user_id, claim.epoch, claim.wrapped)
            private = key.decrypt(claim.private, f"mail\0{claim.mail_id}")
        except (KeysMissing, InvalidTag) as error:
            raise Unreadable("it does not open under our keys") from error
        if private["kind"] not in _KINDS:
            raise Unreadable("its kind is unknown here")
        return WaitingMail(private["kind"], private["to"], private["locale"], private["values"])

    async def drop_expired(self) -> int:
        """How many were dropped."""
        return len(await self._run("drop_expired", limit=_EXPIRED_AT_ONCE))

    async def delete(self, mails: Sequence[UUID]) -> None:
        await self._run("delete", mails=list(mails))

    async def postpone(self, claim: Claim) -> None:
        """Try this one again, the later the more often it was tried."""
        await self._run("postpone", mail=claim.mail_id, lease=claim.lease)

    async def give_back(self, claims: Sequence[Claim]) -> None:
        """Whoever comes first may have these, which were claimed together."""
        if claims:
            await self._run("give_back", mails=[claim.mail_id for claim in claims], lease=claims[0].lease)

    async def close(self) -> None:
        await self._database.close()

    async def _run(self, name: str, **parameters: Any) -> list[Row]:
        async with self._database.connection() as connection:
            return await (await connection.execute(sql.load("services.mailer", name), parameters)).fetchall()
