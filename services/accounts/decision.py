"""What a decision is made from, beside the user, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from denizen import messages as m

from services.accounts.events import UserEvent
from services.domain.refusals import Refusal
from services.eventstore.credentials.secrets import NewSession

Decision = Sequence[UserEvent] | Refusal


@dataclass(frozen=True, slots=True)
class OnUser:
    """A command of ours, made of a request that names its user in another way than by his id."""

    user_id: str


@dataclass(frozen=True, slots=True)
class LogIn(OnUser):
    """Of Authenticate."""

    ip: str | None
    user_agent: str | None


class RequestPasswordReset(OnUser):
    """Of SendPasswordResetEmail."""

    __slots__ = ()


class RecoverPassword(OnUser):
    """Of ConfirmPasswordReset."""

    __slots__ = ()


class TellOwner(OnUser):
    """Of Register in the discreet setting, where the address is taken."""

    __slots__ = ()


@dataclass(slots=True)
class ImportUser:
    """Of a row of ImportUsers, whose times are as `rfc3339` writes them.

    Attributes:
        user_id: is to be one that no user has or ever had.
    """

    user: m.ImportedUser
    user_id: str


Command = m.Request | OnUser | ImportUser


@dataclass(frozen=True, slots=True)
class Facts:
    """What was looked up, proved or drawn before a decision.

    Attributes:
        proven_at: the version of the user at which the command's password, code or token was found to be his; None
            where it was not.
        password_hash: of the command's new password.
        drawn: a fresh code or token, to be mailed; `digest` is what is kept of it.
        long_code: beside a code, the long one of the same mail; `long_digest` is what is kept of it.
        taken: the address to be verified is somebody else's, which the asker must not learn: the code goes to nobody.
        session: a fresh session.
        alive: the sessions that are to be ended are there.
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
        """Whether the proof was found when what it is about was as it is now: that is so since version `since`."""
        return self.proven_at is not None and self.proven_at >= since


NOTHING = Facts()
"""For the commands that need none."""


def no_user() -> Refusal:
    return Refusal("user_not_found", "there is no user with this id", field="userId")
