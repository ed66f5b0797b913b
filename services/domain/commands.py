"""Commands as they are decided: the requests of the contract, and what is made of those that name no user by the id."""

from dataclasses import dataclass
from datetime import datetime

from denizen import messages as m


@dataclass(frozen=True, slots=True)
class OnUser:
    """A command of ours, made of a request that does not name its user by the id."""

    user_id: str


@dataclass(frozen=True, slots=True)
class LogIn(OnUser):
    """The command of Authenticate."""

    ip: str | None
    user_agent: str | None


class RequestPasswordReset(OnUser):
    """The command of SendPasswordResetEmail."""

    __slots__ = ()


class RecoverPassword(OnUser):
    """The command of ConfirmPasswordReset."""

    __slots__ = ()


class TellOwner(OnUser):
    """The command of Register in the discreet setting, where the address is taken."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class EndBlock(OnUser):
    """The end of a block has come.

    Attributes:
        until: as the block had it; a later block of the user has another one.
    """

    until: datetime


@dataclass(slots=True)
class ImportUser:
    """The command of a row of ImportUsers, whose times are as `rfc3339` writes them.

    Attributes:
        user_id: of the user to create; no user has or ever had it.
    """

    user: m.ImportedUser
    user_id: str


@dataclass(frozen=True, slots=True)
class RepairUser(OnUser):
    """The command of a row of ImportUsers that is about an existing user, whom it is to update.

    Attributes:
        given: names of the fields that the row has, as on the wire.
        sets_password: the row has a password, or a hash that is not the user's.
    """

    row: m.ImportedUser
    given: frozenset[str]
    sets_password: bool


Command = m.Request | OnUser | ImportUser
