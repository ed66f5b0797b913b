"""A verifier in a process of its own: `python -m bench.verifier URL`.

Says `ready`; then takes lines `<userId> <token>`, answers `held <userId>` where the token is good, and once it is
refused `<userId> <time>`: seconds of the clock that all processes of this machine share.
"""

import asyncio
import sys
import time

import uvloop
from denizen import AsyncTokenVerifier, TokenInvalid


async def main(url: str) -> None:
    tokens: dict[str, str] = {}
    async with AsyncTokenVerifier(url) as verifier:
        table = verifier._watch.table  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        add = table.add

        def note(key: str, position: int) -> None:
            """As the table, and at once a check as a request would make it."""
            add(key, position)
            user = key.removeprefix("user.")
            if user in tokens:
                try:
                    verifier.verify(tokens[user])
                except TokenInvalid:
                    del tokens[user]
                    print(user, time.monotonic(), flush=True)

        table.add = note
        print("ready", flush=True)
        while line := (await asyncio.to_thread(sys.stdin.readline)).split():
            user, token = line
            verifier.verify(token)
            tokens[user] = token
            print("held", user, flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
