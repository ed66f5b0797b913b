"""Limits on guessing, on mails and on changes, by account, by address on the network, by mailbox.

None ever locks an owner out for good: what was used up comes back with time, and who got in from a network address
lately is not held up by what others try on the account from elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
_MAILS_BY_USER = Limit("mails/user", burst=5, gap=150)
_CODES = Limit("codes", burst=20, gap=60)
_CHANGES = Limit("changes", burst=100, gap=3)


@dataclass(frozen=True, slots=True)
class Guess:
    """A guess at the password of an account, from an address on the network.

    Attributes:
        account: what the guesser names; an address need not belong to anybody.
        user_id: where he names the user himself.
    """

    account: str
    ip: str | None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """The limits that a request has to do with, by their keys; `known`: where it is kept that he got in before.

    `gets_in`: what is given back was right, and he is known from now on.
    """

    limits: Mapping[bytes, Limit]
    known: bytes | None = None
    gets_in: bool = True


class Throttle:
    """Counts in PostgreSQL, so that a limit holds for all processes together. Keys are HMACs under a server key."""

    def __init__(self, settings: Settings, ring: KeyRing) -> None:
        # A crash may forget the counts of the last fractions of a second; waiting for the disk costs every login.
        self._database = Database(settings, "accounts throttle", options={"synchronous_commit": "off"})
        self._ring = ring

    async def close(self) -> None:
        await self._database.close()

    async def guess(self, guesses: Sequence[Guess]) -> list[bool]:
        """Count guesses before they are made; False for those that must not be made."""
        return await self._admit([self._asked(guess) for guess in guesses])

    async def guessed(self, guesses: Sequence[Guess]) -> None:
        """They were right, and so they do not count."""
        await self._give_back([self._asked(guess) for guess in guesses])

    async def take_back(self, guess: Guess) -> None:
        """It was not made after all."""
        await self._give_back([replace(self._asked(guess), gets_in=False)])

    async def mail(self, address: str, user_id: str | None = None) -> bool:
        """Count a mail to an address; False where it must not be sent. `user_id`: who has it sent to a stranger."""
        limits = {self._key(_MAILS, address): _MAILS}
        if user_id is not None:
            limits[self._key(_MAILS_BY_USER, user_id)] = _MAILS_BY_USER
        return (await self._admit([_Asked(limits)])) == [True]

    async def code(self, user_id: str) -> bool:
        """Count a verification code that somebody tries for a user, over all the codes that are sent to him."""
        return (await self._admit([_Asked({self._key(_CODES, user_id): _CODES})])) == [True]

    async def change(self, user_id: str) -> bool:
        """Count a change that a signed-in user makes to their own account; False where they make too many."""
        return (await self._admit([_Asked({self._key(_CHANGES, user_id): _CHANGES})])) == [True]

    def _asked(self, guess: Guess) -> _Asked:
        whence = network(guess.ip)
        here = f"{guess.account}\0{whence}"
        limits = {
            self._key(_GUESSES_FROM_ONE, here): _GUESSES_FROM_ONE,
            self._key(_GUESSES, guess.account): _GUESSES,
        }
        if whence:
            limits[self._key(_GUESSES_BY_ADDRESS, whence)] = _GUESSES_BY_ADDRESS
        return _Asked(limits, self._ring.claim("throttle/known", here) if whence else None)

    def _key(self, limit: Limit, of: str) -> bytes:
        return self._ring.claim(f"throttle/{limit.name}", of)

    async def _admit(self, asked: Sequence[_Asked]) -> list[bool]:
        """Whoever asks a limit that another asks too comes after him, in a statement of its own."""
        admitted: set[int] = set()
        remaining = list(range(len(asked)))
        while remaining:
            now: list[int] = []
            taken: set[bytes] = set()
            for index in remaining:
                if taken.isdisjoint(asked[index].limits):
                    now.append(index)
                taken.update(asked[index].limits)
            rows = [row | {"request": index} for index in now for row in _rows(asked[index])]
            async with self._database.connection() as connection:
                cursor = await connection.execute(sql.load(_PACKAGE, "admit"), _parameters(rows))
                admitted.update(index for (index,) in await cursor.fetchall())
            remaining = [index for index in remaining if index not in set(now)]
        return [index in admitted for index in range(len(asked))]

    async def _give_back(self, asked: Sequence[_Asked]) -> None:
        rows = [row for each in asked for row in _rows(each)]
        async with self._database.connection() as connection:
            await connection.execute(sql.load(_PACKAGE, "give_back"), _parameters(rows))


def _rows(asked: _Asked) -> list[dict[str, object]]:
    known = asked.known and asked.known.hex()
    return [
        {
            "key": key.hex(),
            "burst": limit.burst,
            "gap": limit.gap,
            "spares": limit.spares,
            "known": known,
            "gets_in": asked.gets_in,
        }
        for key, limit in asked.limits.items()
    ]


def _parameters(rows: Sequence[dict[str, object]]) -> dict[str, object]:
    return {"limits": orjson.dumps(rows).decode()}


def network(ip: str | None) -> str:
    """The network that an address stands for: of IPv6 a customer has a /64 at least (RFC 6177)."""
    if ip is None:
        return ""
    address = ip_address(ip)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
