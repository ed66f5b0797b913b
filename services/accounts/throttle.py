"""Limits on guessing and on mails, by account, by address on the network, by mailbox.

None ever locks an owner out for good: what was used up comes back with time, and who got in from a network address
lately is not held up by what others try on the account from elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

import orjson

from services import sql
from services.database import Database
from services.eventstore.keys import KeyRing
from services.settings import Settings

_PACKAGE = "services.accounts"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many at once, and one more each `gap` seconds.

    `spares`: it is not asked for callers who got in before.
    """

    name: str
    burst: int
    gap: float
    spares: bool = False


_GUESSES_FROM_ONE = Limit("guesses/account+ip", burst=5, gap=30)
_GUESSES = Limit("guesses/account", burst=25, gap=30, spares=True)
_GUESSES_BY_ADDRESS = Limit("guesses/ip", burst=100, gap=1)
_MAILS = Limit("mails", burst=4, gap=150)
_CODES = Limit("codes", burst=20, gap=60)


class Throttle:
    """Counts in PostgreSQL, so that a limit holds for all processes together. Keys are HMACs under a server key."""

    def __init__(self, settings: Settings, ring: KeyRing) -> None:
        # A crash may forget the counts of the last fractions of a second; waiting for the disk costs every login.
        self._database = Database(settings, "accounts throttle", options={"synchronous_commit": "off"})
        self._ring = ring

    async def close(self) -> None:
        await self._database.close()

    async def guess(self, account: str, ip: str | None) -> bool:
        """Count a guess at an account's password before it is made; False where it must not be made.

        `account` is what the guesser names: an address need not belong to anybody.
        """
        return await self._admit(self._guesses(account, ip), self._known(account, ip))

    async def guessed(self, account: str, ip: str | None) -> None:
        """It was right, and so it does not count."""
        await self._give_back(self._guesses(account, ip), self._known(account, ip))

    async def take_back(self, account: str, ip: str | None) -> None:
        """It was not made after all."""
        await self._give_back(self._guesses(account, ip), None)

    async def mail(self, address: str) -> bool:
        """Count a mail to an address; False where it must not be sent."""
        return await self._admit([(_MAILS, address)], None)

    async def code(self, user_id: str) -> bool:
        """Count a verification code that somebody tries for a user, over all the codes that are sent to him."""
        return await self._admit([(_CODES, user_id)], None)

    def _guesses(self, account: str, ip: str | None) -> Sequence[tuple[Limit, str]]:
        network = _network(ip)
        return [
            (_GUESSES_FROM_ONE, f"{account}\0{network}"),
            (_GUESSES, account),
            *([(_GUESSES_BY_ADDRESS, network)] if network else []),
        ]

    def _known(self, account: str, ip: str | None) -> bytes | None:
        """What stands for somebody who got in to an account from an address; without one nobody is known."""
        return self._ring.claim("throttle/known", f"{account}\0{_network(ip)}") if ip else None

    async def _admit(self, limits: Sequence[tuple[Limit, str]], known: bytes | None) -> bool:
        async with self._database.connection() as connection:
            cursor = await connection.execute(sql.load(_PACKAGE, "admit"), self._parameters(limits, known))
            return await cursor.fetchone() == (True,)

    async def _give_back(self, limits: Sequence[tuple[Limit, str]], known: bytes | None) -> None:
        async with self._database.connection() as connection:
            await connection.execute(sql.load(_PACKAGE, "give_back"), self._parameters(limits, known))

    def _parameters(self, limits: Sequence[tuple[Limit, str]], known: bytes | None) -> dict[str, object]:
        rows = [
            {
                "key": self._ring.claim(f"throttle/{limit.name}", key).hex(),
                "burst": limit.burst,
                "gap": limit.gap,
                "spares": limit.spares,
            }
            for limit, key in limits
        ]
        return {"limits": orjson.dumps(rows).decode(), "known": known}


def _network(ip: str | None) -> str:
    """Whom an address stands for: of IPv6 a customer has a /64 at least (RFC 6177)."""
    if ip is None:
        return ""
    address = ip_address(ip)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
