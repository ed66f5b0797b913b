"""The queue of guesses at passwords, and the statements that they share. The limits are in rate_limits.py.

Each costs an argon2id hash; beside it a login is cheap only where logins share statements
(docs/decisions/0020-logins-in-windows.md).
"""

import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from services.accounts.guessing.rate_limits import Guess, RateLimits
from services.accounts.guessing.window import Window
from services.domain import refusals
from services.eventstore.credentials.session import StoredSession
from services.eventstore.credentials.store import Credential, SecretStore
from services.passwords.hasher import Verified
from services.passwords.pool import HashingPool

_SECONDS = 0.2
"""How long a guess waits for others while the processors have enough to hash."""
_OPENING_SECONDS, _ENDING_SECONDS = 0.005, 0.03
"""And where they soon will not: callers that were answered together then come back together."""
_LATE_SECONDS = 0.2
"""Work on a hash after which a guess waits for no others: its answer would miss the time of theirs (answers.py)."""
_MOST = 64


@dataclass(frozen=True, slots=True)
class _Made:
    """A guess that was made at a user's password.

    Attributes:
        begun: the user, and the id of the command that may have begun a session of theirs before.
    """

    guess: Guess
    right: bool
    begun: tuple[str, str] | None


class Guesses:
    """The queue of guesses. Methods raise Refusal and DatabaseUnavailable."""

    def __init__(self, rate_limits: RateLimits, secrets: SecretStore, pool: HashingPool, dearest: float) -> None:
        """`dearest`: seconds that the dearest accepted hash takes."""
        self._rate_limits = rate_limits
        self._secrets = secrets
        self._pool = pool
        self._dearest = dearest
        self._waiting = 0
        self._held: Counter[str] = Counter()
        self._comparing = 0
        self._openings = Window(self._open, most=_MOST, patience=self._until_opening)
        self._endings = Window(self._end, most=_MOST, patience=self._until_ending)

    def full(self, whence: str) -> bool:
        """Whether no other guess can be taken from a network (rate_limits.network), or from a user who is signed in.

        Each may hold as many places as are left free, so that one alone leaves half of them, two leave a third, and a
        newcomer finds a place (Choudhury and Hahne, "Dynamic queue length thresholds", 1998). Callers that name no
        address count as one network.
        """
        free = self._pool.capacity - max(self._waiting, self._pool.waiting("sign-in"))
        return free <= self._held[whence]

    def reserve(self, whence: str) -> None:
        """A place for one guess, to be used by `reserved`. Raises Refusal (`overloaded`) where there is none."""
        if self.full(whence):
            raise refusals.too_many_passwords()
        self._waiting += 1
        self._held[whence] += 1

    @contextmanager
    def reserved(self, whence: str) -> Generator[None]:
        """Within it a guess may be compared; then its place is free again."""
        try:
            yield
        finally:
            self._waiting -= 1
            self._held[whence] -= 1
            if not self._held[whence]:
                del self._held[whence]

    async def compare(
        self, guess: Guess, password: str, deadline: float | None
    ) -> tuple[Guess, Credential | None, Verified]:
        """Compare a password with that of the user it is guessed of, if there is one. It counts until `made`.

        The guess that is returned says how it was counted; `made` takes it.

        Its time begins as it is queued, unless it waits longer than a dear hash takes: then many wait, whatever their
        hashes cost. So those behind a few dear ones do not show by their time that these were dear.
        """
        opened = await self._openings.ask(guess)
        if opened is None:
            raise refusals.too_many_attempts()
        counted, credential = opened
        self._comparing += 1
        asked = time.monotonic()
        try:
            verified = await self._pool.verify(password, credential and credential.password, deadline)
        except Exception:
            await self._rate_limits.take_back(counted)
            raise
        finally:
            self._comparing -= 1
            self._openings.look()
            self._endings.look()
        if verified.began - asked <= self._dearest:
            verified = replace(verified, began=asked)
        return counted, credential, verified

    async def made(
        self, guess: Guess, verified: Verified, user_id: str, command_id: str | None
    ) -> StoredSession | None:
        """Note a guess that was made, before it is answered: one that was right does not count.


        Returns the session that the command began when it came before, where the guess was right. Guesses that return
        from here together go into the log together.
        """
        begun = (user_id, command_id) if verified.ok and command_id is not None else None
        return await self._endings.ask(_Made(guess, verified.ok, begun), at_once=verified.seconds > _LATE_SECONDS)

    def _until_opening(self) -> float:
        if not self._pool.waiting("sign-in"):
            return 0
        return _OPENING_SECONDS if self._pool.hungry else _SECONDS

    def _until_ending(self) -> float:
        if not self._comparing:
            return 0
        return _ENDING_SECONDS if self._pool.hungry else _SECONDS

    async def _open(self, guesses: Sequence[Guess]) -> list[tuple[Guess, Credential | None] | None]:
        """Count guesses before anything is looked up about their accounts; None for those that are refused."""
        counted = await self._rate_limits.guess(guesses)
        found = await self._secrets.by_emails([each.account for each in counted if each and not each.user_id])
        return [each and (each, await self._credential(each, found)) for each in counted]

    async def _credential(self, guess: Guess, found: Mapping[str, Credential]) -> Credential | None:
        return await self._secrets.by_id(guess.user_id) if guess.user_id else found.get(guess.account)

    async def _end(self, made: Sequence[_Made]) -> list[StoredSession | None]:
        if right := [each.guess for each in made if each.right]:
            await self._rate_limits.guessed(right)
        begun = await self._secrets.begun({each.begun for each in made if each.begun})
        return [begun.get(each.begun) if each.begun else None for each in made]
