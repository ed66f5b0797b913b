"""A command on its way: the request, what was found out before it is decided, and how it is answered."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from services.domain.claims import Claim
from services.domain.decision import NOTHING, Command, Facts
from services.domain.refusals import Refusal
from services.domain.user import User
from services.endpoint.call import Call


@dataclass(slots=True)
class Stream:
    """A user as far as the log and this batch have him.

    Attributes:
        user: None where there is none, or none any more.
        version: how many events his stream has.
        position: of his newest stored event.
        logins: the version of the stream of his logins, where a command of the batch needs it.
        pending: something of this batch is in it that is not stored yet.
        gone: the user was erased after this version, and who they were then cannot be read any more.
    """

    user_id: str
    user: User | None = None
    version: int = 0
    position: int = 0
    logins: int = 0
    pending: bool = False
    gone: bool = False

    @property
    def claims(self) -> frozenset[Claim]:
        return self.user.claims() if self.user else frozenset()

    def body(self) -> dict[str, object]:
        """The user as a reply shows him."""
        assert self.user
        return self.user.body()


Reply = Callable[[Stream, int | str], bytes | Refusal]
"""The answer to a command that was carried out: of the user after it, and the position of the log as it is shown."""


def with_user(stream: Stream, position: int | str) -> bytes:
    """What most commands answer with (design section 3)."""
    return orjson.dumps({"user": stream.body(), "version": stream.version, "position": position})


def deleted(stream: Stream, position: int | str) -> bytes:
    return orjson.dumps({"userId": stream.user_id, "position": position})


def accepted(_: Stream, __: int | str) -> bytes:
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
class Ended:
    """Ended sessions: all of a user that began before a place (services/domain/place.py), or the named one."""

    user_id: str
    session_id: str | None
    place: int = 0


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
