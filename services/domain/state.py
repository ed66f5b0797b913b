"""The state of a user that a command is decided on, with the versions of the user's streams."""

from dataclasses import dataclass

from services.domain.claim_kinds import Claim
from services.domain.user import UserAggregate
from services.domain.values import Json


@dataclass(slots=True)
class UserState:
    """A user's state: the stored events plus the uncommitted ones of this batch.

    Attributes:
        user: None where there is none, or none any more.
        version: how many events the user's own stream has.
        position: of the newest stored event.
        logins: the version of the stream of the user's logins, where a command of the batch needs it.
        pending: events of this batch are in it that are not stored yet.
        gone: the user was erased after this version, and who they were then cannot be read any more.
    """

    user_id: str
    user: UserAggregate | None = None
    version: int = 0
    position: int = 0
    logins: int = 0
    pending: bool = False
    gone: bool = False

    @property
    def claims(self) -> frozenset[Claim]:
        return self.user.claims() if self.user else frozenset()

    def body(self) -> Json:
        """The user as a reply shows them; there must be one."""
        assert self.user
        return self.user.body()
