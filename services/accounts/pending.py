"""A command on its way: the request, what was found out before it is decided, and how it is answered."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from services.domain.commands import Command
from services.domain.decision import NOTHING, Facts
from services.domain.refusals import Refusal
from services.domain.sessions import Ended
from services.domain.state import UserState
from services.endpoint.call import Call

Reply = Callable[[UserState, int | str], bytes | Refusal]
"""The answer to a command that was carried out: of the user after it, and the position of the log as it is shown."""


def with_user(stream: UserState, position: int | str) -> bytes:
    """What most commands answer with (design section 3)."""
    return orjson.dumps({"user": stream.body(), "version": stream.version, "position": position})


def deleted(stream: UserState, position: int | str) -> bytes:
    return orjson.dumps({"userId": stream.user_id, "position": position})


def accepted(_: UserState, __: int | str) -> bytes:
    """Tells nothing."""
    return b"{}"


@dataclass(slots=True, eq=False)
class PendingCommand:
    """A command to decide and answer.

    Attributes:
        reply: makes the answer where it succeeds.
        began: since when (time.monotonic) its refusal goes out at a multiple of the floor (answers.py), where that is
            not `call.compared`.
        discreet: its reply does likewise; and where that is `accepted`, the refusal `email_taken` looks like it.
        repeat: finds what to answer where a copy of it that came at the same time was first.
    """

    call: Call
    command: Command
    facts: Facts = NOTHING
    reply: Reply = with_user
    began: float | None = None
    discreet: bool = False
    repeat: Callable[[], Awaitable["Answer"]] | None = None


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
