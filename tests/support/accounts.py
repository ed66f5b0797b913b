"""The write side without its network."""

from typing import Any

import orjson
from denizen import headers as h
from denizen.operations import OPERATIONS

from services.accounts.commands import Commands
from services.endpoint.call import Call, understand
from services.eventstore.memory import MemoryEventStore
from services.eventstore.store import EventStore
from services.refusal import Refusal

Json = dict[str, Any]


class Accounts:
    """Commands over a store: replies by call, and how often subscribers were poked."""

    def __init__(self, store: EventStore | None = None) -> None:
        self.store = store or MemoryEventStore()
        self.replies: dict[int, bytes] = {}
        self.pokes = 0
        self._commands = Commands(self.store, self._answer, self._refuse, self._appended)

    async def _answer(self, call: Call, body: bytes) -> None:
        assert id(call) not in self.replies
        self.replies[id(call)] = body

    async def _refuse(self, call: Call, refusal: Refusal) -> None:
        await self._answer(call, orjson.dumps(refusal.body()))

    async def _appended(self) -> None:
        self.pokes += 1

    async def raw(self, *calls: Call) -> list[bytes]:
        """The replies to one batch, each command answered exactly once."""
        self.replies.clear()
        await self._commands.run(list(calls))
        return [self.replies[id(call)] for call in calls]

    async def run(self, *calls: Call) -> list[Json]:
        return [orjson.loads(reply) for reply in await self.raw(*calls)]

    async def one(self, call: Call) -> Json:
        (reply,) = await self.run(call)
        return reply


def ask(name: str, body: Json, **headers: str | int) -> Call:
    """A command; headers are `id`, `version`, `deadline` and `actor`."""
    names = {"id": h.COMMAND_ID, "version": h.EXPECTED_VERSION, "deadline": h.DEADLINE, "actor": h.ACTOR}
    given = {names[name]: str(value) for name, value in headers.items()}
    return understand(OPERATIONS[name], "_INBOX.a", given, orjson.dumps(body))
