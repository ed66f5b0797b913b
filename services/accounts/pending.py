"""Commands that wait to be decided, and the answers to them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast

import orjson
from denizen import messages as m

from services.domain.commands import Command, OnUser
from services.domain.decision import NOTHING, Facts
from services.domain.refusals import Refusal
from services.domain.sessions import ENDING_COMMANDS, Ended
from services.domain.state import UserState
from services.endpoint.call import Call

Reply = Callable[[UserState, int | str], bytes | Refusal]
"""Makes the answer to a command that succeeded, of the user after it and the position of the log as it is shown."""


def with_user(stream: UserState, position: int | str) -> bytes:
    """Show the user, as most replies do."""
    return orjson.dumps({"user": stream.body(), "version": stream.version, "position": position})


def deleted(stream: UserState, position: int | str) -> bytes:
    return orjson.dumps({"userId": stream.user_id, "position": position})


def accepted(_: UserState, __: int | str) -> bytes:
    """Say nothing but that the request was taken."""
    return b"{}"


REPLIES: Mapping[type[m.Message], Reply] = {
    m.Accepted: accepted,
    m.Deleted: deleted,
    m.OpaqueDeleted: deleted,
}
"""By the reply that the contract names; others show the user."""


class Repeat(OnUser):
    """The command of an id that ran before, where it does not name its user. It is never decided."""

    __slots__ = ()


_ON_USER = (m.UserRequest, OnUser)


def named_user(command: Command) -> str | None:
    """The id of the user that a command names; None where it creates one."""
    return cast(OnUser, command).user_id if _names_user(type(command)) else None


@cache
def _names_user(kind: type[Command]) -> bool:
    """Remembered: to ask pydantic's classes costs half a microsecond, several times a command."""
    return issubclass(kind, _ON_USER)


@dataclass(slots=True, eq=False)
class PendingCommand:
    """A command to decide and answer.

    Attributes:
        reply: makes the answer where it succeeds; None where that is as `REPLIES` says.
        began: since when (time.monotonic) its refusal goes out at a multiple of the floor (answers.py), where that is
            not `call.compared`.
        discreet: its reply does likewise; and where that is `accepted`, some refusals look like it (Handler.conceals).
        repeat: finds the answer where a copy of it that came at the same time was stored first.
    """

    call: Call
    command: Command
    facts: Facts = NOTHING
    reply: Reply | None = None
    began: float | None = None
    discreet: bool = False
    repeat: Callable[[], Awaitable["Answer"]] | None = None

    @property
    def replies(self) -> Reply:
        """The function that makes the answer of a successful command."""
        return self.reply or REPLIES.get(self.call.operation.reply, with_user)

    @property
    def is_urgent(self) -> bool:
        """Whether it ends sessions: every verifier learns of it before anything else is done."""
        return type(self.command) in ENDING_COMMANDS


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request: the body of the reply and the position that its header names, or a refusal.

    Attributes:
        position: as the caller may see it (Call.shown).
        ended: the sessions that the command ended, which verifiers must know of before the caller does.
    """

    said: bytes | Refusal
    position: int | str | None = None
    ended: Ended | None = None
