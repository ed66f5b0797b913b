"""What commands with secrets need, and what several of them do with it."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from services.accounts.task import Stream, fold
from services.accounts.throttle import Throttle
from services.endpoint.call import Call
from services.eventstore.keys import KeyRing
from services.eventstore.secret_store import Credential, SecretStore
from services.eventstore.store import EventStore
from services.passwords import policy
from services.passwords.hasher import Verified
from services.passwords.pool import HashingPool
from services.refusal import Refusal
from services.sealing import unseal
from services.settings import Settings
from services.tokens.keys import ServerKeys


@dataclass(slots=True)
class Tools:
    """Its methods raise Refusal and DatabaseUnavailable."""

    settings: Settings
    store: EventStore
    secrets: SecretStore
    ring: KeyRing
    keys: ServerKeys
    pool: HashingPool
    throttle: Throttle
    guessing: int = 0
    """Passwords that are being compared, or wait for it."""

    async def opened(self, secret: SecretStr, call: Call) -> str:
        """A secret of a request, which may be sealed."""
        return await unseal(secret.get_secret_value(), call.command_id if call.repeatable else None, self.keys)

    async def user(self, user_id: str) -> Stream:
        """A user as the log has him."""
        return fold(user_id, (await self.store.load([user_id])).get(user_id, []))

    async def new_hash(self, secret: SecretStr, call: Call, field: str, email: str | None = None) -> str:
        """The hash of a new password; refused where it is `weak_password`."""
        password = await self.opened(secret, call)
        if fault := policy.fault(password, self.settings.password_min_length, email=email):
            raise Refusal("weak_password", fault, field=field)
        return await self.pool.hash(password, call.deadline)

    async def proven_at(self, user_id: str, secret: SecretStr, call: Call) -> int | None:
        """The version of the user at which this was his password; None where it is not."""
        password = await self.opened(secret, call)
        credential, verified = await self.guess(f"user/{user_id}", None, password, self.secrets.by_id(user_id), call)
        return credential.version if credential is not None and verified.ok else None

    async def guess(
        self, account: str, ip: str | None, password: str, found: Coroutine[Any, Any, Credential | None], call: Call
    ) -> tuple[Credential | None, Verified]:
        """Whether a password is that of whom `found` finds.

        Where there is no room to compare it, that is said before anything is asked of the database. A guess that was
        right, or was not made, does not count: an owner is not held up by what he never tried.
        """
        try:
            if self.guessing >= self.pool.capacity:
                raise Refusal("overloaded", "too many passwords are waiting; nothing was done, try again")
            self.guessing += 1
            try:
                if not await self.throttle.guess(account, ip):
                    raise too_many_attempts()
                credential = await found
                try:
                    verified = await self.pool.verify(password, credential and credential.password, call.deadline)
                except Refusal:
                    await self.throttle.take_back(account, ip)
                    raise
            finally:
                self.guessing -= 1
        finally:
            found.close()
        if verified.ok:
            await self.throttle.guessed(account, ip)
        return credential, verified


def too_many_attempts() -> Refusal:
    return Refusal("too_many_attempts", "too many attempts; wait a little and try again")
