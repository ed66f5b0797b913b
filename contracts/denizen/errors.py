"""The refusals of Denizen, one exception a code.

DenizenError
├─ MalformedMessage            400
├─ Unauthenticated             401  (InvalidCredentials, CodeInvalid, TokenInvalid)
├─ Forbidden                   403  (UserBlocked, EmailNotVerified, UserDeactivated, PasswordChangeRequired)
├─ NotFound                    404  (UserNotFound, IdentityNotFound, CommandNotFound)
├─ Conflict                    409  (EmailTaken, ExternalIdTaken, IdentityTaken, VersionConflict, InvalidTransition)
├─ ValidationFailed            422  (WeakPassword)
├─ TooManyAttempts             429
├─ InternalError               500
├─ Unavailable                 503  (Overloaded, StaleRead)
├─ DeadlineExceeded            504
└─ NoAnswer                    504  (the client's own: nothing came back in time)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class DenizenError(Exception):
    """A request that Denizen refused.

    Attributes:
        code: stable name of the reason, for programs (`email_taken`).
        number: its number, as in `Nats-Service-Error-Code`.
        message: one sentence for people; never holds input.
        field: dotted camelCase path of the offending field, where one is to blame.
        details: further facts: for `validation_failed` one `{"field", "message"}` for each fault.
    """

    code: ClassVar[str]
    number: ClassVar[int]

    def __init__(self, message: str, *, field: str | None = None, details: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.details = list(details)

    def __str__(self) -> str:
        at = f" ({self.field})" if self.field else ""
        return f"{self.code}: {self.message}{at}"


class MalformedMessage(DenizenError):
    code, number = "malformed_message", 400


class Unauthenticated(DenizenError):
    code, number = "unauthenticated", 401


class InvalidCredentials(Unauthenticated):
    code = "invalid_credentials"


class CodeInvalid(Unauthenticated):
    code = "code_invalid"


class TokenInvalid(Unauthenticated):
    code = "token_invalid"


class Forbidden(DenizenError):
    code, number = "forbidden", 403


class UserBlocked(Forbidden):
    code = "user_blocked"


class EmailNotVerified(Forbidden):
    code = "email_not_verified"


class UserDeactivated(Forbidden):
    code = "user_deactivated"


class PasswordChangeRequired(Forbidden):
    code = "password_change_required"


class NotFound(DenizenError):
    number = 404


class UserNotFound(NotFound):
    code = "user_not_found"


class IdentityNotFound(NotFound):
    code = "identity_not_found"


class CommandNotFound(NotFound):
    code = "command_not_found"


class Conflict(DenizenError):
    number = 409


class EmailTaken(Conflict):
    code = "email_taken"


class ExternalIdTaken(Conflict):
    code = "external_id_taken"


class IdentityTaken(Conflict):
    code = "identity_taken"


class VersionConflict(Conflict):
    code = "version_conflict"


class InvalidTransition(Conflict):
    code = "invalid_transition"


class ValidationFailed(DenizenError):
    code, number = "validation_failed", 422


class WeakPassword(ValidationFailed):
    code = "weak_password"


class TooManyAttempts(DenizenError):
    code, number = "too_many_attempts", 429


class InternalError(DenizenError):
    code, number = "internal", 500


class Unavailable(DenizenError):
    """Nothing was done; ask again a little later."""

    number = 503


class Overloaded(Unavailable):
    code = "overloaded"


class StaleRead(Unavailable):
    code = "stale_read"


class DeadlineExceeded(DenizenError):
    code, number = "deadline_exceeded", 504


def _leaves(kind: type[DenizenError]) -> list[type[DenizenError]]:
    own = [kind] if "code" in vars(kind) else []
    return own + [leaf for sub in kind.__subclasses__() for leaf in _leaves(sub)]


BY_CODE: dict[str, type[DenizenError]] = {kind.code: kind for kind in _leaves(DenizenError)}
"""Every code of the contract and its exception."""


class NoAnswer(DenizenError):
    """Nothing came back in time, so a command may have run or not: repeat it with the same `idempotency_key` to learn.

    Not in `BY_CODE`: no service ever answers this.
    """

    code, number = "no_answer", 504


def from_body(error: Mapping[str, Any]) -> DenizenError:
    """The exception that the `error` of a reply stands for; a DenizenError where its code is not known here."""
    code = str(error["code"])
    kind = BY_CODE.get(code) or type("UnknownError", (DenizenError,), {"code": code, "number": 500})
    return kind(str(error["message"]), field=error.get("field"), details=error.get("details", ()))
