"""What commands with secrets need, and what several of them do with it."""

from dataclasses import dataclass

from denizen.sealing import PREFIX
from pydantic import SecretStr

from services.accounts.guessing.guesses import Guesses
from services.accounts.guessing.rate_limits import Guess, RateLimits
from services.accounts.users import Users
from services.domain.refusals import Refusal
from services.domain.state import UserState
from services.domain.user import User
from services.endpoint.call import Call
from services.eventstore.credentials.store import SecretStore
from services.eventstore.keys.data_keys import KeyRing
from services.eventstore.log.store import EventStore
from services.passwords import policy
from services.passwords.pool import HashingPool
from services.platform.settings import Settings
from services.tokens.keys import ServerKeys
from services.tokens.sealing import unseal


@dataclass(slots=True)
class Tools:
    """Its methods raise Refusal and DatabaseUnavailable."""

    settings: Settings
    store: EventStore
    users: Users
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
        if text not in call.opened:
            call.opened[text] = await unseal(text, call.command_id if call.repeatable else None, self.keys)
        return call.opened[text]

    async def user(self, user_id: str) -> UserState:
        """A user as the log has him."""
        return await self.users.user(user_id)

    async def new_hash(
        self, secret: SecretStr, call: Call, field: str, email: str | None = None, *, unlike: str | None = None
    ) -> str:
        """The hash of a new password; refused where it is `weak_password`. `unlike`: the hash of the one before it."""
        password = await self.opened(secret, call)
        if fault := policy.fault(password, self.settings.password_min_length, email=email):
            raise Refusal("weak_password", fault, field=field)
        if unlike is not None and (await self.pool.verify(password, unlike, call.deadline)).ok:
            raise Refusal("weak_password", "the new password is the same as before: choose another one", field=field)
        return await self.pool.hash(password, call.deadline)

    async def proven_at(self, user_id: str, secret: SecretStr, call: Call) -> int | None:
        """The version of the user at which this was his password; None where it is not."""
        guess = Guess(_named(user_id), None, user_id)
        self.guesses.reserve(guess.account)
        with self.guesses.reserved(guess.account):
            password = await self.opened(secret, call)
            guess, credential, verified = await self.guesses.compare(guess, password, call.deadline)
        call.compared = verified.began
        await self.guesses.made(guess, verified, user_id, None)
        return credential.version if credential is not None and verified.ok else None


def accounts(user: User) -> list[str]:
    """The names under which guesses at a user's password are counted (rate_limits.Guess)."""
    return [user.email_key, _named(user.id)]


def _named(user_id: str) -> str:
    """The name for guesses of callers who name the user by the id."""
    return f"user/{user_id}"


def too_many_attempts() -> Refusal:
    return Refusal("too_many_attempts", "too many attempts; wait a little and try again")
