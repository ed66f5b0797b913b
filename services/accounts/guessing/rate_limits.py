"""Rate limits of guesses, mails and changes: by account, by network address, by mailbox.

None locks an owner out for good: what was used up comes back with time, and callers who are likely to be the owner
have a share of their own that others cannot use up (docs/decisions/0029-an-owner-gets-in.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal, LiteralString

import orjson

from services.eventstore.keys.data_keys import KeyRing
from services.platform import sql
from services.platform.database import Database
from services.platform.settings import Settings


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate limit: `burst` at once, and one more each `gap` seconds.

    `of`: the callers that it applies to. `known` callers signed in to the account from the same network lately.
    """

    name: str
    burst: int
    gap: float
    of: Literal["all", "strangers", "known"] = "all"


_GUESSES_FROM_ONE = Limit("guesses/account+ip", burst=5, gap=30)
_GUESSES = Limit("guesses/account", burst=10, gap=120, of="strangers")
_GUESSES_BY_NEW = Limit("guesses/account+new", burst=15, gap=40, of="strangers")
"""A part that repeated guesses cannot use up: each neighbourhood has few tries in it. Both parts together bound what
unknown callers guess at an account: 25 at once, and one more each 30 s."""
_GUESSES_FROM_NEW = Limit("guesses/account+neighbourhood", burst=2, gap=43_200, of="strangers")
_GUESSES_BY_ADDRESS = Limit("guesses/ip", burst=100, gap=1, of="strangers")
_GUESSES_BY_KNOWN = Limit("guesses/ip+known", burst=100, gap=1, of="known")
_GUESSES_BY_SESSION = Limit("guesses/session", burst=5, gap=30)
_MAILS = Limit("mails", burst=4, gap=150)
_MAILS_BY_USER = Limit("mails/user", burst=5, gap=150)
_CODES = Limit("codes", burst=20, gap=60)
_CHANGES = Limit("changes", burst=100, gap=3)
_PROOF_SECONDS = 300.0
"""How long an account takes further guesses after its mailbox was proved, until one is right."""
_PROOF_GUESSES = 1000
"""How many it takes in that time."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A guess at the password of an account, from an address on the network.

    Attributes:
        account: the account that the caller names; an address need not belong to a user.
        user_id: where the caller names the user by the id.
        session: a session of that account which the guesser has proved to be theirs; its guesses count for it alone.
    """

    account: str
    ip: str | None
    user_id: str | None = None
    session: str | None = None
    new: bool = False
    """It is counted in the part of callers from networks that are new to the account."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The limits that apply to a request, by their keys.

    Attributes:
        known: the key of the note that the caller signed in from here before.
        proof: the key of the note that the mailbox of the account was proved.
        gets_in: a guess that is given back was right, so the caller is known from now on.
    """

    limits: Mapping[bytes, Limit]
    known: bytes | None = None
    proof: bytes | None = None
    gets_in: bool = True


