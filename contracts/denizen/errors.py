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
├─ NoAnswer                    504  (the client's own: nothing came back in time)
│  ├─ NatsLoginRefused         503  (wrong user or password of NATS: nothing was done)
│  ├─ NatsPermissionDenied     503  (the NATS user may not ask this: nothing was done)
│  ├─ TlsFailed                503  (no TLS, or a certificate that is not trusted: nothing was sent)
│  └─ JetStreamUnavailable     503  (NATS runs without JetStream, so without events and revocations)
├─ UsedAfterFork               500  (the client's own: it was made before the process forked)
└─ WrongEventLoop              500  (the client's own: it is in use on another event loop)
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
    Its subclasses say what is known to be the cause.

    Not in `BY_CODE`: no service ever answers this.
    """

    code, number = "no_answer", 504


class NatsLoginRefused(NoAnswer):
    """NATS does not know the user, or the password is wrong. Nothing was done; a repeat does not help."""

    code, number = "nats_login_refused", 503


class NatsPermissionDenied(NoAnswer):
    """The NATS user may not publish the request or hear its reply (deploy/nats/). A repeat does not help."""

    code, number = "nats_permission_denied", 503


class TlsFailed(NoAnswer):
    """TLS was asked for, and the server has none, or its certificate is not trusted or is another host's."""

    code, number = "tls_failed", 503


class JetStreamUnavailable(NoAnswer):
    """NATS answers, and has no JetStream for this user: no events, and no revocations for verifiers."""

    code, number = "jetstream_unavailable", 503


class UsedAfterFork(DenizenError):
    """The client was used before the process forked, and its connection is the parent's. Make one in the child."""

    code, number = "used_after_fork", 500


class WrongEventLoop(DenizenError):
    """The client is connected on another event loop, which still runs. Make one for each loop."""

    code, number = "wrong_event_loop", 500


def from_body(error: Mapping[str, Any]) -> DenizenError:
    """The exception that the `error` of a reply stands for; a DenizenError where its code is not known here."""
    code = str(error["code"])
    kind = BY_CODE.get(code) or type("UnknownError", (DenizenError,), {"code": code, "number": 500})
    return kind(str(error["message"]), field=error.get("field"), details=error.get("details", ()))
