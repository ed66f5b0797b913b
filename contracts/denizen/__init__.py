"""Denizen's contract: the messages, errors and client that other services install."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from denizen.errors import (
    CodeInvalid,
    CommandNotFound,
    Conflict,
    DeadlineExceeded,
    DenizenError,
    EmailNotVerified,
    EmailTaken,
    ExternalIdTaken,
    Forbidden,
    IdentityNotFound,
    IdentityTaken,
    InternalError,
    InvalidCredentials,
    InvalidTransition,
    JetStreamUnavailable,
    MalformedMessage,
    NatsLoginRefused,
    NatsPermissionDenied,
    NoAnswer,
    NotFound,
    Overloaded,
    PasswordChangeRequired,
    StaleRead,
    TlsFailed,
    TokenInvalid,
    TooManyAttempts,
    Unauthenticated,
    Unavailable,
    UsedAfterFork,
    UserBlocked,
    UserDeactivated,
    UserNotFound,
    ValidationFailed,
    VersionConflict,
    WeakPassword,
    WrongEventLoop,
)
from denizen.messages import EventData, Profile, User, UserList
from denizen.operations import COMMANDS, OPERATIONS, QUERIES, Operation

if TYPE_CHECKING:
    from denizen.client import AsyncClient, Client
    from denizen.events import Event
    from denizen.verifier import AsyncTokenVerifier, TokenVerifier

__all__ = [
    "COMMANDS",
    "OPERATIONS",
    "QUERIES",
    "AsyncClient",
    "AsyncTokenVerifier",
    "Client",
    "CodeInvalid",
    "CommandNotFound",
    "Conflict",
    "DeadlineExceeded",
    "DenizenError",
    "EmailNotVerified",
    "EmailTaken",
    "Event",
    "EventData",
    "ExternalIdTaken",
    "Forbidden",
    "IdentityNotFound",
    "IdentityTaken",
    "InternalError",
    "InvalidCredentials",
    "InvalidTransition",
    "JetStreamUnavailable",
    "MalformedMessage",
    "NatsLoginRefused",
    "NatsPermissionDenied",
    "NoAnswer",
    "NotFound",
    "Operation",
    "Overloaded",
    "PasswordChangeRequired",
    "Profile",
    "StaleRead",
    "TlsFailed",
    "TokenInvalid",
    "TokenVerifier",
    "TooManyAttempts",
    "Unauthenticated",
    "Unavailable",
    "UsedAfterFork",
    "User",
    "UserBlocked",
    "UserDeactivated",
    "UserList",
    "UserNotFound",
    "ValidationFailed",
    "VersionConflict",
    "WeakPassword",
    "WrongEventLoop",
]
__version__ = "0.2.0"
"""The version of the contract, and of the services that keep it. All else that tells a version reads it here."""


_IMPORTED_ON_USE = {
    "AsyncClient": "denizen.client",
    "AsyncTokenVerifier": "denizen.verifier",
    "Client": "denizen.client",
    "Event": "denizen.events",
    "TokenVerifier": "denizen.verifier",
}
"""Names by their module. A program that needs only messages and errors does not load nats-py (160 ms where aiohttp is
installed), and one that checks no tokens does not need joserfc."""


def __getattr__(name: str) -> Any:
    if name in _IMPORTED_ON_USE:
        return getattr(import_module(_IMPORTED_ON_USE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