class RateLimits:
    """Counts in PostgreSQL, so that a limit holds for all processes together. Keys are HMACs under a server key."""

    def __init__(self, settings: Settings, ring: KeyRing) -> None:
        # A crash may forget the counts of the last fractions of a second; waiting for the disk costs every login.
        options = {"synchronous_commit": "off"}
        self._database = Database(settings, "accounts throttle", role="accounts", options=options)
        self._ring = ring

    async def close(self) -> None:
        await self._database.close()

    async def guess(self, guesses: Sequence[Guess]) -> list[Guess | None]:
        """Count guesses before they are made: each as it was counted, or None where it must not be made.

        A guess past the limits is made all the same where it comes from a network that is new to the account, or where
        the mailbox of the account was proved lately.
        """
        counted = await self._counted(guesses)
        for others in (self._counted_as_new, self._proved):
            if refused := [index for index, each in enumerate(counted) if each is None]:
                for index, each in zip(refused, await others([guesses[index] for index in refused]), strict=True):
                    counted[index] = each
        return counted

    async def _counted(self, guesses: Sequence[Guess]) -> list[Guess | None]:
        admitted = await self._admit([self._asked(guess) for guess in guesses])
        return [guess if let else None for guess, let in zip(guesses, admitted, strict=True)]

    async def _counted_as_new(self, guesses: Sequence[Guess]) -> list[Guess | None]:
        new = [replace(guess, new=True) for guess in guesses if guess.ip is not None and guess.session is None]
        counted = iter(await self._counted(new))
        return [next(counted) if guess.ip is not None and guess.session is None else None for guess in guesses]

    async def _proved(self, guesses: Sequence[Guess]) -> list[Guess | None]:
        """Those at accounts whose mailbox was proved lately; they use up the proof."""
        proofs = [self._proof(guess.account) for guess in guesses]
        async with self._database.connection() as connection:
            spent = {"keys": proofs, "gap": _PROOF_SECONDS / _PROOF_GUESSES}
            cursor = await connection.execute(_sql("spend_proof"), spent)
            proved = {bytes(key) for (key,) in await cursor.fetchall()}
        return [guess if proof in proved else None for guess, proof in zip(guesses, proofs, strict=True)]

    async def proved(self, accounts: Sequence[str]) -> None:
        """The owner of accounts has proved their mailbox, or an operator has set a password: guesses begin afresh.

        For 5 minutes, or until one is right, they take a thousand guesses past the limits, from wherever.
        """
        rows = {self._proof(account): _PROOF_SECONDS for account in accounts}
        rows |= {self._key(each, account): 0.0 for account in accounts for each in (_GUESSES, _GUESSES_BY_NEW)}
        rows |= {self._key(_GUESSES_FROM_ONE, _here(account, "")): 0.0 for account in accounts}
        async with self._database.connection() as connection:
            await connection.execute(_sql("prove"), [list(rows), list(rows.values())])

    async def guessed(self, guesses: Sequence[Guess]) -> None:
        """Give guesses back that were right, as `guess` returned them."""
        await self._give_back([self._asked(guess) for guess in guesses])

    async def take_back(self, guess: Guess) -> None:
        """Give a guess back that was not made after all."""
        await self._give_back([replace(self._asked(guess), gets_in=False)])

    async def mail(self, address: str, user_id: str | None = None) -> bool:
        """Count a mail to an address; False where it must not be sent. `user_id`: who has it sent, to a stranger."""
        limits = {self._key(_MAILS, address): _MAILS}
        if user_id is not None:
            limits[self._key(_MAILS_BY_USER, user_id)] = _MAILS_BY_USER
        return (await self._admit([_Asked(limits)])) == [True]

    async def code(self, user_id: str) -> bool:
        """Count a verification code that was tried for a user in vain, over all the codes that are sent to them."""
        return (await self._admit([_Asked({self._key(_CODES, user_id): _CODES})])) == [True]

    async def change(self, user_id: str) -> bool:
        """Count a change that a signed-in user makes to their own account; False where they make too many."""
        return (await self._admit([_Asked({self._key(_CHANGES, user_id): _CHANGES})])) == [True]

    def _asked(self, guess: Guess) -> _Asked:
        whence = network(guess.ip)
        here = _here(guess.account, whence)
        limits = {self._key(_GUESSES_FROM_ONE, here): _GUESSES_FROM_ONE}
        if guess.new:
            limits |= {
                self._key(_GUESSES_BY_NEW, guess.account): _GUESSES_BY_NEW,
                self._key(_GUESSES_FROM_NEW, _here(guess.account, neighbourhood(guess.ip))): _GUESSES_FROM_NEW,
            }
        elif guess.user_id is None:  # Else the guesser is signed in, and all that are count as one network.
            limits[self._key(_GUESSES, guess.account)] = _GUESSES
        if guess.session is not None:
            limits = {self._key(_GUESSES_BY_SESSION, guess.session): _GUESSES_BY_SESSION}
        elif whence:
            limits |= {self._key(each, whence): each for each in (_GUESSES_BY_ADDRESS, _GUESSES_BY_KNOWN)}
        known = self._ring.claim("throttle/known", here) if whence else None
        return _Asked(limits, known, self._proof(guess.account))

    def _proof(self, account: str) -> bytes:
        return self._ring.claim("throttle/proof", account)

    def _key(self, limit: Limit, of: str) -> bytes:
        return self._ring.claim(f"throttle/{limit.name}", of)

    async def _admit(self, asked: Sequence[_Asked]) -> list[bool]:
        """Requests that share a limit are counted one after another, each in a statement of its own."""
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
                cursor = await connection.execute(_sql("admit"), _parameters(rows))
                admitted.update(index for (index,) in await cursor.fetchall())
            remaining = [index for index in remaining if index not in set(now)]
        return [index in admitted for index in range(len(asked))]

    async def _give_back(self, asked: Sequence[_Asked]) -> None:
        rows = [row for each in asked for row in _rows(each)]
        async with self._database.connection() as connection:
            await connection.execute(_sql("give_back"), _parameters(rows))


def _sql(name: str) -> LiteralString:
    return sql.load("services.accounts.guessing", name)


def _here(account: str, whence: str) -> str:
    """An account, as guessed at from one network."""
    return f"{account}\0{whence}"


def _rows(asked: _Asked) -> list[dict[str, object]]:
    known = asked.known and asked.known.hex()
    return [
        {
            "key": key.hex(),
            "burst": limit.burst,
            "gap": limit.gap,
            "of": limit.of,
            "known": known,
            "proof": asked.proof and asked.proof.hex(),
            "gets_in": asked.gets_in,
        }
        for key, limit in asked.limits.items()
    ]


def _parameters(rows: Sequence[dict[str, object]]) -> dict[str, object]:
    return {"limits": orjson.dumps(rows).decode()}


def network(ip: str | None) -> str:
    """The network that an address stands for: of IPv6 a customer has a /64 at least (RFC 6177)."""
    return _prefix(ip, 32, 64)


def neighbourhood(ip: str | None) -> str:
    """The addresses that one customer can have at a low price: a /24 of IPv4, a /48 of IPv6 (RFC 6177)."""
    return _prefix(ip, 24, 48)


def _prefix(ip: str | None, ipv4: int, ipv6: int) -> str:
    if ip is None:
        return ""
    address = ip_address(ip)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address, ipv6), strict=False))
        address = address.ipv4_mapped
    return str(address) if ipv4 == 32 else str(ip_network((address, ipv4), strict=False))
