"""Events of sign-ins and sessions, in the stream of the user's logins. They change nothing that is decided on."""

from dataclasses import dataclass
from typing import ClassVar, Self

from services.domain.events.base import DomainEvent
from services.domain.values import Json

__all__ = ["LoginEvent", "LoginFailed", "LoginSucceeded", "SessionsRevoked"]


@dataclass(slots=True)
class LoginSucceeded(DomainEvent):
    """The user signed in, and a session began."""

    session_id: str
    ip: str | None
    user_agent: str | None

    def private(self) -> Json:
        return _origin(self.ip, self.user_agent)

    def published(self) -> Json:
        return {"sessionId": self.session_id}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(public["sessionId"], private.get("ip"), private.get("userAgent"))

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        document |= {"loginCount": document["loginCount"] + 1, "lastLoginAt": at, "lastLoginIp": private.get("ip")}


@dataclass(slots=True)
class LoginFailed(DomainEvent):
    """A sign-in to the user's account was refused.

    Attributes:
        reason: the code of the refusal.
    """

    is_shown: ClassVar[bool] = False

    reason: str
    ip: str | None
    user_agent: str | None

    def private(self) -> Json:
        return _origin(self.ip, self.user_agent)

    def published(self) -> Json:
        return {"reason": self.reason}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(public["reason"], private.get("ip"), private.get("userAgent"))


@dataclass(slots=True)
class SessionsRevoked(DomainEvent):
    """One session of the user was ended, or all of them.

    Attributes:
        session_id: the session that ended; None: all of them.
    """

    is_shown: ClassVar[bool] = False

    session_id: str | None

    def published(self) -> Json:
        return {} if self.session_id is None else {"sessionId": self.session_id}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(public.get("sessionId"))


def _origin(ip: str | None, user_agent: str | None) -> Json:
    given = {"ip": ip, "userAgent": user_agent}
    return {name: value for name, value in given.items() if value is not None}


LoginEvent = LoginSucceeded | LoginFailed | SessionsRevoked
"""The events of the stream beside the user's own."""
