"""The write side without its network."""

from collections.abc import Sequence
from typing import Any

import orjson
from denizen import headers as h
from denizen.operations import OPERATIONS

from services.accounts.fingerprint import without_secrets
from services.accounts.pending import Answer, PendingCommand
from services.accounts.rounds import Rounds
from services.accounts.users import evolved
from services.domain.refusals import Refusal
from services.domain.sessions import Ended
from services.domain.state import UserState
from services.domain.streams import StoredEvent
from services.endpoint.call import Call, understand
from services.endpoint.opaque_positions import Positions
from services.eventstore.log.memory import MemoryEventStore
from services.eventstore.log.store import EventStore
from services.eventstore.log.tails import Tail
from tests.support.log import ring

Json = dict[str, Any]


class Accounts:
    """Rounds over a store: replies by call, sessions that ended, and how often subscribers were signalled."""

    def __init__(self, store: EventStore | None = None) -> None:
        self.store = store or MemoryEventStore()
        self.replies: dict[int, bytes] = {}
        self.signals = 0
        self.ended: list[Ended] = []
        self._commands = Rounds(self.store, self._send, self._appended)
        self.users = self._commands.users

    async def _send(self, task: PendingCommand, answer: Answer) -> None:
        assert id(task.call) not in self.replies
        said = answer.said
        self.replies[id(task.call)] = orjson.dumps(said.body()) if isinstance(said, Refusal) else said
        if answer.ended is not None:
            self.ended.append(answer.ended)

    async def _appended(self, mails: bool) -> None:
        self.signals += 1

    async def raw(self, *asked: Call | PendingCommand) -> list[bytes]:
        """The replies to one batch, each command answered exactly once. A call is a task without facts."""
        self.replies.clear()
        tasks = [each if isinstance(each, PendingCommand) else PendingCommand(each, each.request) for each in asked]
        await self._commands.run(tasks)
        await self._commands.drained()
        return [self.replies[id(task.call)] for task in tasks]

    async def run(self, *asked: Call | PendingCommand) -> list[Json]:
        return [orjson.loads(reply) for reply in await self.raw(*asked)]

    async def one(self, asked: Call | PendingCommand) -> Json:
        (reply,) = await self.run(asked)
        return reply


def whole(user_id: str, stored: Sequence[StoredEvent]) -> UserState:
    """A user, folded from their whole stream."""
    return evolved(UserState(user_id), Tail(user_id, events=list(stored)))


def ask(name: str, body: Json, **headers: str | int) -> Call:
    """A command; headers are `id`, `version`, `deadline` and `actor`."""
    names = {"id": h.COMMAND_ID, "version": h.EXPECTED_VERSION, "deadline": h.DEADLINE, "actor": h.ACTOR}
    given = {names[name]: str(value) for name, value in headers.items()}
    call = understand(OPERATIONS[name], "_INBOX.a", given, orjson.dumps(body))
    Positions(ring(), "test").introduce(call)
    call.digest = without_secrets(ring(), call)
    return call
