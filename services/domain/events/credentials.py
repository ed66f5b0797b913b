"""Events of a user's address and password."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from services.domain.events.base import ERASED, DomainEvent
from services.domain.user import UserAggregate
from services.domain.values import Json

__all__ = [
    "CredentialEvent",
    "EmailChanged",
    "EmailUnverified",
    "EmailVerificationRequested",
    "EmailVerified",
    "PasswordChanged",
    "PasswordReason",
    "PasswordResetRequested",
]

PasswordReason = Literal["changed", "reset", "recovered", "imported"]
"""How a password changed: by the user, by an operator, by the user with a token that was mailed, or by an import that
repaired an earlier one."""


@dataclass(slots=True)
class EmailVerificationRequested(DomainEvent):
    """A code was mailed: to the user's address, or to the one that is to replace it.

    Where it names the address that the user has, no code was mailed: it cancels a change to another address.
    """

    email: str | None
    email_key: str | None

    def private(self) -> Json:
        return {} if self.email is None else {"email": self.email, "emailKey": self.email_key}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("email"), private.get("emailKey"))

    def change(self, user: UserAggregate, at: datetime) -> None:
        if self.email is not None:
            user.wanted_email = None if self.email == user.email else (self.email, self.email_key or "")
        user.code_version = user.version


@dataclass(slots=True)
class EmailVerified(DomainEvent):
    """The user has proved that they read the mailbox of their address."""

    def changed(self) -> list[str]:
        return ["emailVerified", "status"]

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.email_verified = True
        user.code_version = user.version

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        document["emailVerified"] = True


@dataclass(slots=True)
class EmailUnverified(DomainEvent):
    """The user's address counts as verified no longer: an earlier import was wrong about it."""

    def changed(self) -> list[str]:
        return ["emailVerified", "status"]

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.email_verified = False

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        document["emailVerified"] = False


@dataclass(slots=True)
class EmailChanged(DomainEvent):
    """The user's address was replaced by another one, which is verified."""

    email: str
    email_key: str

    def private(self) -> Json:
        return {"email": self.email, "emailKey": self.email_key}

    def changed(self) -> list[str]:
        return ["email"]

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(private.get("email", ERASED), private.get("emailKey", ERASED))

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.email, user.email_key, user.wanted_email = self.email, self.email_key, None
        # What was mailed to the old address proves nothing about the new one.
        user.code_version = user.token_version = user.version

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        document["email"] = private.get("email", "")


@dataclass(slots=True)
class PasswordChanged(DomainEvent):
    """The user's password was set or changed. The event does not hold it.

    Attributes:
        require_change: the user must change it before the next sign-in.
    """

    reason: PasswordReason
    require_change: bool

    def private(self) -> Json:
        return {"requireChange": True} if self.require_change else {}

    def changed(self) -> list[str]:
        return ["password", "passwordChangeRequired"] if self.require_change else ["password"]

    def published(self) -> Json:
        return {"reason": self.reason}

    @classmethod
    def read(cls, private: Json, public: Json) -> Self:
        return cls(public["reason"], private.get("requireChange", False))

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.cancel_email_change()
        user.password_change_required = self.require_change
        user.password_version = user.token_version = user.version

    @staticmethod
    def show(document: Json, private: Json, at: str) -> None:
        document["passwordChangeRequired"] = private.get("requireChange", False)


@dataclass(slots=True)
class PasswordResetRequested(DomainEvent):
    """A token was mailed, by which the user can set another password."""

    def change(self, user: UserAggregate, at: datetime) -> None:
        user.token_version = user.version


CredentialEvent = (
    EmailVerificationRequested
    | EmailVerified
    | EmailUnverified
    | EmailChanged
    | PasswordChanged
    | PasswordResetRequested
)
"""The events of addresses and passwords."""
