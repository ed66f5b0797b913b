"""Verifiers in a process of its own: `python -m bench.verifier URL COUNT`.

Says `ready`; then takes lines `<userId> <token>`, answers `held <userId>` where all take the token, and once the last
of them refuses it `<userId> <time>`: since when, in seconds of the clock that all processes of this machine share.
"""

import asyncio
import sys
import time
from contextlib import AsyncExitStack

import uvloop
from denizen import AsyncTokenVerifier, TokenInvalid

_TRIED_SECONDS = 0.02
"""After it has heard of a revocation a verifier tries the token: what that costs is no part of the news."""


class Holder:
    """One verifier. Notes when it heard of a revocation, and then that it does refuse the token."""

    def __init__(self, verifier: AsyncTokenVerifier, remaining: dict[str, int]) -> None:
        """`remaining`: how many in this process still take a user's token."""
        self._verifier = verifier
        self._remaining = remaining
        self._tokens: dict[str, str] = {}
        table = verifier._watch.table  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._add, table.add = table.add, self._note

    def hold(self, user: str, token: str) -> None:
        self._verifier.verify(token)
        self._tokens[user] = token

    def _note(self, key: str, position: int) -> None:
        """As the table; from now on the token is refused."""
        self._add(key, position)
        user = key.removeprefix("user.")
        # Once: the relay puts again what the accounts put.
        if token := self._tokens.pop(user, None):
            asyncio.get_running_loop().call_later(_TRIED_SECONDS, self._try, user, token, time.monotonic())

    def _try(self, user: str, token: str, since: float) -> None:
        try:
            self._verifier.verify(token)
        except TokenInvalid:
            self._remaining[user] -= 1
            if not self._remaining[user]:
                print(user, since, flush=True)


async def main(url: str, count: int) -> None:
    remaining: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        holders = [Holder(await stack.enter_async_context(AsyncTokenVerifier(url)), remaining) for _ in range(count)]
        print("ready", flush=True)
        while line := (await asyncio.to_thread(sys.stdin.readline)).split():
            user, token = line
            remaining[user] = count
            for holder in holders:
                holder.hold(user, token)
            print("held", user, flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
