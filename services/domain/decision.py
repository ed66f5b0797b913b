"""The facts that a decision needs beside the user and the command, and its result."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.domain.events import UserEvent
from services.domain.refusals import Refusal
from services.domain.sessions import NewSession

Decision = Sequence[UserEvent] | Refusal


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that were looked up, proved or drawn before a decision.

    Attributes:
        proven_at: the version of the user at which the command's password, code or token was found to be theirs; None
            where it was not.
        password_hash: of the command's new password.
        drawn: a fresh code or token, to be mailed; `digest` is what is kept of it.
        long_code: beside a code, the long one of the same mail; `long_digest` is what is kept of it.
        taken: the address to be verified is another user's, which the caller must not learn: the code is not mailed.
        session: a fresh session.
        alive: the sessions that are to be ended exist.
    """

    proven_at: int | None = None
    password_hash: str | None = None
    drawn: str = ""
    digest: bytes = b""
    long_code: str = ""
    long_digest: bytes | None = None
    taken: bool = False
    session: NewSession | None = None
    alive: bool = True

    def proves(self, since: int) -> bool:
        """Whether the proof still holds: what it is about has not changed since version `since`."""
        return self.proven_at is not None and self.proven_at >= since


NOTHING = Facts()
"""For the commands that need none."""
