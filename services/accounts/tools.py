"""The tools that handlers share: they open secrets, hash passwords and draw codes."""

from dataclasses import dataclass
from secrets import randbelow, token_hex

from denizen.sealing import PREFIX
from pydantic import SecretStr

from services.accounts.guessing.guess_queue import Guesses
from services.accounts.guessing.rate_limits import Guess, RateLimits
from services.accounts.users import UserReader
from services.domain import refusals
from services.domain.decision import Facts
from services.domain.state import UserState
from services.domain.user import UserAggregate
from services.endpoint.call import Call
from services.eventstore.credentials.store import SecretStore, long_code_digest
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.log.store import EventStore
from services.passwords import policy
from services.passwords.pool import HashingPool
from services.platform.settings import Settings
from services.tokens.keys import ServerKeys
from services.tokens.sealing import unseal

CODE_DIGITS = 6
"""Of a verification code that a user types. A code of another length is none of these, and costs them no try."""


@dataclass(slots=True)
class Tools:
    """The resources that handlers share. Its methods raise Refusal and DatabaseUnavailable."""

    settings: Settings
    store: EventStore
    users: UserReader
    secrets: SecretStore
    ring: KeyRing
    keys: ServerKeys
    pool: HashingPool
    rate_limits: RateLimits
    guesses: Guesses

    async def opened(self, secret: SecretStr, call: Call) -> str:
        """A secret of a request, which may be sealed."""
        text = secret.get_secret_value()
        if not text.startswith(PREFIX):
            return text
        if call.opened is None:
            call.opened = {}
        if text not in call.opened:
            call.opened[text] = await unseal(text, call.command_id if call.repeatable else None, self.keys)
        return call.opened[text]

    async def user(self, user_id: str) -> UserState:
        """The newest state of a user."""
        return await self.users.user(user_id)

    async def address(self, user_id: str) -> str | None:
        """A user's address; None where there is no such user."""
        user = (await self.user(user_id)).user
        return None if user is None else user.email

    def drawn_code(self) -> Facts:
        """A fresh verification code, and the long one of the same mail."""
        code, long_code = f"{randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}", token_hex(16)
        digest = self.ring.claim("code", code)
        long_digest = long_code_digest(self.ring, digest, long_code)
        return Facts(drawn=code, digest=digest, long_code=long_code, long_digest=long_digest)

    async def new_hash(
        self, secret: SecretStr, call: Call, field: str, email: str | None = None, *, unlike: str | None = None
    ) -> str:
        """The hash of a new password; refused where it is `weak_password`. `unlike`: the hash of the one before it."""
        password = await self.opened(secret, call)
        if fault := policy.fault(password, self.settings.password_min_length, email=email):
            raise refusals.weak_password(fault, field)
        if unlike is not None and (await self.pool.verify(password, unlike, call.deadline)).ok:
            raise refusals.password_unchanged(field)
        return await self.pool.hash(password, call.deadline)

    async def proven_at(self, user_id: str, secret: SecretStr, call: Call) -> int | None:
        """The version of the user at which this was their password; None where it is not."""
        guess = Guess(_named(user_id), None, user_id)
        self.guesses.reserve(guess.account)
        with self.guesses.reserved(guess.account):
            password = await self.opened(secret, call)
            guess, credential, verified = await self.guesses.compare(guess, password, call.deadline)
        call.compared = verified.began
        await self.guesses.made(guess, verified, user_id, None)
        return credential.version if credential is not None and verified.ok else None


def accounts(user: UserAggregate) -> list[str]:
    """The names under which guesses at a user's password are counted (rate_limits.Guess)."""
    return [user.email_key, _named(user.id)]


def _named(user_id: str) -> str:
    """The name for guesses of callers who name the user by the id."""
    return f"user/{user_id}"
