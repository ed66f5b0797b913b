"""A process that writes: `python -m tests.support.writer DATABASE_URL COUNT`, and tells how it was answered."""

import asyncio
import json
import sys
from collections import Counter

from services.endpoint.call import Call
from services.eventstore.log.postgres import PostgresEventStore
from tests.support import log
from tests.support.accounts import Accounts, Json, ask
from tests.support.backend import email

_BATCH = 50
SHARED = "shared@example.com"


async def main(url: str, commands: int) -> Counter[str]:
    """Creates and changes; in every batch some want an address that is taken, or have seen another version."""
    store = PostgresEventStore(log.settings(url), log.ring(), "writer")
    accounts = Accounts(store)
    answers = Counter({"": 0, "email_taken": 0, "version_conflict": 0})
    # A user of the writer's own to change; it counts as one of the commands.
    mine = (await accounts.one(ask("CreateUser", {"email": email()})))["user"]["id"]
    answers[""] += 1
    done, number = 1, 0
    while done < commands:
        batch: list[Call] = []
        for _ in range(min(_BATCH, commands - done)):
            number += 1
            if number % 10 == 0:
                batch.append(ask("CreateUser", {"email": SHARED}))
            elif number % 10 == 5:
                batch.append(ask("UpdateUser", {"userId": mine, "metadata": {"n": number}}, version=1_000_000))
            elif number % 10 == 1:
                batch.append(ask("UpdateUser", {"userId": mine, "metadata": {"n": number}}))
            else:
                batch.append(ask("CreateUser", {"email": email()}))
        replies: list[Json] = await accounts.run(*batch)
        answers.update(reply["error"]["code"] if "error" in reply else "" for reply in replies)
        done += len(batch)
    await store.close()
    return answers


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2])))))
